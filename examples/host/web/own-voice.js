/** What the others hear of the user: the microphone, muting, and deafening, which mutes as well. */

import { MICROPHONE_LOST, microphoneText } from './messages.js';
import { preferences } from './preferences.js';

/**
 * Events:
 *
 * - `change`: something about the user's own state changed
 * - `problem` `{ text, retry }`: why the user can't be heard, and a function that tries again. The
 *   text is empty if there is no problem any more
 */
export class OwnVoice extends EventTarget {
  #client;
  #microphone;
  #output;
  #wantsMute = false;
  /** Whether the user is in a call or about to join one. Only then is the microphone held. */
  #inCall = false;
  #testing = false;
  #speaking = false;

  /**
   * @param {import('./united-voice-web/index.js').VoiceClient} client
   * @param {import('./united-voice-web/index.js').Microphone} microphone
   * @param {import('./united-voice-web/index.js').AudioOutput} output
   * @param {{ muted?: boolean, deafened?: boolean }} [beginning] how the user begins
   */
  constructor(client, microphone, output, { muted = false, deafened = false } = {}) {
    super();
    this.#wantsMute = muted;
    this.#client = client;
    this.#microphone = microphone;
    this.#output = output;
    microphone.addEventListener('track', ({ detail }) => client.setTrack(detail.track));
    microphone.addEventListener('open', ({ detail }) => this.#opened(detail.open));
    microphone.addEventListener('lost', () => this.#lost());
    microphone.addEventListener('interrupted', () => this.#emit('change'));
    if (muted || deafened) this.setDeafened(deafened);
  }

  /** Whether the user wants to be muted, with or without a microphone. */
  get wantsMute() { return this.#wantsMute; }

  get deafened() { return this.#client.deafened; }

  get speaking() { return this.#speaking; }

  /** Whether the user is muted, on purpose or for want of a microphone. */
  get muted() { return this.#client.muted || !this.#microphone.present; }

  /** The same, or because the system mutes the microphone for a while. The others see that too. */
  get seenMuted() { return this.muted || this.#microphone.interrupted; }

  /** A call begins: starts the microphone, unless it runs. */
  begin() {
    this.#inCall = true;
    if (!this.#microphone.present) this.start(preferences.microphone);
  }

  /** The call is over: stops the microphone, so that the browser's sign for it goes out. */
  end() {
    this.#inCall = false;
    if (!this.#testing) this.#microphone.stop();
    this.#problem('');
  }

  /**
   * Starts the microphone so that its level shows, also outside a call.
   * @throws {DOMException} the error of `getUserMedia`
   */
  async beginTest() {
    this.#testing = true;
    if (!this.#microphone.present) await this.#microphone.start(preferences.microphone);
    if (!this.#wanted) this.#microphone.stop();
  }

  endTest() {
    this.#testing = false;
    if (!this.#wanted) this.#microphone.stop();
  }

  get #wanted() { return this.#inCall || this.#testing; }

  /** Starts the microphone, or changes to another. */
  async start(deviceId) {
    try {
      await this.#microphone.start(deviceId);
      this.#problem('');
    } catch (error) {
      this.#problem(microphoneText(error), () => this.start(preferences.microphone));
    }
    // The user may leave the call before answering the browser's question.
    if (!this.#wanted) this.#microphone.stop();
    this.#tellMute();
  }

  async toggleMute() {
    if (!this.#microphone.present) {
      this.#wantsMute = false;
      await this.start(preferences.microphone);
      return;
    }
    // A deafened user is muted as well, so the button then means: let me talk.
    this.#wantsMute = !(this.#wantsMute || this.#client.deafened);
    if (this.#client.deafened) this.setDeafened(false);
    else this.#tellMute();
  }

  setDeafened(deafened) {
    this.#client.setDeafened(deafened);
    this.#output.deafened = deafened;
    this.#tellMute();
  }

  /** The others see a user without a microphone as muted. */
  #tellMute() {
    this.#client.setMuted(this.#wantsMute || !this.#microphone.present);
    this.#microphone.muted = this.#wantsMute || this.#client.deafened;
    this.#emit('change');
  }

  #opened(open) {
    this.#speaking = open;
    this.#client.setSpeaking(open);
    this.#emit('change');
  }

  #lost() {
    this.#tellMute();
    // The chosen device is gone, so the next attempt takes the system's choice.
    this.#problem(MICROPHONE_LOST, () => this.start(''));
  }

  #problem(text, retry = () => {}) {
    this.#emit('problem', { text, retry });
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
