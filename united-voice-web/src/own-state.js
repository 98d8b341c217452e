/**
 * Tells the server whether the user is muted, deafened or speaking: only changes, and few of them.
 * A user that cannot be heard, without a track or with one that the system mutes, is muted.
 */

const SPEAKING_INTERVAL_MS = 250;
const RETRY_MS = 1_000;
/**
 * How long a user may be without a track before the others see them as muted. At the beginning of a
 * call the browser takes a moment to start the microphone.
 */
export const TRACKLESS_MS = 2_000;

export class OwnState {
  muted = false;
  deafened = false;
  speaking = false;
  #signaling;
  #stay;
  #stateInFlight = false;
  /** The session and the state that the server knows, as one text. */
  #stateSent = '';
  /** What the others know; `null` if they do not all know the same. */
  #speakingSent = false;
  #speakingTimer = 0;
  #track = null;
  #trackEvents = null;
  /** Whether there is nothing to hear: no track, or one that the system mutes. */
  #inaudible = false;
  #tracklessTimer = 0;

  /**
   * @param {import('./signaling.js').Signaling} signaling
   * @param {() => { channelId: string | null, sessionId: string }} stay the present stay in a
   *   channel; `sessionId` is empty if there is none
   */
  constructor(signaling, stay) {
    this.#signaling = signaling;
    this.#stay = stay;
  }

  /**
   * A new session has begun. The server takes it to be unmuted, undeafened and silent. `again`: the
   * user was in this channel before the connection was lost.
   */
  began(sessionId, again) {
    this.#speakingSent = false;
    this.#stateSent = stateText(sessionId, false, false);
    // A microphone that is about to start has its time.
    if (!again && !this.#track) this.#inaudible = false;
    this.#watchTrack();
  }

  /** The track that the others hear; `null` for none. */
  setTrack(track) {
    if (track === this.#track) return;
    this.#track = track;
    this.#trackEvents?.abort();
    this.#trackEvents = new AbortController();
    for (const type of ['mute', 'unmute', 'ended']) {
      track?.addEventListener?.(type, () => this.#watchTrack(), { signal: this.#trackEvents.signal });
    }
    this.#watchTrack();
  }

  #watchTrack() {
    clearTimeout(this.#tracklessTimer);
    if (this.#track) this.#setInaudible(this.#track.muted === true || this.#track.readyState === 'ended');
    else this.#tracklessTimer = setTimeout(() => this.#setInaudible(true), TRACKLESS_MS);
  }

  #setInaudible(inaudible) {
    if (inaudible === this.#inaudible) return;
    this.#inaudible = inaudible;
    this.tellState();
    this.tellSpeaking();
  }

  /** Somebody joined, who does not know yet that the user speaks. */
  repeatSpeaking() {
    if (!this.#speakingSent) return;
    this.#speakingSent = null;
    this.tellSpeaking();
  }

  /**
   * Makes the server's idea of muted and deafened the present one. Only one request is under way at
   * a time; if the state changes meanwhile, another request follows.
   */
  async tellState() {
    const { channelId, sessionId } = this.#stay();
    const muted = this.muted || this.deafened || this.#inaudible;
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
    const speaking = this.speaking && !this.#inaudible;
    if (this.#speakingTimer || speaking === this.#speakingSent) return;
    if (!sessionId || !this.#signaling.online) return;
    // The reply says nothing new. But if it does not come, the connection is dead, and a request
    // notices.
    this.#signaling.request('voiceSpeakingEvent', { channelId, speaking }).catch((error) => {
      if (!error.retryable || this.#stay().sessionId !== sessionId) return;
      if (this.#speakingSent === speaking) this.#speakingSent = null;
      this.#tellSpeakingIn(RETRY_MS);
    });
    this.#speakingSent = speaking;
    this.#tellSpeakingIn(SPEAKING_INTERVAL_MS);
  }

  #tellSpeakingIn(delayMs) {
    clearTimeout(this.#speakingTimer);
    this.#speakingTimer = setTimeout(() => {
      this.#speakingTimer = 0;
      this.tellSpeaking();
    }, delayMs);
  }
}

function stateText(sessionId, muted, deafened) {
  return `${sessionId} ${muted} ${deafened}`;
}
