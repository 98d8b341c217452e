/** The package's entry: the voice client, the microphone and the playback. */

export { VoiceClient } from './voice-client.js';
export { VoiceError, backoffDelay } from './signaling.js';
export { quality } from './peer-stats.js';
export { Microphone } from './microphone.js';
export { AudioOutput } from './audio-output.js';
