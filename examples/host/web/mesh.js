/**
 * A connection to every other participant, and what becomes of it when sessions end, begin again, or ICE fails.
 *
 * The rules, which both sides follow without a word between them:
 *
 * - The newcomer offers; whoever was there waits. Should no offer come within a few seconds, the waiting side offers.
 * - A connection that carries audio is worth more than the session it was negotiated in. When either side comes back with a
 *   new session, a healthy connection is kept and only its address changes.
 * - An offer that comes from another RTCPeerConnection than the one we are connected to replaces ours: the other side lost it.
 * - A participant who left on purpose is cut off at once; one whose signaling broke off may come back for a while.
 * - A relay takes no second credentials for what it has granted, so a connection through a relay of ours restarts ICE for new ones.
 *   All others merely remember them for their next restart.
 */

import { Peer, isPolite, remoteIdentity } from './peer.js';

/**
 * How long audio with someone whose signaling broke off may go on. Longer than an outage of ten seconds and the longest pause
 * between two attempts to connect together. Who is really gone is found out sooner, since ICE then ends within seconds.
 */
export const LINGER_MS = 30_000;
/** How long to wait for the newcomer's offer before making one. */
export const OFFER_WAIT_MS = 5_000;
/** How long a connection may take to come up, and how long it may be interrupted, before something is done. */
const CONNECT_MS = 20_000;
const INTERRUPTED_MS = 4_000;
/** A new connection that failed too is followed by the next after up to this long. */
export const MAX_RECOVERY_DELAY_MS = 20_000;
const MAX_EARLY_CANDIDATES = 64;
const MAX_RESENDS = 5;
/** The longest delay that `setTimeout` knows. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** Leave reasons after which the same user is likely to be back in a moment. */
const MAY_RETURN = new Set(['DISCONNECTED', 'REPLACED', 'EVICTED']);

/** Whether audio with someone who left for this `VoiceLeaveReason` may go on for a while. */
export function mayReturn(reason) {
  return MAY_RETURN.has(String(reason ?? '').replace('VOICE_LEAVE_REASON_', ''));
}

/** When the first of these credentials runs out, in milliseconds since 1970; `NaN` where none of them says. */
export function expiryOf(iceServers) {
  const expiries = iceServers.map(({ username = '' }) => 1000 * Number.parseInt(username, 10)).filter((expiry) => expiry > 0);
  return expiries.length === 0 ? NaN : Math.min(...expiries);
}

/**
 * What to do about each user after a snapshot.
 *
 * @param {Map<string, {sessionId: string, healthy: boolean}>} peers the connections there are
 * @param {{userId: string, sessionId: string}[]} participants the snapshot
 * @param {boolean} sameSession whether our own session is the one the connections were made in (a second join over one
 *   signaling connection), so that those still coming up are as good as new ones
 * @returns {{ keep: string[], offer: string[], linger: string[], close: string[] }} user ids: `keep` the connection under the
 *   snapshot's session, `offer` on a fresh one, `linger` for someone who is not back yet, `close`
 */
export function reconcile(peers, participants, sameSession = false) {
  const plan = { keep: [], offer: [], linger: [], close: [] };
  const present = new Set();
  for (const { userId, sessionId } of participants) {
    present.add(userId);
    const peer = peers.get(userId);
    const keep = peer && (peer.healthy || (sameSession && peer.sessionId === sessionId));
    plan[keep ? 'keep' : 'offer'].push(userId);
  }
  for (const [userId, peer] of peers) {
    if (!present.has(userId)) plan[peer.healthy ? 'linger' : 'close'].push(userId);
  }
  return plan;
}

export class Mesh {
  #peers = new Map();
  #timers = new Map();
  #early = new Map();
  #lingering = new Set();
  #failures = new Map();
  #options;
  #track = null;
  #iceServers = [];
  /** When the oldest credentials that a connection may still use run out. */
  #relaysExpireAt = NaN;
  #renewal = 0;

  /**
   * @param {object} options
   * @param {(name: string, payload: object, onError: (error: Error) => void) => boolean} options.relay sends to a participant;
   *   `channel_id` is added by the caller
   * @param {() => boolean} options.online whether signaling works at the moment
   * @param {() => string} options.sessionId our own
   * @param {(userId: string) => string|undefined} options.sessionOf the present session of a participant
   * @param {(type: string, detail: object) => void} options.emit `peer`, `track`, `trackended`, `iceerror`, `peererror`
   * @param {() => void} options.trouble a connection failed: signaling may be dead too
   */
  constructor(options) {
    this.#options = options;
  }

  /** The state of the connection to one user, in a word: `none`, `connecting`, `connected`, `interrupted`, `failed`. */
  stateOf(userId) {
    const peer = this.#peers.get(userId);
    if (!peer) return this.#timers.has(userId) ? 'connecting' : 'none';
    if (peer.healthy) return 'connected';
    if (this.#failures.get(userId) > 1) return 'failed';
    return peer.everConnected ? 'interrupted' : 'connecting';
  }

  get lingering() {
    return [...this.#lingering];
  }

  get iceServerUrls() {
    return this.#iceServers.flatMap(({ urls }) => urls);
  }

  stats() {
    return Promise.all([...this.#peers.values()].map((peer) => peer.stats()));
  }

  setTrack(track) {
    this.#track = track;
    for (const peer of this.#peers.values()) peer.setTrack(track);
  }

  /**
   * @param {boolean} renew whether relays shall use them at once. Otherwise they are used by what begins from now on, and by
   *   the rest when three quarters of the time are over that their own credentials have left: the server, having given new ones, sees no
   *   reason to remind us.
   */
  setIceServers(iceServers, { renew = false } = {}) {
    this.#iceServers = iceServers;
    for (const peer of this.#peers.values()) peer.setIceServers(this.#configuration());
    clearTimeout(this.#renewal);
    if (renew || this.#peers.size === 0) {
      this.#renewRelays();
    } else if (!Number.isNaN(this.#relaysExpireAt)) {
      const delayMs = Math.max(0, (this.#relaysExpireAt - Date.now()) * 0.75);
      this.#renewal = setTimeout(() => this.#renewRelays(), Math.min(MAX_TIMEOUT_MS, delayMs));
    }
  }

  /** We joined, or joined again: we are the newcomer to everyone in the snapshot. */
  snapshot(participants, sameSession) {
    const plan = reconcile(this.#peers, participants, sameSession);
    const sessions = new Map(participants.map(({ userId, sessionId }) => [userId, sessionId]));
    for (const userId of plan.close) this.#remove(userId);
    for (const userId of plan.linger) this.#linger(userId);
    for (const userId of plan.keep) this.#rebind(userId, sessions.get(userId));
    for (const userId of plan.offer) this.#create(userId, sessions.get(userId), true).start();
  }

  /** Someone joined after us: they offer, unless the connection we have is still good. */
  joined({ userId, sessionId }) {
    const peer = this.#peers.get(userId);
    if (peer && !peer.healthy && !peer.remoteIdentity) this.#remove(userId);
    else if (peer) this.#rebind(userId, sessionId);
    if (!this.#peers.get(userId)?.healthy) this.#schedule(userId, OFFER_WAIT_MS, () => this.#offerInstead(userId));
    this.#changed(userId);
  }

  left(userId, reason) {
    if (this.#peers.get(userId)?.healthy && mayReturn(reason)) this.#linger(userId);
    else this.#remove(userId);
  }

  offer(userId, sdp) {
    const identity = remoteIdentity(sdp);
    let peer = this.#peers.get(userId);
    if (peer?.remoteIdentity && peer.remoteIdentity !== identity) peer = undefined;
    peer ??= this.#create(userId, this.#options.sessionOf(userId), false);
    peer.remoteIdentity = identity;
    if (!peer.healthy) this.#superviseConnecting(peer);
    peer.receiveOffer(sdp);
  }

  answer(userId, sdp) {
    const peer = this.#peers.get(userId);
    if (!peer) return;
    const identity = remoteIdentity(sdp);
    if (peer.remoteIdentity && peer.remoteIdentity !== identity) {
      this.#create(userId, peer.sessionId, true).start(); // answered by a connection that knows nothing of ours
      return;
    }
    peer.remoteIdentity = identity;
    peer.receiveAnswer(sdp);
  }

  candidate(userId, json) {
    const peer = this.#peers.get(userId);
    if (peer) {
      peer.receiveCandidate(json);
      return;
    }
    const early = this.#early.get(userId) ?? [];
    if (early.length < MAX_EARLY_CANDIDATES) early.push(json);
    this.#early.set(userId, early);
  }

  closeAll() {
    clearTimeout(this.#renewal);
    for (const userId of [...this.#peers.keys(), ...this.#timers.keys()]) this.#remove(userId);
    this.#early.clear();
  }

  #renewRelays() {
    if (!this.#options.online()) return; // coming back brings new ones, and what is left of the time is looked at again
    this.#relaysExpireAt = expiryOf(this.#iceServers);
    for (const peer of this.#peers.values()) peer.renewRelay();
  }

  #configuration() {
    return { iceServers: this.#iceServers, iceTransportPolicy: this.#options.relayOnly ? 'relay' : 'all' };
  }

  #create(userId, sessionId, initiator) {
    this.#dismiss(userId);
    this.#lingering.delete(userId);
    const peer = new Peer({
      userId, sessionId, initiator,
      configuration: this.#configuration(),
      track: this.#track,
      RTCPeerConnection: this.#options.RTCPeerConnection,
      hooks: {
        send: (from, kind, text) => this.#send(from, kind, text),
        polite: (of) => isPolite(this.#options.sessionId(), of.sessionId),
        changed: (of) => this.#peerChanged(of),
        track: (of, track) => this.#options.emit('track', { userId: of.userId, track }),
        stepFailed: (of, error) => this.#options.emit('peererror', { userId: of.userId, error }),
        iceError: (of, detail) => this.#options.emit('iceerror', { userId: of.userId, ...detail }),
      },
    });
    this.#peers.set(userId, peer);
    for (const json of this.#early.get(userId) ?? []) peer.receiveCandidate(json);
    this.#early.delete(userId);
    this.#superviseConnecting(peer);
    this.#changed(userId);
    return peer;
  }

  /** Closes the connection to a user and forgets it, but not the user. */
  #dismiss(userId) {
    this.#unschedule(userId);
    const peer = this.#peers.get(userId);
    if (!peer) return;
    this.#peers.delete(userId);
    peer.close();
    this.#options.emit('trackended', { userId });
  }

  #remove(userId) {
    this.#dismiss(userId);
    this.#lingering.delete(userId);
    this.#failures.delete(userId);
    this.#early.delete(userId);
    this.#changed(userId);
  }

  #linger(userId) {
    this.#lingering.add(userId);
    this.#schedule(userId, LINGER_MS, () => this.#remove(userId));
    this.#changed(userId);
  }

  #rebind(userId, sessionId) {
    const peer = this.#peers.get(userId);
    if (this.#lingering.delete(userId)) this.#unschedule(userId);
    peer.sessionId = sessionId;
    peer.resume();
    this.#changed(userId);
  }

  #peerChanged(peer) {
    const { userId } = peer;
    if (this.#peers.get(userId) !== peer) return;
    if (this.#lingering.has(userId)) {
      if (!peer.healthy) this.#remove(userId);
      return;
    }
    if (peer.healthy) {
      this.#unschedule(userId);
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

  /** Whoever made the offer sees to it first; the other side only where that did not help. */
  #recover(peer) {
    if (this.#peers.get(peer.userId) !== peer || peer.healthy) return;
    this.#options.trouble();
    const failures = (this.#failures.get(peer.userId) ?? 0) + 1;
    this.#failures.set(peer.userId, failures);
    this.#changed(peer.userId);
    const turn = () => {
      if (this.#peers.get(peer.userId) !== peer || peer.healthy || !this.#options.online()) return;
      if (failures === 1 && peer.everConnected) {
        peer.restartIce();
        this.#superviseConnecting(peer);
      } else {
        this.#create(peer.userId, peer.sessionId, true).start();
      }
    };
    // A device too busy to connect to everyone gets no better by being asked more often.
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
    const sessionId = this.#options.sessionOf(userId);
    if (!sessionId || this.#peers.get(userId)?.healthy || !this.#options.online()) return;
    this.#create(userId, sessionId, true).start();
  }

  #send(peer, kind, text, resends = 0) {
    const [name, field] = {
      offer: ['voiceSdpOffer', 'sdp'],
      answer: ['voiceSdpAnswer', 'sdp'],
      candidate: ['voiceIceCandidate', 'candidateJson'],
    }[kind];
    const payload = { targetUserId: peer.userId, targetSessionId: peer.sessionId, [field]: text };
    this.#options.relay(name, payload, (error) => {
      // A description that is lost leaves the other side waiting for it, so it is said again. Everything else (the other
      // side is gone, or has a newer session) the events of the channel tell in a moment.
      if (!error.retryable || peer.closed || resends >= MAX_RESENDS) return;
      setTimeout(() => { if (!peer.closed) this.#send(peer, kind, text, resends + 1); }, 500 + Math.random() * 1000);
    });
  }

  /** One timer a user: each state of a connection has one thing to wait for. */
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
