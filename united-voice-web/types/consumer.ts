// Code that users of the module may write, and code that the compiler must refuse. If it accepts a
// line below `@ts-expect-error`, that is an error.
import {
  AudioOutput, Microphone, VoiceClient, VoiceError, backoffDelay, quality,
  type ChannelDetail, type ConnectionStats, type Participant, type VoiceErrorCode, type VoiceTransport,
} from '../src/index.js';

const client = new VoiceClient({ url: 'wss://voice.example.org/ws', token: 'token', relayOnly: true });
new VoiceClient({
  url: 'ws://127.0.0.1:8080/ws',
  token: async ({ renew }) => ({ token: renew ? 'new' : 'old', userId: 'me' }),
  random: () => 0.5,
});
new VoiceClient({ url: 'ws://127.0.0.1:8080/ws' });
new VoiceClient({ url: '', token: 'token', authorize: (url, token) => { url.searchParams.set('jwt', token); } });
new VoiceClient({ url: '', authorize: () => ({ protocols: ['bearer'] }) });
const transport: VoiceTransport = { state: 'open', send() {}, close() {}, onopen: null, onmessage: null, onclose: null };
new VoiceClient({ transport: async ({ renew }) => (renew ? transport : transport), relayOnly: true });
// @ts-expect-error neither an address nor a transport
new VoiceClient({ token: 'token' });
// @ts-expect-error both
new VoiceClient({ url: '', transport: () => transport });
// @ts-expect-error a transport can send
new VoiceClient({ transport: () => ({ ...transport, send: undefined }) });
// @ts-expect-error a promise instead of a function
new VoiceClient({ url: '', token: Promise.resolve('token') });

client.addEventListener('track', ({ detail }) => play(detail.userId, detail.track));
client.addEventListener('trackended', ({ detail }) => play(detail.userId, null), { once: true });
client.addEventListener('channel', ({ detail }) => where(detail));
client.addEventListener('state', ({ detail }) => {
  const pause: number | undefined = detail.retryInMs;
  // @ts-expect-error there is no such state
  if (detail.state === 'offline') return pause;
  return detail.state === 'waiting' ? pause : undefined;
});
client.addEventListener('error', ({ detail: { error } }) => {
  const code: VoiceErrorCode = error.code;
  return error.retryable && code !== 'CHANNEL_FULL';
});
// @ts-expect-error there is no such event
client.addEventListener('joined', () => {});
// @ts-expect-error a leave has no track
client.addEventListener('participantleft', ({ detail }) => detail.track);

function play(_userId: string, _track: MediaStreamTrack | null): void {}

function where(detail: ChannelDetail): boolean {
  if (detail.channelId === null) {
    // @ts-expect-error only a join has a warning
    return detail.qualityWarning;
  }
  return detail.qualityWarning;
}

export async function use(): Promise<void> {
  client.connect();
  const { qualityWarning }: { qualityWarning: boolean } = await client.join('general');
  const others: Participant[] = client.participants;
  const stats: ConnectionStats[] = await client.stats();
  const words: 'good' | 'fair' | 'poor' | undefined = stats[0] && quality(stats[0]);
  const channel: string | null = client.channelId;
  client.setTrack(null);
  client.setMuted(qualityWarning || others.length > 8 || words === 'poor' || channel === null);
  // @ts-expect-error not a boolean
  client.setDeafened('yes');
  // @ts-expect-error a channel is needed
  await client.join();
  // @ts-expect-error read only
  client.channelId = 'general';
  // @ts-expect-error private
  client.signaling;
  const pause: number = backoffDelay(3);
  throw new VoiceError(pause > 0 ? 'TIMEOUT' : 'OFFLINE');
}

// @ts-expect-error there is no such code
new VoiceError('VOICE_ERROR_CODE_FORBIDDEN');

const context = new AudioContext();
const microphone = new Microphone(context, { workletUrl: '/worklet.js' });
new Microphone(null);
new AudioOutput(null);
client.addEventListener('audiounavailable', ({ detail: { userId, reason } }) => (userId === null ? reason : userId));
microphone.addEventListener('interrupted', ({ detail }) => detail.interrupted === microphone.interrupted);
const output = new AudioOutput(context);
microphone.addEventListener('track', ({ detail }) => client.setTrack(detail.track));
microphone.addEventListener('level', ({ detail }) => detail.db > -50);
microphone.mode = 'push';
// @ts-expect-error there is no such mode
microphone.mode = 'always';
client.addEventListener('track', ({ detail }) => output.play(detail.userId, detail.track));
// @ts-expect-error a volume is a number
output.setVolume('user', '100 %');
