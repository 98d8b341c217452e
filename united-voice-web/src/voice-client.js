/**
 * A voice channel client for United Voice servers: signaling, roster, and a full mesh of WebRTC
 * audio.
 *
 * It uses no DOM and no audio graph and has no user interface. Give it the track of a microphone,
 * and play the tracks that it hands out. The README beside this file has the whole API and says how
 * the client reconnects.
 *
 * @example
 * const client = new VoiceClient({ url: 'wss://voice.example.org/ws', token });
 * client.addEventListener('track', ({ detail }) => play(detail.userId, detail.track));
 * client.connect();
 * await client.join('general');
 * client.setTrack(microphoneTrack);
 */

import { Membership } from './membership.js';
import { Mesh } from './mesh.js';
import { OwnState } from './own-state.js';
import { PageEvents } from './page-events.js';
import { Roster } from './roster.js';
import { CHECK_ANSWER_MS, Signaling, VoiceError } from './signaling.js';
import { connector } from './transport.js';
import { wellFormed } from './wire.js';

/** Why the user is out of the channel, after these leave reasons. */
const EXIT_REASONS = new Map([['VOICE_LEAVE_REASON_KICKED', 'kicked'], ['VOICE_LEAVE_REASON_EVICTED', 'evicted']]);

/**
 * @typedef {object} Participant
 * @property {string} userId
 * @property {string} displayName
 * @property {string} pubkey
 * @property {string} sessionId
 * @property {boolean} muted
 * @property {boolean} deafened
 * @property {boolean} speaking
 * @property {string} connection the audio connection: `none`, `connecting`, `connected`, `silent`,
 *   `interrupted`, `failed` or `unavailable`. `silent`: it is up, but nothing comes from somebody
 *   that is not muted
 */

/**
 * Events, all of them `CustomEvent`s:
 *
 * - `state` `{ state, cause?, retryInMs? }`: the signaling connection is `idle`, `connecting`,
 *   `online`, `waiting` (for the next attempt) or `refused`
 * - `channel` `{ channelId, reason, qualityWarning? }`: the user is in a channel (reason `joined`
 *   or `rejoined`), or in none (`channelId` is `null`; reason `left`, `kicked`, `evicted`,
 *   `replaced` or `refused`)
 * - `roster` `{}`: {@link participants} changed in any way
 * - `participantjoined`, `participantleft` `{ participant, reason? }`: somebody came or went. The
 *   snapshot of a join causes no such events
 * - `track` `{ userId, track }`, `trackended` `{ userId }`: what to play, and when to stop
 * - `error` `{ error, action }`: a {@link VoiceError} that no promise reports
 * - `peererror` `{ userId, error }`: a step of a negotiation failed. The connection may come up all
 *   the same, so this is for logs
 * - `iceerror` `{ userId, code, text, url }`: a STUN or TURN server refused or did not answer
 * - `audiounavailable` `{ userId, reason, error }`: the browser can make no audio connection to
 *   this user, or to anybody (`userId` is `null`); the reason is `unsupported` or `failed`
 */
export class VoiceClient extends EventTarget {
  #signaling;
  #membership;
  #mesh;
  #userId = '';
  #channelId = null;
  #sessionId = '';
  #roster = new Roster();
  #own;
  #pageEvents;
  #probing = false;

  /**
   * @param {object} options
   * @param {string | URL} [options.url] the WebSocket's address, without the token
   * @param {string | ((context: { renew: boolean }) => Promise<string | { token?: string, userId?:
   *   string }>)} [options.token] a token, or a function that gets one before each attempt to
   *   connect. `renew` says that the server may have refused the last token
   * @param {(url: URL, token: string) => unknown} [options.authorize] how the token reaches the
   *   server; by default as the parameter `access_token`
   * @param {(context: { renew: boolean }) => object} [options.transport] makes a connection of the
   *   host's own, in place of a WebSocket
   * @param {string} [options.userId] the user's own id, if `token` does not give it
   * @param {boolean} [options.relayOnly] use TURN relays only, so that no participant learns the
   *   user's address
   */
  constructor({ url, token, authorize, transport, userId = '', relayOnly = false, ...platform }) {
    super();
    this.#userId = userId;
    const stay = () => ({ channelId: this.#channelId, sessionId: this.#sessionId });
    this.#signaling = new Signaling({
      prepare: connector({
        url, token, authorize, transport,
        WebSocket: platform.WebSocket ?? globalThis.WebSocket,
        onUser: (id) => { this.#userId = id; },
      }),
      onMessage: (message) => this.#received(message),
      random: platform.random,
    });
    this.#signaling.addEventListener('state', ({ detail }) => this.#signalingChanged(detail));
    this.#pageEvents = new PageEvents(platform.page ?? { document: globalThis.document, window: globalThis.window }, {
      back: () => this.#signaling.wake(),
      frozen: () => this.#signaling.pause('frozen'),
    });
    this.#membership = new Membership(this.#signaling, {
      stay,
      exit: (reason) => this.#exit(reason),
      failed: (error) => this.#emit('error', { error, action: 'rejoin' }),
    });
    this.#own = new OwnState(this.#signaling, stay);
    this.#mesh = new Mesh({
      relayOnly,
      RTCPeerConnection: platform.RTCPeerConnection ?? globalThis.RTCPeerConnection,
      relay: (name, payload, onError) => this.#relay(name, payload, onError),
      online: () => this.#signaling.online && this.#sessionId !== '',
      sessionId: () => this.#sessionId,
      participant: (id) => this.#roster.get(id),
      emit: (type, detail) => this.#meshEvent(type, detail),
      trouble: () => this.#probe(),
    });
  }

  /** The user's own id; empty until it is known. */
  get userId() { return this.#userId; }
  /** The channel that the user is in, even while signaling reconnects; `null` if none. */
  get channelId() { return this.#channelId; }
  /** The session, which is this stay in the channel; empty if there is none. */
  get sessionId() { return this.#sessionId; }
  get state() { return this.#signaling.state; }
  get muted() { return this.#own.muted; }
  get deafened() { return this.#own.deafened; }
  /** The others in the channel, in the order they joined. @returns {Participant[]} */
  get participants() {
    return this.#roster.participants.map((participant) => this.#withConnection(participant));
  }
  /**
   * Users that lost the server while audio with them goes on. None of them is a participant.
   * @returns {{ userId: string, displayName: string }[]}
   */
  get lingering() { return this.#mesh.lingering.map((userId) => ({ userId, displayName: this.#roster.nameOf(userId) })); }
  /** The ICE servers in use, without their credentials. @returns {string[]} */
  get iceServerUrls() { return this.#mesh.iceServerUrls; }

  /** Connects, and stays connected until {@link close}. */
  connect() {
    this.#pageEvents.start();
    this.#signaling.start();
  }

  /** Leaves, and disconnects. */
  close() {
    this.#pageEvents.stop();
    this.leave();
    this.#signaling.stop();
  }

  /**
   * Makes the next attempt to connect now, if the client is waiting for it. If it is connected, it
   * asks the server whether the connection is alive. The client does so by itself if the page
   * becomes visible, if the browser is online again, and if a frozen page goes on.
   */
  retryNow() { this.#signaling.retryNow(); }

  /**
   * Joins a channel and leaves the present one. Waits for the connection if there is none.
   *
   * A join that is refused, or lost with its connection, changes nothing: the user stays in the
   * present channel.
   *
   * @returns {Promise<{ channelId: string, qualityWarning: boolean }>}
   * @throws {VoiceError}
   */
  async join(channelId) { return this.#membership.join(channelId); }

  /** Leaves the channel at once. */
  leave() { this.#membership.leave(); }

  /** Tells the others. The caller, which owns the track, has to silence it. */
  setMuted(muted) {
    this.#own.muted = muted;
    this.#own.tellState();
  }

  /** Tells the others. A deafened user counts as muted. */
  setDeafened(deafened) {
    this.#own.deafened = deafened;
    this.#own.tellState();
  }

  /**
   * Tells the others whether the user speaks. May be called often: only changes are sent, at most
   * four a second.
   */
  setSpeaking(speaking) {
    this.#own.speaking = speaking;
    this.#own.tellSpeaking();
  }

  /**
   * What the others hear: a track, or `null`. A change needs no negotiation. While there is no
   * track, or while the system mutes it, the others see the user as muted.
   */
  setTrack(track) {
    this.#own.setTrack(track);
    this.#mesh.setTrack(track);
  }

  /**
   * Each connection to another user: `userId displayName sessionId connectionState iceState
   * packetsReceived packetsLost packetsSent totalAudioEnergy roundTripTimeMs localCandidateType
   * remoteCandidateType relayProtocol negotiations connectionId`. Connections to {@link lingering}
   * users are among them, with the last known session.
   */
  async stats() {
    const stats = await this.#mesh.stats();
    return stats.map((entry) => ({ ...entry, displayName: this.#roster.nameOf(entry.userId) }));
  }

  // --- connection --------------------------------------------------------------------------------

  #signalingChanged(detail) {
    if (detail.state === 'online') {
      this.#membership.restore();
    } else {
      this.#sessionId = '';
      this.#membership.offline();
    }
    if (detail.state === 'refused') {
      this.#membership.end();
      this.#exit('refused');
    }
    this.#emit('state', detail);
    this.#emit('roster');
  }

  /**
   * Asks the server something cheap. A failing call often means that signaling has lost its network
   * too, and a request without a reply finds that out.
   */
  async #probe() {
    if (this.#probing || !this.#signaling.online || this.#channelId === null) return;
    this.#probing = true;
    await this.#signaling.request('voiceIceServersRequest', { channelId: this.#channelId }, CHECK_ANSWER_MS).catch(() => {});
    this.#probing = false;
  }

  // --- what the server says ----------------------------------------------------------------------

  #received({ requestId, name, payload: asItCame, answersRequest }) {
    const payload = wellFormed(name, asItCame);
    switch (name) {
      case 'voiceJoinResponse': return this.#joined(payload);
      case 'voiceParticipantJoinedEvent': return this.#participantJoined(payload);
      case 'voiceLeaveEvent': return this.#participantLeft(payload);
      case 'voiceStateUpdate': return this.#update(payload, { muted: payload.muted, deafened: payload.deafened });
      case 'voiceSpeakingEvent': return this.#update(payload, { speaking: payload.speaking });
      case 'voiceSdpOffer':
      case 'voiceSdpAnswer':
      case 'voiceIceCandidate': return this.#relayed(name, payload);
      case 'voiceIceServersResponse': return this.#iceServers(payload, requestId === '');
      case 'voiceError': return answersRequest ? undefined : this.#refused(VoiceError.fromWire(payload));
      default: return undefined; // from a later version, or a message of the host's own
    }
  }

  #joined({ channelId, sessionId, participants, iceServers, qualityWarning }) {
    if (this.#membership.wanted === null) return; // the user left meanwhile, and the server knows
    const sameSession = sessionId === this.#sessionId;
    const cameBack = this.#channelId === channelId;
    this.#membership.joined();
    if (!cameBack) this.#mesh.closeAll();
    this.#channelId = channelId;
    this.#sessionId = sessionId;
    this.#roster.replace(participants);
    this.#mesh.setIceServers(iceServers);
    this.#mesh.snapshot(participants, sameSession);
    if (!sameSession) this.#own.began(sessionId, cameBack);
    this.#emit('channel', { channelId, reason: cameBack ? 'rejoined' : 'joined', qualityWarning });
    this.#emit('roster');
    this.#own.tellState();
    this.#own.tellSpeaking();
  }

  #participantJoined({ channelId, participant }) {
    if (!this.#isHere(channelId) || !participant) return;
    const added = this.#roster.add(participant);
    this.#mesh.joined(participant);
    this.#own.repeatSpeaking();
    this.#emit('participantjoined', { participant: this.#withConnection(added) });
    this.#emit('roster');
  }

  #participantLeft({ channelId, userId, sessionId, reason }) {
    if (!this.#isHere(channelId)) return;
    if (userId === this.#userId || (sessionId && sessionId === this.#sessionId)) {
      if (sessionId && sessionId !== this.#sessionId) return;
      this.#membership.end();
      this.#exit(EXIT_REASONS.get(reason) ?? 'left');
      return;
    }
    const participant = this.#roster.get(userId);
    if (!participant || (sessionId && participant.sessionId !== sessionId)) return;
    this.#roster.remove(userId);
    this.#mesh.left(userId, reason);
    this.#emit('participantleft', { participant, reason });
    this.#emit('roster');
  }

  #update({ channelId, userId }, change) {
    const participant = this.#roster.get(userId);
    if (!this.#isHere(channelId) || !participant) return;
    Object.assign(participant, change);
    this.#emit('roster');
  }

  #relayed(name, { channelId, senderUserId, senderSessionId, targetSessionId, sdp, candidateJson }) {
    const sender = this.#roster.get(senderUserId);
    if (!this.#isHere(channelId) || !sender || sender.sessionId !== senderSessionId) return;
    if (targetSessionId && targetSessionId !== this.#sessionId) return;
    if (name === 'voiceSdpOffer') this.#mesh.offer(senderUserId, sdp);
    else if (name === 'voiceSdpAnswer') this.#mesh.answer(senderUserId, sdp);
    else this.#mesh.candidate(senderUserId, candidateJson);
  }

  #iceServers({ iceServers, channelId }, renew) {
    if (this.#isHere(channelId)) this.#mesh.setIceServers(iceServers, { renew });
  }

  #refused(error) {
    if (error.code === 'SESSION_REPLACED') {
      if (!this.#isHere(error.channelId)) return;
      this.#membership.end();
      this.#exit('replaced');
    }
    this.#emit('error', { error, action: 'none' });
  }

  // --- what we tell ------------------------------------------------------------------------------

  #relay(name, payload, onError) {
    if (!this.#sessionId) return false;
    return this.#signaling.relay(name, { ...payload, channelId: this.#channelId }, (error) => {
      if (error.code === 'TOO_LARGE' || error.code === 'MALFORMED') this.#emit('error', { error, action: 'relay' });
      onError(error);
    });
  }

  // --- bookkeeping -------------------------------------------------------------------------------

  #isHere(channelId) {
    return this.#channelId !== null && this.#sessionId !== '' && channelId === this.#channelId;
  }

  #exit(reason) {
    const wasIn = this.#channelId !== null;
    this.#channelId = null;
    this.#sessionId = '';
    this.#roster.clear();
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
