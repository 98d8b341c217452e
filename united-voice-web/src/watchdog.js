/**
 * Notices that nothing comes in over a connection that looks good, and asks for a new one.
 *
 * Browsers send packets even for a track that is disabled, as between words and while a
 * push-to-talk key is up. So a participant that is not muted sends something all the time. Other
 * programs may not. They cost a few new connections, and are then left alone until they say that
 * they speak.
 */

const LOOK_MS = 2_000;
/** A connection without a packet for this long is silent. */
export const SILENT_MS = 5_000;
/** The pause after the first new connection. Each further pause is twice as long. */
const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 60_000;
/** The number of new connections to somebody that does not claim to speak. */
export const MAX_QUIET_RENEWALS = 3;
/** After so much sound without a break, all is forgiven. */
const FORGIVEN_AFTER_MS = 60_000;

export class Watchdog {
  #options;
  #records = new Map();
  #silent = new Set();
  #timer = 0;
  #lookedAt = -Infinity;

  /**
   * @param {object} options
   * @param {() => Iterable<import('./peer.js').Peer>} options.peers
   * @param {(userId: string) => { audible: boolean, speaking: boolean }} options.expected what the
   *   participant says: whether it is not muted, and whether it speaks
   * @param {(peer: import('./peer.js').Peer) => void} options.renew makes a new connection
   * @param {(userId: string) => void} options.changed `silent` has changed
   * @param {() => number} options.now the time in milliseconds
   */
  constructor(options) {
    this.#options = options;
  }

  /** Whether nothing comes from a user that ought to be heard. */
  silent(userId) {
    return this.#silent.has(userId);
  }

  /** Begins to look, until there are no connections any more. */
  start() {
    if (!this.#timer) this.#lookLater();
  }

  forget(userId) {
    this.#records.delete(userId);
    this.#silent.delete(userId);
  }

  #lookLater() {
    this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  async #look() {
    const nowMs = this.#options.now();
    // The page was frozen or the computer asleep, so no time has passed for the connections.
    const late = nowMs - this.#lookedAt > 3 * LOOK_MS;
    this.#lookedAt = nowMs;
    const peers = [...this.#options.peers()];
    const healthy = peers.filter((peer) => peer.healthy);
    const counts = await Promise.all(healthy.map((peer) => peer.packetsReceived().catch(() => NaN)));
    healthy.forEach((peer, index) => this.#judge(peer, counts[index], nowMs, late));
    this.#timer = 0;
    if (peers.length > 0) this.#lookLater();
  }

  #judge(peer, packets, nowMs, late) {
    const { userId } = peer;
    if (!peer.healthy) return; // it was closed while we counted
    const record = this.#records.get(userId) ?? { renewals: 0, renewAfter: -Infinity };
    this.#records.set(userId, record);
    if (record.connectionId !== peer.connectionId) {
      Object.assign(record, { connectionId: peer.connectionId, packets: 0, quietSince: nowMs, flowingSince: nowMs });
    }
    const { audible, speaking } = this.#options.expected(userId);
    const flows = packets > record.packets;
    if (flows) record.packets = packets;
    if (flows || !audible || late) record.quietSince = nowMs;
    if (flows || !audible) this.#setSilent(userId, false);
    if (nowMs - record.quietSince < SILENT_MS) {
      if (nowMs - record.flowingSince >= FORGIVEN_AFTER_MS) record.renewals = 0;
      return;
    }
    record.flowingSince = nowMs;
    this.#setSilent(userId, true);
    if (nowMs < record.renewAfter || (record.renewals >= MAX_QUIET_RENEWALS && !speaking)) return;
    record.renewAfter = nowMs + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** record.renewals);
    record.renewals += 1;
    this.#options.renew(peer);
  }

  #setSilent(userId, silent) {
    if (silent === this.#silent.has(userId)) return;
    if (silent) this.#silent.add(userId);
    else this.#silent.delete(userId);
    this.#options.changed(userId);
  }
}
