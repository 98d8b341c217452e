/**
 * Sends offers, answers and candidates at a pace that the server takes, and gives none of them up.
 *
 * A browser makes dozens of candidates for each connection. Sent at once to twenty participants,
 * they exceed the server's rate. So descriptions go first, since nothing begins without them.
 * Candidates follow, one of each connection in turn.
 */

import { Allowance } from './allowance.js';

/**
 * The pace: below the server's default of 100 messages a second after a burst of 200, because other
 * messages count as well.
 */
const BURST = 100;
const INTERVAL_MS = 1000 / 80;
/** The slowest pace, if the server refuses the usual one. */
const MAX_INTERVAL_MS = 200;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 4_000;
/** More candidates than that wait for no connection. */
const MAX_CANDIDATES = 256;

const WIRE = new Map([
  ['offer', ['voiceSdpOffer', 'sdp']],
  ['answer', ['voiceSdpAnswer', 'sdp']],
  ['candidate', ['voiceIceCandidate', 'candidateJson']],
]);

export class Outbox {
  #relay;
  #now;
  /** What waits for each connection, the connection served longest ago first. */
  #lanes = new Map();
  #intervalMs = INTERVAL_MS;
  #allowance = new Allowance(BURST, INTERVAL_MS);
  #slowedAt = -Infinity;
  #timer = 0;

  /**
   * @param {object} options
   * @param {(name: string, payload: object, onError: (error: Error) => void) => boolean}
   *   options.relay sends to a participant. Returns whether it was sent
   * @param {() => number} options.now the time in milliseconds
   */
  constructor({ relay, now }) {
    this.#relay = relay;
    this.#now = now;
  }

  /** Sends a description or candidate of a connection, now or later. */
  send(peer, kind, text) {
    this.#put(peer, { kind, text, failures: 0 });
    this.#pump();
  }

  /** Messages can be sent again. */
  flush() {
    this.#pump();
  }

  /** The connection is closed. */
  forget(peer) {
    this.#lanes.delete(peer);
  }

  #put(peer, message, again = false) {
    let lane = this.#lanes.get(peer);
    if (!lane) {
      lane = { descriptions: [], candidates: [], blockedUntil: -Infinity };
      this.#lanes.set(peer, lane);
    }
    if (message.kind === 'candidate') {
      if (lane.candidates.length >= MAX_CANDIDATES) return lane;
      if (again) lane.candidates.unshift(message);
      else lane.candidates.push(message);
    } else {
      const same = lane.descriptions.findIndex(({ kind }) => kind === message.kind);
      if (again && same >= 0) return lane; // a later one waits already
      if (same >= 0) lane.descriptions.splice(same, 1);
      if (again) lane.descriptions.unshift(message);
      else lane.descriptions.push(message);
    }
    return lane;
  }

  #pump() {
    clearTimeout(this.#timer);
    for (;;) {
      const nowMs = this.#now();
      const peer = this.#next(nowMs);
      if (!peer) return this.#waitForBlocked(nowMs);
      const waitMs = this.#allowance.take(nowMs);
      if (waitMs > 0) return this.#pumpIn(waitMs);
      const lane = this.#lanes.get(peer);
      const message = lane.descriptions.shift() ?? lane.candidates.shift();
      if (!this.#transmit(peer, message)) {
        this.#put(peer, message, true);
        return undefined; // until `flush`
      }
      this.#lanes.delete(peer);
      if (lane.descriptions.length + lane.candidates.length > 0) this.#lanes.set(peer, lane);
    }
  }

  /** The connection whose turn it is. */
  #next(nowMs) {
    const ready = [...this.#lanes].filter(([, lane]) => lane.blockedUntil <= nowMs);
    return (ready.find(([, lane]) => lane.descriptions.length > 0) ?? ready[0])?.[0];
  }

  #waitForBlocked(nowMs) {
    if (this.#lanes.size === 0) return;
    this.#pumpIn(Math.min(...[...this.#lanes.values()].map(({ blockedUntil }) => blockedUntil)) - nowMs);
  }

  #pumpIn(waitMs) {
    this.#timer = setTimeout(() => this.#pump(), Math.max(1, Math.ceil(waitMs)));
  }

  #transmit(peer, message) {
    const [name, field] = WIRE.get(message.kind);
    const payload = { targetUserId: peer.userId, targetSessionId: peer.sessionId, [field]: message.text };
    return this.#relay(name, payload, (error) => this.#refused(peer, message, error));
  }

  /**
   * The other side waits for what was refused, so it is sent again for as long as the connection
   * exists. If the other side is gone or has a newer session, an event of the channel says so in a
   * moment.
   */
  #refused(peer, message, error) {
    if (!error.retryable || peer.closed) return;
    message.failures += 1;
    const nowMs = this.#now();
    if (error.code === 'RATE_LIMITED') this.#slowDown(nowMs);
    const longest = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** message.failures);
    const lane = this.#put(peer, message, true);
    lane.blockedUntil = Math.max(lane.blockedUntil, nowMs + longest / 2 + Math.random() * longest / 2);
    this.#pump();
  }

  /** Half the pace, from an empty allowance on. Many messages may be refused for one excess. */
  #slowDown(nowMs) {
    if (nowMs - this.#slowedAt < FIRST_RETRY_MS) return;
    this.#slowedAt = nowMs;
    this.#intervalMs = Math.min(MAX_INTERVAL_MS, 2 * this.#intervalMs);
    this.#allowance = new Allowance(1, this.#intervalMs);
  }
}
