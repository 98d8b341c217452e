/**
 * Lets the offers of each user through at a pace, so that one user can't wear out the browser. Each
 * offer may need a new RTCPeerConnection, and a browser makes only a few hundred.
 */

import { Allowances } from './allowance.js';

/** How many offers of one user pass at once. */
export const OFFERS_AT_ONCE = 4;
/** The pause before each further one. */
export const OFFER_PAUSE_MS = 4_000;

export class OfferGate {
  #pass;
  #allowances;
  /** The latest offer of a user that has to wait, with its timer. */
  #held = new Map();

  /**
   * @param {object} options
   * @param {(userId: string, sdp: string) => void} options.pass takes an offer
   * @param {() => number} options.now the time in milliseconds
   */
  constructor({ pass, now }) {
    this.#pass = pass;
    this.#allowances = new Allowances(OFFERS_AT_ONCE, OFFER_PAUSE_MS, now);
  }

  /** Lets an offer pass, or holds it in place of the one before. Returns whether it passed. */
  receive(userId, sdp) {
    const held = this.#held.get(userId);
    if (held) {
      held.sdp = sdp;
      return false;
    }
    const waitMs = this.#allowances.take(userId);
    if (waitMs === 0) {
      this.#pass(userId, sdp);
      return true;
    }
    const entry = { sdp, timer: setTimeout(() => this.#again(userId, entry), waitMs) };
    this.#held.set(userId, entry);
    return false;
  }

  /** Whether an offer of this user waits. */
  holds(userId) {
    return this.#held.has(userId);
  }

  /** Drops the offer that waits, because its session has ended. */
  forget(userId) {
    clearTimeout(this.#held.get(userId)?.timer);
    this.#held.delete(userId);
  }

  /** Drops all offers that wait. */
  clear() {
    for (const userId of [...this.#held.keys()]) this.forget(userId);
  }

  #again(userId, { sdp }) {
    this.#held.delete(userId);
    this.receive(userId, sdp);
  }
}
