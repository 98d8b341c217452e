/**
 * Tells the server whether the user is muted, deafened or speaking: only changes, and few of them.
 */

const SPEAKING_INTERVAL_MS = 250;
const RETRY_MS = 1_000;

export class OwnState {
  muted = false;
  deafened = false;
  speaking = false;
  #signaling;
  #stay;
  #stateInFlight = false;
  /** The session and the state that the server knows, as one text. */
  #stateSent = '';
  #speakingSent = false;
  #speakingTimer = 0;

  /**
   * @param {import('./signaling.js').Signaling} signaling
   * @param {() => { channelId: string | null, sessionId: string }} stay the present stay in a
   *   channel; `sessionId` is empty if there is none
   */
  constructor(signaling, stay) {
    this.#signaling = signaling;
    this.#stay = stay;
  }

  /** A new session has begun. The server takes it to be unmuted, undeafened and silent. */
  began(sessionId) {
    this.#speakingSent = false;
    this.#stateSent = stateText(sessionId, false, false);
  }

  /**
   * Makes the server's idea of muted and deafened the present one. Only one request is under way at
   * a time; if the state changes meanwhile, another request follows.
   */
  async tellState() {
    const { channelId, sessionId } = this.#stay();
    const muted = this.muted || this.deafened;
    const deafened = this.deafened;
    const state = stateText(sessionId, muted, deafened);
    if (!sessionId || this.#stateInFlight || this.#stateSent === state) return;
    this.#stateInFlight = true;
    let pauseMs = 0;
    try {
      await this.#signaling.request('voiceStateUpdate', { channelId, muted, deafened });
      this.#stateSent = state;
    } catch (error) {
      if (!error.retryable) this.#stateSent = state;
      pauseMs = RETRY_MS;
    } finally {
      this.#stateInFlight = false;
    }
    setTimeout(() => this.tellState(), pauseMs);
  }

  /** Tells whether the user speaks, if that changed, at most four times a second. */
  tellSpeaking() {
    const { channelId, sessionId } = this.#stay();
    if (this.#speakingTimer || this.speaking === this.#speakingSent) return;
    if (!sessionId || !this.#signaling.online) return;
    // The reply says nothing new. But if it does not come, the connection is dead, and a request
    // notices.
    this.#signaling.request('voiceSpeakingEvent', { channelId, speaking: this.speaking }).catch(() => {});
    this.#speakingSent = this.speaking;
    this.#speakingTimer = setTimeout(() => {
      this.#speakingTimer = 0;
      this.tellSpeaking();
    }, SPEAKING_INTERVAL_MS);
  }
}

function stateText(sessionId, muted, deafened) {
  return `${sessionId} ${muted} ${deafened}`;
}
