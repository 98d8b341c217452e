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
 * - A TURN relay takes no second credentials for what it has granted. So new credentials restart
 *   ICE on connections through a relay of ours. All other connections keep them for their next
 *   restart.
 */

import { Peer, isPolite, remoteIdentity } from './peer.js';

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
/** The longest pause before the next new connection, if new ones fail too. */
export const MAX_RECOVERY_DELAY_MS = 20_000;
const MAX_EARLY_CANDIDATES = 64;
const MAX_RESENDS = 5;
/** The longest delay that `setTimeout` accepts. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** After these leave reasons the user is likely to be back in a moment. */
const MAY_RETURN = new Set(['DISCONNECTED', 'REPLACED', 'EVICTED']);

/** Whether audio may go on for a while with a user that left for this `VoiceLeaveReason`. */
export function mayReturn(reason) {
  return MAY_RETURN.has(String(reason ?? '').replace('VOICE_LEAVE_REASON_', ''));
}

/**
 * When the first of these credentials runs out, in milliseconds since 1970; `NaN` if none of them
 * says.
 */
export function expiryOf(iceServers) {
  const expiries = iceServers.map(({ username = '' }) => 1000 * Number.parseInt(username, 10)).filter((expiry) => expiry > 0);
  return expiries.length === 0 ? NaN : Math.min(...expiries);
}

/**
 * What to do about each user after a snapshot.
 *
 * @param {Map<string, {sessionId: string, healthy: boolean}>} peers the present connections
 * @param {{userId: string, sessionId: string}[]} participants the snapshot
 * @param {boolean} sameSession whether the connections were made in our present session, as after a
 *   second join over one signaling connection. Then a connection that is coming up is as good as a
 *   new one
 * @returns {{ keep: string[], offer: string[], linger: string[], close: string[] }} user ids.
 *   `keep`: keep the connection, under the session of the snapshot. `offer`: make a new one and
 *   offer. `linger`: keep it for a user that is not back yet. `close`: close it
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
  /** The expiry of the oldest credentials that a connection may still use. */
  #relaysExpireAt = NaN;
  #renewal = 0;

  /**
   * @param {object} options
   * @param {(name: string, payload: object, onError: (error: Error) => void) => boolean}
   *   options.relay sends to a participant and adds `channelId`
   * @param {() => boolean} options.online whether signaling works now
   * @param {() => string} options.sessionId our own session
   * @param {(userId: string) => string|undefined} options.sessionOf the present session of a
   *   participant
   * @param {(type: string, detail: object) => void} options.emit `peer`, `track`, `trackended`,
   *   `iceerror`, `peererror`
   * @param {() => void} options.trouble a connection failed, so signaling may be dead too
   */
  constructor(options) {
    this.#options = options;
  }

  /** The connection to a user: `none`, `connecting`, `connected`, `interrupted` or `failed`. */
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
   * Sets the ICE servers for connections and restarts that begin from now on.
   *
   * @param {boolean} renew whether connections through a relay use them at once. If not, these use
   *   them after three quarters of the time that their own credentials have left: the server has
   *   given new ones, and sees no reason to remind us
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

  /** We joined, or joined again, so we are the newcomer to everyone in the snapshot. */
  snapshot(participants, sameSession) {
    const plan = reconcile(this.#peers, participants, sameSession);
    const sessions = new Map(participants.map(({ userId, sessionId }) => [userId, sessionId]));
    for (const userId of plan.close) this.#remove(userId);
    for (const userId of plan.linger) this.#linger(userId);
    for (const userId of plan.keep) this.#rebind(userId, sessions.get(userId));
    for (const userId of plan.offer) this.#create(userId, sessions.get(userId), true).start();
  }

  /** Someone joined after us. They offer, unless our connection to them is still good. */
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
      this.#create(userId, peer.sessionId, true).start(); // the connection that answered knows nothing of ours
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
    if (!this.#options.online()) return; // the next join brings new ones, and comes here again
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
      if (failures === 1 && peer.everConnected) {
        peer.restartIce();
        this.#superviseConnecting(peer);
      } else {
        this.#create(peer.userId, peer.sessionId, true).start();
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
      // The other side waits for a lost description, so it is sent again. If the other side is gone
      // or has a newer session, an event of the channel says so in a moment.
      if (!error.retryable || peer.closed || resends >= MAX_RESENDS) return;
      setTimeout(() => { if (!peer.closed) this.#send(peer, kind, text, resends + 1); }, 500 + Math.random() * 1000);
    });
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
