/** Measures a call: the quality of each connection, and the time to the first sound. */

import { quality } from './united-voice-web/index.js';

const INTERVAL_MS = 2_000;
const FIRST_AUDIO_INTERVAL_MS = 100;
const FIRST_AUDIO_PATIENCE_MS = 30_000;
/** An open line without a sound has less energy than this. */
const AUDIBLE_ENERGY = 1e-3;
const ORDER = ['unavailable', 'failed', 'none', 'silent', 'interrupted', 'connecting', 'poor', 'fair', 'good'];

export class CallMonitor {
  /**
   * Whether the server warned that the channel has more people than a full mesh is good for, and
   * nobody left since.
   */
  crowded = false;
  joinedAt = null;
  firstAudioAt = null;
  #client;
  #onChange;
  #before = new Map();
  #quality = new Map();
  #details = new Map();
  #firstAudioTimer = 0;

  constructor(client, onChange) {
    this.#client = client;
    this.#onChange = onChange;
    client.addEventListener('channel', ({ detail }) => this.#channelChanged(detail));
    client.addEventListener('participantleft', () => { this.crowded = false; });
    setInterval(() => this.#measure(), INTERVAL_MS);
  }

  qualityOf(userId) {
    return this.#quality.get(userId);
  }

  /** The numbers of the connection to a user, as `detailsText` takes them. */
  detailsOf(userId) {
    return this.#details.get(userId);
  }

  /** The worst of all connections, as `[connection, quality]`. */
  worst() {
    const rank = ({ connection, userId }) => ORDER.indexOf(connection === 'connected' ? this.#quality.get(userId) ?? 'good' : connection);
    const [worst] = this.#client.participants.sort((one, other) => rank(one) - rank(other));
    return worst ? [worst.connection, this.#quality.get(worst.userId)] : ['connected', undefined];
  }

  /**
   * What tests and developers can read in the console. The times are those of `performance.now()`.
   */
  inspector() {
    const monitor = this;
    return {
      client: this.#client,
      stats: () => this.#client.stats(),
      get joinedAt() { return monitor.joinedAt; },
      get firstAudioAt() { return monitor.firstAudioAt; },
    };
  }

  #channelChanged({ channelId, reason, qualityWarning = false }) {
    this.crowded = channelId !== null && qualityWarning;
    if (reason !== 'rejoined') clearInterval(this.#firstAudioTimer);
    if (channelId === null) {
      this.#before.clear();
      this.#quality.clear();
      this.#details.clear();
    } else if (reason === 'joined') {
      this.#waitForFirstAudio();
    }
  }

  #waitForFirstAudio() {
    this.firstAudioAt = null;
    this.joinedAt = performance.now();
    performance.mark('voice-joined');
    const until = this.joinedAt + FIRST_AUDIO_PATIENCE_MS;
    this.#firstAudioTimer = setInterval(async () => {
      const stats = await this.#client.stats();
      if (this.firstAudioAt !== null) return;
      if (stats.some(({ totalAudioEnergy }) => totalAudioEnergy > AUDIBLE_ENERGY)) {
        this.firstAudioAt = performance.now();
        performance.mark('voice-first-audio');
        clearInterval(this.#firstAudioTimer);
      } else if (performance.now() > until) {
        clearInterval(this.#firstAudioTimer);
      }
    }, FIRST_AUDIO_INTERVAL_MS);
  }

  async #measure() {
    if (this.#client.channelId === null) return;
    const stats = await this.#client.stats();
    const before = this.#before;
    this.#before = new Map(stats.map((entry) => [entry.userId, entry]));
    const earlier = ({ userId, connectionId }) => {
      const entry = before.get(userId);
      return entry?.connectionId === connectionId ? entry : undefined;
    };
    this.#quality = new Map(stats.map((entry) => [entry.userId, quality(entry, earlier(entry))]));
    this.#details = new Map(stats.map((entry) => [entry.userId, details(entry, earlier(entry))]));
    this.#onChange();
  }
}

function details(now, before = { packetsLost: 0, packetsReceived: 0 }) {
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  const received = Math.max(0, now.packetsReceived - before.packetsReceived);
  return {
    roundTripTimeMs: now.roundTripTimeMs,
    loss: lost + received === 0 ? 0 : lost / (lost + received),
    relayed: now.localCandidateType === 'relay' || now.remoteCandidateType === 'relay',
    relayProtocol: now.localCandidateType === 'relay' ? now.relayProtocol : '',
  };
}
