/**
 * Which channel the user wants to be in, and the requests that bring the user there: joins, joins
 * after a reconnection, and leaves that the server has to know of.
 */

import { VoiceError } from './signaling.js';

const REJOIN_DELAY_MS = 2_000;
/** The pause before a refused leave is sent again. Each further pause is twice as long. */
const FIRST_LEAVE_DELAY_MS = 300;
/** If the server refuses this many times, closing the connection tells it. */
const MAX_LEAVE_REFUSALS = 4;
/** The codes of requests that ended with their connection. */
const LOST = ['TIMEOUT', 'OFFLINE'];

export class Membership {
  #signaling;
  #hooks;
  /** The channel to be in once signaling is online; `null` if none. */
  #wanted = null;
  /** The promise of a `join` that waits for the connection. */
  #waiter = null;
  #rejoinTimer = 0;
  /** The leave that the server has not confirmed yet; `null` if there is none. */
  #owed = null;
  #joins = 0;

  /**
   * @param {import('./signaling.js').Signaling} signaling
   * @param {object} hooks
   * @param {() => { channelId: string | null, sessionId: string }} hooks.stay the present stay in a
   *   channel; `sessionId` is empty if there is none
   * @param {(reason: string) => void} hooks.exit the user is in no channel any more
   * @param {(error: VoiceError) => void} hooks.failed a join that nobody waits for was refused
   */
  constructor(signaling, hooks) {
    this.#signaling = signaling;
    this.#hooks = hooks;
  }

  get wanted() {
    return this.#wanted;
  }

  /** Joins a channel. Waits for the connection if there is none. */
  async join(channelId) {
    this.#wanted = channelId;
    this.#supersede();
    if (!this.#signaling.online) {
      return new Promise((resolve, reject) => { this.#waiter = { resolve, reject }; });
    }
    try {
      return await this.#requestJoin(channelId);
    } catch (error) {
      // A join that fails changes nothing, so the next connection does not try it again.
      if (this.#wanted === channelId && LOST.includes(error.code)) this.#wanted = this.#hooks.stay().channelId;
      throw error;
    }
  }

  /** Leaves a channel, the present or the wanted one. */
  leave() {
    const channelId = this.#hooks.stay().channelId ?? this.#wanted;
    this.end();
    if (channelId !== null) this.#sayLeave(channelId);
    this.#hooks.exit('left');
  }

  /** The user is to be in no channel. */
  end() {
    clearTimeout(this.#rejoinTimer);
    this.#supersede();
    this.#wanted = null;
  }

  /** The user is in a channel. On the server, that has ended any stay before. */
  joined() {
    this.#owed = null;
  }

  /** Signaling was lost, and the stay and all that was owed with it. */
  offline() {
    clearTimeout(this.#rejoinTimer);
    this.#owed = null;
  }

  /**
   * Joins the channel that the user was in before the connection was lost, or wants to be in since.
   */
  async restore() {
    const channelId = this.#wanted;
    if (channelId === null) return;
    const waiter = this.#waiter;
    this.#waiter = null;
    try {
      const joined = await this.#requestJoin(channelId);
      waiter?.resolve(joined);
    } catch (error) {
      if (LOST.includes(error.code) && this.#wanted === channelId) {
        this.#waiter ??= waiter; // the next connection tries again
      } else if (!waiter && error.retryable && this.#wanted === channelId) {
        this.#rejoinTimer = setTimeout(() => { if (this.#signaling.online) this.restore(); }, REJOIN_DELAY_MS);
      } else if (waiter) {
        waiter.reject(error);
      } else if (error.code !== 'SUPERSEDED') {
        this.#hooks.failed(error);
      }
    }
  }

  async #requestJoin(channelId) {
    this.#joins += 1;
    try {
      const response = await this.#signaling.request('voiceJoinRequest', { channelId });
      return { channelId: response.channelId || channelId, qualityWarning: Boolean(response.qualityWarning) };
    } catch (error) {
      this.#joinFailed(channelId, error);
      throw error;
    } finally {
      this.#joins -= 1;
    }
  }

  #joinFailed(channelId, error) {
    if (this.#wanted !== channelId || LOST.includes(error.code)) return;
    const stay = this.#hooks.stay();
    if (stay.sessionId !== '') {
      this.#wanted = stay.channelId; // the user is still in the present channel
    } else if (!error.retryable || stay.channelId === null) {
      this.#wanted = null;
      this.#hooks.exit('refused');
    }
  }

  #supersede() {
    this.#waiter?.reject(new VoiceError('SUPERSEDED'));
    this.#waiter = null;
  }

  /** Tells the server until it knows. Otherwise the others would keep a ghost. */
  async #sayLeave(channelId) {
    const owed = {};
    this.#owed = owed;
    for (let refusals = 0; this.#owed === owed;) {
      // A join moves the user, and ends this. If it is refused, the leave is still owed.
      if (refusals === 0 || this.#joins === 0) {
        try {
          await this.#signaling.request('voiceLeaveRequest', { channelId });
          break;
        } catch (error) {
          refusals += 1;
          // A connection that is lost ends the stay as well.
          if (!error.retryable || LOST.includes(error.code)) break;
          if (refusals === MAX_LEAVE_REFUSALS && this.#owed === owed) this.#signaling.reset();
        }
      }
      await pause(FIRST_LEAVE_DELAY_MS * 2 ** (refusals - 1));
    }
    if (this.#owed === owed) this.#owed = null;
  }
}

function pause(ms) {
  return new Promise((resolve) => { setTimeout(resolve, ms); });
}
