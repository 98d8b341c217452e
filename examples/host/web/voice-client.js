/**
 * A voice channel client for United Voice servers: signaling, roster, and a full mesh of WebRTC audio.
 *
 * No DOM, no audio graph, no user interface: give it a microphone track, play the tracks it hands out. The README beside this file
 * has the whole API and the rules of reconnection.
 *
 * @example
 * const client = new VoiceClient({ url: 'wss://voice.example.org/ws', token });
 * client.addEventListener('track', ({ detail }) => play(detail.userId, detail.track));
 * client.connect();
 * await client.join('general');
 * client.setTrack(microphoneTrack);
 */

import { Mesh } from './mesh.js';
import { Signaling, VoiceError } from './signaling.js';

export { VoiceError, backoffDelay } from './signaling.js';
export { quality } from './peer-stats.js';

const SPEAKING_INTERVAL_MS = 250;
const PROBE_TIMEOUT_MS = 5_000;
const REJOIN_DELAY_MS = 2_000;

/**
 * @typedef {object} Participant
 * @property {string} userId
 * @property {string} displayName
 * @property {string} pubkey
 * @property {string} sessionId
 * @property {boolean} muted
 * @property {boolean} deafened
 * @property {boolean} speaking
 * @property {'none'|'connecting'|'connected'|'interrupted'|'failed'} connection the audio connection to them
 */

/**
 * Events, all `CustomEvent`s:
 *
 * - `state` `{ state, cause?, retryInMs? }`: signaling is `idle`, `connecting`, `online`, `waiting` (for the next attempt) or `refused`
 * - `channel` `{ channelId, reason, qualityWarning? }`: joined (`channelId` set; reason `joined` or `rejoined`) or out of it (`null`;
 *   reason `left`, `kicked`, `evicted`, `replaced`, `refused`)
 * - `roster` `{}`: {@link participants} changed in any way
 * - `participantjoined`, `participantleft` `{ participant, reason? }`: others came and went, snapshots not included
 * - `track` `{ userId, track }`, `trackended` `{ userId }`: what to play, and when to stop
 * - `error` `{ error, action }`: a {@link VoiceError} that no promise reports
 * - `peererror` `{ userId, error }`: a step of the negotiation failed; what matters is whether the connection comes up, so this is for logs
 * - `iceerror` `{ userId, code, text, url }`: a STUN or TURN server refused or did not answer
 */
export class VoiceClient extends EventTarget {
  #signaling;
  #mesh;
  #token;
  #url;
  #userId = '';
  #channelId = null;
  #wanted = null;
  #waiter = null;
  #sessionId = '';
  #participants = new Map();
  #names = new Map();
  #muted = false;
  #deafened = false;
  #stateInFlight = false;
  #stateSent = null;
  #speaking = false;
  #speakingSent = false;
  #speakingTimer = 0;
  #rejoinTimer = 0;
  #probing = false;

  /**
   * @param {object} options
   * @param {string} options.url of the WebSocket, without the token
   * @param {string | ((context: { renew: boolean }) => Promise<string | { token: string, userId: string }>)} options.token
   *   a token, or what gets one before each attempt; `renew` says that the one before may have been refused
   * @param {string} [options.userId] one's own user id, where `token` does not give it
   * @param {boolean} [options.relayOnly] use TURN relays only, so that no participant learns one's address
   */
  constructor({ url, token, userId = '', relayOnly = false, ...platform }) {
    super();
    this.#url = url;
    this.#token = token;
    this.#userId = userId;
    this.#signaling = new Signaling({
      address: (context) => this.#address(context),
      onMessage: (message) => this.#received(message),
      WebSocket: platform.WebSocket ?? globalThis.WebSocket,
      random: platform.random,
    });
    this.#signaling.addEventListener('state', ({ detail }) => this.#signalingChanged(detail));
    this.#mesh = new Mesh({
      relayOnly,
      RTCPeerConnection: platform.RTCPeerConnection ?? globalThis.RTCPeerConnection,
      relay: (name, payload, onError) => this.#relay(name, payload, onError),
      online: () => this.#signaling.online && this.#sessionId !== '',
      sessionId: () => this.#sessionId,
      sessionOf: (id) => this.#participants.get(id)?.sessionId,
      emit: (type, detail) => this.#meshEvent(type, detail),
      trouble: () => this.#probe(),
    });
  }

  /** One's own user id; empty until it is known. */
  get userId() { return this.#userId; }
  /** The channel one is in, also while signaling is being reconnected; else `null`. */
  get channelId() { return this.#channelId; }
  /** Names this stay in the channel; empty while there is none. */
  get sessionId() { return this.#sessionId; }
  get state() { return this.#signaling.state; }
  get muted() { return this.#muted; }
  get deafened() { return this.#deafened; }
  /** The others in the channel, in the order they joined. @returns {Participant[]} */
  get participants() {
    return [...this.#participants.values()].map((participant) => this.#withConnection(participant));
  }
  /** `{ userId, displayName }` of those whose signaling broke off and whose audio goes on for the moment. They are not participants. */
  get lingering() { return this.#mesh.lingering.map((userId) => ({ userId, displayName: this.#names.get(userId) ?? '' })); }
  /** The ICE servers in use, without their credentials. @returns {string[]} */
  get iceServerUrls() { return this.#mesh.iceServerUrls; }

  /** Connects, and stays connected until {@link close}. */
  connect() { this.#signaling.start(); }

  /** Leaves, and disconnects. */
  close() {
    this.leave();
    this.#signaling.stop();
  }

  /** Does not wait any longer for the next attempt to connect. */
  retryNow() { this.#signaling.retryNow(); }

  /**
   * Joins a channel, leaving the one before. Waits for the connection where there is none.
   *
   * A refused join changes nothing: one stays where one was.
   *
   * @returns {Promise<{ channelId: string, qualityWarning: boolean }>}
   * @throws {VoiceError}
   */
  async join(channelId) {
    this.#wanted = channelId;
    this.#supersede();
    if (!this.#signaling.online) {
      return new Promise((resolve, reject) => { this.#waiter = { resolve, reject }; });
    }
    return this.#requestJoin(channelId);
  }

  /** Leaves the channel at once. */
  leave() {
    clearTimeout(this.#rejoinTimer);
    this.#supersede();
    const channelId = this.#channelId ?? this.#wanted;
    this.#wanted = null;
    if (channelId !== null) this.#signaling.request('voiceLeaveRequest', { channelId }).catch(() => {});
    this.#exit('left');
  }

  setMuted(muted) {
    this.#muted = muted;
    this.#syncState();
  }

  setDeafened(deafened) {
    this.#deafened = deafened;
    this.#syncState();
  }

  /** Tells the others whether one speaks. May be called as often as one likes: only changes are sent, at most four a second. */
  setSpeaking(speaking) {
    this.#speaking = speaking;
    this.#flushSpeaking();
  }

  /** What the others hear: a track, or `null`. Changing it needs no negotiation. */
  setTrack(track) { this.#mesh.setTrack(track); }

  /**
   * Per connection to another: `userId displayName sessionId connectionState iceState packetsReceived packetsLost packetsSent
   * totalAudioEnergy roundTripTimeMs localCandidateType remoteCandidateType relayProtocol negotiations connectionId`. Those who
   * are {@link lingering} are among them, with the session that they had.
   */
  async stats() {
    const stats = await this.#mesh.stats();
    return stats.map((entry) => ({ ...entry, displayName: this.#names.get(entry.userId) ?? '' }));
  }

  // --- connection -------------------------------------------------------------------------------------------------

  async #address({ refused }) {
    const got = typeof this.#token === 'function' ? await this.#token({ renew: refused }) : this.#token;
    const token = typeof got === 'string' ? got : got.token;
    if (got.userId) this.#userId = got.userId;
    const url = new URL(this.#url);
    // A browser can't set headers on a WebSocket.
    url.searchParams.set('access_token', token);
    return url.href;
  }

  #signalingChanged(detail) {
    if (detail.state === 'online') {
      if (this.#wanted !== null) this.#rejoin();
    } else {
      this.#sessionId = '';
      clearTimeout(this.#rejoinTimer);
    }
    if (detail.state === 'refused') {
      this.#supersede();
      this.#wanted = null;
      this.#exit('refused');
    }
    this.#emit('state', detail);
    this.#emit('roster');
  }

  /** Back in the channel after the connection was lost, or into the one that was asked for meanwhile. */
  async #rejoin() {
    const channelId = this.#wanted;
    const waiter = this.#waiter;
    this.#waiter = null;
    try {
      const joined = await this.#requestJoin(channelId);
      waiter?.resolve(joined);
    } catch (error) {
      if (error.code === 'OFFLINE' && this.#wanted === channelId) {
        this.#waiter ??= waiter; // the next connection's business
      } else if (!waiter && error.retryable && this.#wanted === channelId) {
        this.#rejoinTimer = setTimeout(() => { if (this.#signaling.online) this.#rejoin(); }, REJOIN_DELAY_MS);
      } else if (waiter) {
        waiter.reject(error);
      } else if (error.code !== 'SUPERSEDED') {
        this.#emit('error', { error, action: 'rejoin' });
      }
    }
  }

  async #requestJoin(channelId) {
    try {
      const response = await this.#signaling.request('voiceJoinRequest', { channelId });
      return { channelId: response.channelId || channelId, qualityWarning: Boolean(response.qualityWarning) };
    } catch (error) {
      this.#joinFailed(channelId, error);
      throw error;
    }
  }

  #joinFailed(channelId, error) {
    if (this.#wanted !== channelId || ['TIMEOUT', 'OFFLINE'].includes(error.code)) return;
    if (this.#sessionId !== '') {
      this.#wanted = this.#channelId; // refused while in another channel: still there
    } else if (!error.retryable || this.#channelId === null) {
      this.#wanted = null;
      this.#exit('refused');
    }
  }

  #supersede() {
    this.#waiter?.reject(new VoiceError('SUPERSEDED'));
    this.#waiter = null;
  }

  /** Asks the server something cheap, since a failing call often means that the network below the signaling is gone as well. */
  async #probe() {
    if (this.#probing || !this.#signaling.online || this.#channelId === null) return;
    this.#probing = true;
    await this.#signaling.request('voiceIceServersRequest', { channelId: this.#channelId }, PROBE_TIMEOUT_MS).catch(() => {});
    this.#probing = false;
  }

  // --- what the server says ---------------------------------------------------------------------------------------

  #received({ requestId, name, payload, answersRequest }) {
    switch (name) {
      case 'voiceJoinResponse': return this.#joined(payload);
      case 'voiceParticipantJoinedEvent': return this.#participantJoined(payload);
      case 'voiceLeaveEvent': return this.#participantLeft(payload);
      case 'voiceStateUpdate': return this.#update(payload, { muted: Boolean(payload.muted), deafened: Boolean(payload.deafened) });
      case 'voiceSpeakingEvent': return this.#update(payload, { speaking: Boolean(payload.speaking) });
      case 'voiceSdpOffer':
      case 'voiceSdpAnswer':
      case 'voiceIceCandidate': return this.#relayed(name, payload);
      case 'voiceIceServersResponse': return this.#iceServers(payload, requestId === '');
      case 'voiceError': return answersRequest ? undefined : this.#refused(VoiceError.fromWire(payload));
      default: return undefined; // a later version's, or the host's own
    }
  }

  #joined({ channelId, sessionId, participants = [], iceServers = [], qualityWarning = false }) {
    if (this.#wanted === null) return; // left meanwhile; the server knows already
    const sameSession = sessionId === this.#sessionId;
    const cameBack = this.#channelId === channelId;
    if (!cameBack) this.#mesh.closeAll();
    this.#channelId = channelId;
    this.#sessionId = sessionId;
    this.#participants = new Map(participants.map((wire) => [wire.userId, fromWire(wire)]));
    for (const { userId, displayName } of participants) this.#names.set(userId, displayName);
    this.#mesh.setIceServers(iceServers);
    this.#mesh.snapshot(participants, sameSession);
    if (!sameSession) {
      this.#speakingSent = false;
      this.#stateSent = `${sessionId} false false`; // how every stay begins
    }
    this.#emit('channel', { channelId, reason: cameBack ? 'rejoined' : 'joined', qualityWarning });
    this.#emit('roster');
    this.#syncState();
    this.#flushSpeaking();
  }

  #participantJoined({ channelId, participant }) {
    if (!this.#isHere(channelId) || !participant) return;
    // A joined event without a leave before it (a missed one) still puts the user at the end, as the server has it.
    this.#participants.delete(participant.userId);
    this.#participants.set(participant.userId, fromWire(participant));
    this.#names.set(participant.userId, participant.displayName);
    this.#mesh.joined(participant);
    this.#emit('participantjoined', { participant: this.#withConnection(fromWire(participant)) });
    this.#emit('roster');
  }

  #participantLeft({ channelId, userId, sessionId, reason }) {
    if (!this.#isHere(channelId)) return;
    if (userId === this.#userId || (sessionId && sessionId === this.#sessionId)) {
      if (sessionId && sessionId !== this.#sessionId) return;
      this.#wanted = null;
      this.#exit({ VOICE_LEAVE_REASON_KICKED: 'kicked', VOICE_LEAVE_REASON_EVICTED: 'evicted' }[reason] ?? 'left');
      return;
    }
    const participant = this.#participants.get(userId);
    if (!participant || (sessionId && participant.sessionId !== sessionId)) return;
    this.#participants.delete(userId);
    this.#mesh.left(userId, reason);
    this.#emit('participantleft', { participant, reason });
    this.#emit('roster');
  }

  #update({ channelId, userId }, change) {
    const participant = this.#participants.get(userId);
    if (!this.#isHere(channelId) || !participant) return;
    Object.assign(participant, change);
    this.#emit('roster');
  }

  #relayed(name, { channelId, senderUserId, senderSessionId, targetSessionId, sdp, candidateJson }) {
    const sender = this.#participants.get(senderUserId);
    if (!this.#isHere(channelId) || !sender || sender.sessionId !== senderSessionId) return;
    if (targetSessionId && targetSessionId !== this.#sessionId) return;
    if (name === 'voiceSdpOffer') this.#mesh.offer(senderUserId, sdp);
    else if (name === 'voiceSdpAnswer') this.#mesh.answer(senderUserId, sdp);
    else this.#mesh.candidate(senderUserId, candidateJson);
  }

  #iceServers({ iceServers = [], channelId }, renew) {
    if (this.#isHere(channelId)) this.#mesh.setIceServers(iceServers, { renew });
  }

  #refused(error) {
    if (error.code === 'SESSION_REPLACED') {
      if (!this.#isHere(error.channelId)) return;
      this.#wanted = null;
      this.#exit('replaced');
    }
    this.#emit('error', { error, action: 'none' });
  }

  // --- what we tell -----------------------------------------------------------------------------------------------

  #relay(name, payload, onError) {
    if (!this.#sessionId) return false;
    return this.#signaling.relay(name, { ...payload, channelId: this.#channelId }, (error) => {
      if (error.code === 'TOO_LARGE' || error.code === 'MALFORMED') this.#emit('error', { error, action: 'relay' });
      onError(error);
    });
  }

  /** Makes the server's idea of our state the present one: once at a time, and again if it changed in between. */
  async #syncState() {
    const session = this.#sessionId;
    const muted = this.#muted || this.#deafened;
    const deafened = this.#deafened;
    const said = `${session} ${muted} ${deafened}`;
    if (!session || this.#stateInFlight || this.#stateSent === said) return;
    this.#stateInFlight = true;
    let pauseMs = 0;
    try {
      await this.#signaling.request('voiceStateUpdate', { channelId: this.#channelId, muted, deafened });
      this.#stateSent = said;
    } catch (error) {
      if (!error.retryable) this.#stateSent = said;
      pauseMs = 1_000;
    } finally {
      this.#stateInFlight = false;
    }
    setTimeout(() => this.#syncState(), pauseMs);
  }

  #flushSpeaking() {
    if (this.#speakingTimer || this.#speaking === this.#speakingSent || !this.#sessionId) return;
    const payload = { channelId: this.#channelId, speaking: this.#speaking };
    if (!this.#signaling.online) return;
    // Its echo says nothing new, but the want of it says that the connection is dead.
    this.#signaling.request('voiceSpeakingEvent', payload).catch(() => {});
    this.#speakingSent = this.#speaking;
    this.#speakingTimer = setTimeout(() => {
      this.#speakingTimer = 0;
      this.#flushSpeaking();
    }, SPEAKING_INTERVAL_MS);
  }

  // --- bookkeeping ------------------------------------------------------------------------------------------------

  #isHere(channelId) {
    return this.#channelId !== null && this.#sessionId !== '' && channelId === this.#channelId;
  }

  #exit(reason) {
    const wasIn = this.#channelId !== null;
    this.#channelId = null;
    this.#sessionId = '';
    this.#participants.clear();
    this.#names.clear();
    this.#mesh.closeAll();
    if (!wasIn) return;
    this.#emit('channel', { channelId: null, reason });
    this.#emit('roster');
  }

  #withConnection(participant) {
    return { ...participant, connection: this.#mesh.stateOf(participant.userId) };
  }

  #meshEvent(type, detail) {
    if (type === 'peer') this.#emit('roster');
    else this.#emit(type, detail);
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function fromWire({ userId, displayName = '', pubkey = '', muted = false, deafened = false, sessionId = '' }) {
  return { userId, displayName, pubkey, muted, deafened, sessionId, speaking: false };
}
