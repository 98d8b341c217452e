/**
 * A connection to each other participant. The mesh decides what happens to a connection if a
 * session ends, if another session begins, or if ICE fails.
 *
 * Both sides follow these rules, without telling each other:
 *
 * - The newcomer offers, and the other side waits. If no offer comes within a few seconds, the
 *   waiting side offers.
 * - A connection that carries audio outlives the session it was negotiated in. If either side comes
 *   back with a new session, a healthy connection is kept, and only its address changes.
 * - If an offer comes from another RTCPeerConnection than the one we are connected to, the other
 *   side has lost that one. The new one replaces ours.
 * - A participant that left on purpose is cut off at once. One that lost the server may come back
 *   for a while.
 * - If a browser refuses a description, or if nothing comes in over a connection that looks good, a
 *   new connection takes its place, and its offer tells the other side.
 * - One user can't wear out our browser: that user's offers are taken at a pace, the latest first.
 */

import { Allowances } from './allowance.js';
import { IceServers } from './ice-servers.js';
import { OfferGate } from './offer-gate.js';
import { Outbox } from './outbox.js';
import { Peer, isPolite, remoteIdentity } from './peer.js';
import { mayReturn, reconcile } from './reconcile.js';
import { Watchdog } from './watchdog.js';

/**
 * How long audio with a user that lost the server may go on: longer than an outage of ten seconds
 * plus the longest pause between two attempts to connect. If the user is really gone, ICE ends
 * within seconds.
 */
export const LINGER_MS = 30_000;
/** How long to wait for the newcomer's offer before we make one. */
export const OFFER_WAIT_MS = 5_000;
/**
 * How long a connection may take to come up, and how long it may be interrupted, before recovery
 * begins.
 */
const CONNECT_MS = 20_000;
const INTERRUPTED_MS = 4_000;
/** How long a restart of ICE may take before a new connection is made. */
export const RESTART_MS = 15_000;
/** The longest pause before the next new connection, if new ones fail too. */
export const MAX_RECOVERY_DELAY_MS = 20_000;
/**
 * A connection that is younger than this when the microphone comes may still come up. An older one
 * has only the addresses that a browser gives to pages without a microphone.
 */
export const MICROPHONE_WAIT_MS = 2_000;
const MAX_EARLY_CANDIDATES = 128;
/** How many new connections to one user replace useless ones at once, and the pause after those. */
const RENEWALS_AT_ONCE = 3;
const RENEWAL_PAUSE_MS = 5_000;

export class Mesh {
  #peers = new Map();
  #timers = new Map();
  #early = new Map();
  #lingering = new Set();
  #failures = new Map();
  /** Users to which the browser makes no connection. */
  #unavailable = new Set();
  #unsupportedTold = false;
  #options;
  #now;
  #track = null;
  #hadTrack = false;
  #iceServers;
  #outbox;
  #watchdog;
  #offers;
  #renewals;

  /**
   * @param {object} options
   * @param {(name: string, payload: object, onError: (error: Error) => void) => boolean}
   *   options.relay sends to a participant and adds `channelId`
   * @param {() => boolean} options.online whether signaling works now
   * @param {() => string} options.sessionId our own session
   * @param {(userId: string) => object|undefined} options.participant a participant as the roster
   *   has it
   * @param {(type: string, detail: object) => void} options.emit `peer`, `track`, `trackended`,
   *   `iceerror`, `peererror`, `audiounavailable`
   * @param {() => void} options.trouble a connection failed, so signaling may be dead too
   * @param {() => number} [options.now] the time in milliseconds
   */
  constructor(options) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#iceServers = new IceServers({ relayOnly: options.relayOnly, renewRelays: () => this.#renewRelays() });
    this.#outbox = new Outbox({ relay: options.relay, now: this.#now });
    this.#offers = new OfferGate({ pass: (userId, sdp) => this.#takeOffer(userId, sdp), now: this.#now });
    this.#renewals = new Allowances(RENEWALS_AT_ONCE, RENEWAL_PAUSE_MS, this.#now);
    this.#watchdog = new Watchdog({
      peers: () => this.#peers.values(),
      expected: (userId) => this.#expectedFrom(userId),
      renew: (peer) => this.#renew(peer),
      changed: (userId) => this.#changed(userId),
      now: this.#now,
    });
  }

  /**
   * The connection to a user: `none`, `connecting`, `connected`, `silent`, `interrupted`, `failed`
   * or `unavailable`.
   */
  stateOf(userId) {
    if (this.#unavailable.has(userId)) return 'unavailable';
    const peer = this.#peers.get(userId);
    if (!peer) return this.#timers.has(userId) ? 'connecting' : 'none';
    if (peer.healthy) return this.#watchdog.silent(userId) ? 'silent' : 'connected';
    if (this.#failures.get(userId) > 1) return 'failed';
    return peer.everConnected ? 'interrupted' : 'connecting';
  }

  get lingering() {
    return [...this.#lingering];
  }

  get iceServerUrls() {
    return this.#iceServers.urls;
  }

  stats() {
    return Promise.all([...this.#peers.values()].map((peer) => peer.stats()));
  }

  setTrack(track) {
    const isFirst = track !== null && !this.#hadTrack;
    this.#hadTrack ||= track !== null;
    this.#track = track;
    for (const peer of this.#peers.values()) {
      peer.setTrack(track);
      if (!isFirst || peer.healthy || this.#lingering.has(peer.userId)) continue;
      // Browsers give their real addresses only to connections made with a microphone allowed.
      const waitMs = Math.max(0, peer.madeAt + MICROPHONE_WAIT_MS - this.#now());
      this.#schedule(peer.userId, waitMs, () => { if (!peer.healthy) this.#offerInstead(peer.userId); });
    }
  }

  /**
   * Sets the ICE servers for connections and restarts that begin from now on. `renew`: connections
   * through a relay use them at once, see {@link IceServers.renew}.
   */
  setIceServers(iceServers, { renew = false } = {}) {
    this.#iceServers.set(iceServers);
    for (const peer of this.#peers.values()) peer.setIceServers(this.#iceServers.configuration);
    this.#iceServers.renew(renew || this.#peers.size === 0);
  }

  /** We joined, or joined again, so we are the newcomer to everyone in the snapshot. */
  snapshot(participants, sameSession) {
    const plan = reconcile(this.#peers, participants, sameSession);
    const sessions = new Map(participants.map(({ userId, sessionId }) => [userId, sessionId]));
    for (const userId of plan.close) this.#remove(userId);
    for (const userId of plan.linger) this.#linger(userId);
    for (const userId of plan.keep) this.#rebind(userId, sessions.get(userId));
    for (const userId of plan.offer) this.#create(userId, sessions.get(userId), true);
    this.#outbox.flush();
  }

  /** Someone joined after us. They offer, unless our connection to them is still good. */
  joined({ userId, sessionId }) {
    this.#offers.forget(userId);
    const peer = this.#peers.get(userId);
    if (peer && !peer.healthy && !peer.remoteIdentity) this.#remove(userId);
    else if (peer) this.#rebind(userId, sessionId);
    if (!this.#options.RTCPeerConnection) this.#failedToMake(userId, new Error('there is no RTCPeerConnection'));
    else if (!this.#peers.get(userId)?.healthy) this.#schedule(userId, OFFER_WAIT_MS, () => this.#offerInstead(userId));
    this.#changed(userId);
  }

  left(userId, reason) {
    if (this.#peers.get(userId)?.healthy && mayReturn(reason)) this.#linger(userId);
    else this.#remove(userId);
  }

  offer(userId, sdp) {
    // Candidates that came before an offer that has to wait belong to an earlier one.
    if (!this.#offers.receive(userId, sdp)) this.#early.delete(userId);
  }

  #takeOffer(userId, sdp) {
    const identity = remoteIdentity(sdp);
    let peer = this.#peers.get(userId);
    if (peer?.remoteIdentity && peer.remoteIdentity !== identity) peer = undefined;
    peer ??= this.#create(userId, this.#options.participant(userId)?.sessionId, false);
    if (!peer) return;
    peer.remoteIdentity = identity;
    if (!peer.healthy) this.#superviseConnecting(peer);
    peer.receiveOffer(sdp);
    this.#deliverEarlyCandidates(peer);
  }

  answer(userId, sdp) {
    const peer = this.#peers.get(userId);
    if (!peer) return;
    const identity = remoteIdentity(sdp);
    if (peer.remoteIdentity && peer.remoteIdentity !== identity) {
      this.#renew(peer); // the connection that answered knows nothing of ours
      return;
    }
    peer.remoteIdentity = identity;
    peer.receiveAnswer(sdp);
  }

  candidate(userId, json) {
    const peer = this.#peers.get(userId);
    if (peer && !this.#offers.holds(userId)) {
      peer.receiveCandidate(json);
      return;
    }
    const early = this.#early.get(userId) ?? [];
    if (early.length < MAX_EARLY_CANDIDATES) early.push(json);
    this.#early.set(userId, early);
  }

  closeAll() {
    this.#iceServers.stop();
    const users = [this.#peers, this.#timers, this.#unavailable].flatMap((of) => [...of.keys()]);
    for (const userId of new Set(users)) this.#remove(userId);
    this.#early.clear();
    this.#offers.clear();
    this.#unsupportedTold = false;
  }

  #renewRelays() {
    if (!this.#options.online()) return false;
    for (const peer of this.#peers.values()) peer.renewRelay();
    return true;
  }

  #expectedFrom(userId) {
    const participant = this.#options.participant(userId);
    const here = participant !== undefined && !this.#lingering.has(userId) && this.#options.online();
    const audible = here && !participant.muted && !participant.deafened;
    return { audible, speaking: audible && participant.speaking };
  }

  /** Makes a new connection to a user, or returns `undefined` if the browser can't. */
  #create(userId, sessionId, initiator) {
    this.#dismiss(userId);
    this.#lingering.delete(userId);
    let peer;
    try {
      peer = this.#makePeer(userId, sessionId, initiator);
      if (initiator) peer.start();
    } catch (error) {
      peer?.close();
      this.#failedToMake(userId, error);
      return undefined;
    }
    this.#unavailable.delete(userId);
    this.#peers.set(userId, peer);
    this.#deliverEarlyCandidates(peer);
    this.#superviseConnecting(peer);
    this.#watchdog.start();
    this.#changed(userId);
    return peer;
  }

  #makePeer(userId, sessionId, initiator) {
    if (!this.#options.RTCPeerConnection) throw new Error('there is no RTCPeerConnection');
    const peer = new Peer({
      userId, sessionId, initiator,
      configuration: this.#iceServers.configuration,
      track: this.#track,
      RTCPeerConnection: this.#options.RTCPeerConnection,
      hooks: {
        send: (from, kind, text) => this.#outbox.send(from, kind, text),
        polite: (of) => isPolite(this.#options.sessionId(), of.sessionId),
        changed: (of) => this.#peerChanged(of),
        track: (of, track) => this.#options.emit('track', { userId: of.userId, track }),
        stepFailed: (of, error) => this.#options.emit('peererror', { userId: of.userId, error }),
        stuck: (of, why) => this.#stuck(of, why),
        iceError: (of, detail) => this.#options.emit('iceerror', { userId: of.userId, ...detail }),
      },
    });
    peer.madeAt = this.#now();
    return peer;
  }

  /** Tells once why there is no audio. Without the class there never will be any. */
  #failedToMake(userId, error) {
    const first = !this.#unavailable.has(userId);
    this.#unavailable.add(userId);
    if (this.#options.RTCPeerConnection) {
      const failures = (this.#failures.get(userId) ?? 0) + 1;
      this.#failures.set(userId, failures);
      this.#schedule(userId, Math.min(MAX_RECOVERY_DELAY_MS, 1_000 * 2 ** failures), () => this.#offerInstead(userId));
      if (first) this.#options.emit('audiounavailable', { userId, reason: 'failed', error });
    } else if (!this.#unsupportedTold) {
      this.#unsupportedTold = true;
      this.#options.emit('audiounavailable', { userId: null, reason: 'unsupported', error });
    }
    this.#changed(userId);
  }

  #deliverEarlyCandidates(peer) {
    for (const json of this.#early.get(peer.userId) ?? []) peer.receiveCandidate(json);
    this.#early.delete(peer.userId);
  }

  /** Closes the connection to a user and forgets it, but not the user. */
  #dismiss(userId) {
    this.#unschedule(userId);
    const peer = this.#peers.get(userId);
    if (!peer) return;
    this.#peers.delete(userId);
    peer.close();
    this.#outbox.forget(peer);
    this.#options.emit('trackended', { userId });
  }

  #remove(userId) {
    this.#dismiss(userId);
    this.#offers.forget(userId);
    this.#lingering.delete(userId);
    this.#failures.delete(userId);
    this.#unavailable.delete(userId);
    this.#early.delete(userId);
    this.#watchdog.forget(userId);
    this.#changed(userId);
  }

  #linger(userId) {
    this.#offers.forget(userId);
    this.#lingering.add(userId);
    this.#schedule(userId, LINGER_MS, () => this.#remove(userId));
    this.#changed(userId);
  }

  #rebind(userId, sessionId) {
    const peer = this.#peers.get(userId);
    if (this.#lingering.delete(userId)) this.#unschedule(userId);
    peer.sessionId = sessionId;
    peer.resume();
    this.#outbox.flush();
    if (peer.replaceable) this.#renew(peer);
    this.#changed(userId);
  }

  /** A connection that can't be negotiated any further. One that flows may go on until then. */
  #stuck(peer, why) {
    if (why === 'unanswered' && !peer.healthy) return; // how long it may take to come up is limited anyway
    this.#renew(peer);
  }

  /** Makes a new connection in place of this one, at once unless that happened too often. */
  #renew(peer) {
    const { userId } = peer;
    if (this.#peers.get(userId) !== peer || this.#lingering.has(userId)) return;
    peer.replaceable = true;
    if (!this.#options.online()) return; // the next join comes back to it
    const create = () => this.#create(userId, peer.sessionId, true);
    const waitMs = this.#renewals.take(userId);
    if (waitMs === 0) create();
    else this.#schedule(userId, waitMs, () => { if (this.#options.online()) create(); });
  }

  #peerChanged(peer) {
    const { userId } = peer;
    if (this.#peers.get(userId) !== peer) return;
    if (this.#lingering.has(userId)) {
      if (!peer.healthy) this.#remove(userId);
      return;
    }
    if (peer.healthy) {
      if (!peer.replaceable) this.#unschedule(userId);
      this.#failures.delete(userId);
    } else if (peer.connectionState === 'failed') {
      this.#recover(peer);
    } else if (peer.connectionState === 'disconnected') {
      this.#schedule(userId, INTERRUPTED_MS, () => this.#recover(peer));
    } else if (peer.connectionState === 'closed') {
      this.#schedule(userId, OFFER_WAIT_MS, () => this.#offerInstead(userId));
    }
    this.#changed(userId);
  }

  /**
   * Recovers a failed connection. The side that offered begins; the other follows if that did not
   * help.
   */
  #recover(peer) {
    if (this.#peers.get(peer.userId) !== peer || peer.healthy) return;
    this.#options.trouble();
    const failures = (this.#failures.get(peer.userId) ?? 0) + 1;
    this.#failures.set(peer.userId, failures);
    this.#changed(peer.userId);
    const turn = () => {
      if (this.#peers.get(peer.userId) !== peer || peer.healthy || !this.#options.online()) return;
      if (failures === 1 && peer.everConnected && peer.stable) {
        peer.restartIce();
        this.#schedule(peer.userId, RESTART_MS, () => this.#recover(peer));
      } else {
        this.#create(peer.userId, peer.sessionId, true);
      }
    };
    // A device that is too busy to connect to everyone gets no better by more attempts.
    const backoff = failures === 1 ? 0 : Math.random() * Math.min(MAX_RECOVERY_DELAY_MS, 1_000 * 2 ** failures);
    const delayMs = backoff + (peer.initiator ? 0 : OFFER_WAIT_MS);
    if (delayMs === 0) turn();
    else this.#schedule(peer.userId, delayMs, turn);
  }

  #superviseConnecting(peer) {
    const patience = CONNECT_MS * Math.min(4, 1 + (this.#failures.get(peer.userId) ?? 0));
    this.#schedule(peer.userId, patience, () => this.#recover(peer));
  }

  #offerInstead(userId) {
    const participant = this.#options.participant(userId);
    if (!participant || this.#peers.get(userId)?.healthy || !this.#options.online()) return;
    this.#create(userId, participant.sessionId, true);
  }

  /** Sets the only timer of a user: each state of a connection waits for one thing. */
  #schedule(userId, delayMs, action) {
    this.#unschedule(userId);
    const timer = setTimeout(() => {
      this.#timers.delete(userId);
      action();
    }, delayMs);
    this.#timers.set(userId, timer);
  }

  #unschedule(userId) {
    clearTimeout(this.#timers.get(userId));
    this.#timers.delete(userId);
  }

  #changed(userId) {
    this.#options.emit('peer', { userId, state: this.stateOf(userId), lingering: this.#lingering.has(userId) });
  }
}
