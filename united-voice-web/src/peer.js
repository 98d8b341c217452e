/**
 * One RTCPeerConnection to one other participant: perfect negotiation of offers and answers (RFC
 * 8829), trickled candidates (RFC 8838), and one audio track each way.
 *
 * A `Peer` is one connection and never becomes another. For a new connection the mesh makes a new
 * `Peer`.
 */

import { summarize } from './peer-stats.js';

/** How long the other side may take to answer an offer. */
export const ANSWER_WAIT_MS = 15_000;
/** More candidates than that wait for no step of a negotiation. */
const MAX_WAITING_CANDIDATES = 128;

let connectionsMade = 0;

/**
 * Identifies a remote RTCPeerConnection by its SDP: by the session id of the `o=` line, which RFC
 * 8829 keeps for the life of a connection, and by the certificate fingerprints.
 */
export function remoteIdentity(sdp) {
  const session = /^o=\S+ (\S+)/m.exec(sdp)?.[1] ?? '';
  const fingerprints = [...sdp.matchAll(/^a=fingerprint:(.*?)\s*$/gm)].map((match) => match[1]);
  return [session, ...new Set(fingerprints.sort())].join('|');
}

/**
 * Whether we give way if both sides offer at once. Both sides compare the same two session ids, so
 * exactly one of them gives way.
 */
export function isPolite(ownSessionId, otherSessionId) {
  return ownSessionId < otherSessionId;
}

/** Our DTLS role after an answer: `active`, `passive`, or `''` if the answer has no `a=setup`. */
export function dtlsRole(answer, answerIsOurs) {
  const role = /^a=setup:(active|passive)\s*$/m.exec(answer)?.[1] ?? '';
  if (role === '' || answerIsOurs) return role;
  return role === 'active' ? 'passive' : 'active';
}

/** The candidate in a `candidateJson`; `null` for the end of candidates and for anything else. */
export function parseCandidate(json) {
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !value.candidate) return null;
  if (value.sdpMid === undefined && value.sdpMLineIndex === undefined) return { ...value, sdpMLineIndex: 0 };
  return value;
}

export class Peer {
  #pc;
  #hooks;
  #sender = null;
  #track = null;
  #earlyCandidates = [];
  #waitingCandidates = 0;
  #ignoredOffer = false;
  #queue = Promise.resolve();
  #closed = false;
  #dtlsRole = '';
  #answerTimer = 0;

  /**
   * @param {object} options
   * @param {string} options.userId
   * @param {string} options.sessionId their session, to which messages are addressed
   * @param {boolean} options.initiator whether this side makes the first offer
   * @param {RTCConfiguration} options.configuration
   * @param {MediaStreamTrack|null} options.track what they hear; `null` without a microphone
   * @param {object} options.hooks `send(peer, kind, text)` with kind `offer`, `answer` or
   *   `candidate`; `polite(peer)`; `changed(peer)`; `track(peer, track)`; `iceError(peer, { code,
   *   text, url })`; `stepFailed(peer, error)`; `stuck(peer, why)` if this connection can't be
   *   negotiated any further: a description was `refused`, or an offer stays `unanswered`
   */
  constructor({ userId, sessionId, initiator, configuration, track, hooks, RTCPeerConnection }) {
    this.userId = userId;
    this.sessionId = sessionId;
    this.initiator = initiator;
    /** A number that no other connection of this page has. */
    this.connectionId = ++connectionsMade;
    /** The number of completed rounds of offer and answer. */
    this.negotiations = 0;
    /** Set by the mesh, see {@link remoteIdentity}. */
    this.remoteIdentity = '';
    this.everConnected = false;
    /** Set by the mesh: another connection has to take its place. */
    this.replaceable = false;
    this.#hooks = hooks;
    this.#track = track;
    this.#pc = new RTCPeerConnection(configuration);
    this.#listen();
  }

  #listen() {
    const pc = this.#pc;
    pc.onicecandidate = ({ candidate }) => {
      if (candidate) this.#send('candidate', JSON.stringify(candidate));
    };
    pc.onicecandidateerror = ({ errorCode, errorText, url }) => {
      if (!this.#closed) this.#hooks.iceError(this, { code: errorCode, text: errorText, url });
    };
    pc.onnegotiationneeded = () => this.#negotiate(() => this.#offer());
    pc.onconnectionstatechange = () => this.#stateChanged();
    pc.oniceconnectionstatechange = () => this.#stateChanged();
    pc.ontrack = ({ track }) => {
      if (!this.#closed) this.#hooks.track(this, track);
    };
  }

  #stateChanged() {
    if (this.#closed) return;
    this.everConnected ||= this.healthy;
    this.#hooks.changed(this);
  }

  get connectionState() {
    return this.#pc.connectionState;
  }

  get iceState() {
    return this.#pc.iceConnectionState;
  }

  /** Whether audio can flow now. */
  get healthy() {
    return !this.#closed && this.#pc.connectionState === 'connected';
  }

  /** Whether no offer is open. */
  get stable() {
    return this.#pc.signalingState === 'stable';
  }

  get closed() {
    return this.#closed;
  }

  /** Makes the first offer. */
  start() {
    // A transceiver instead of a track: the offer is the same with and without a microphone. So the
    // microphone can come and go without another negotiation.
    const { sender } = this.#pc.addTransceiver('audio', { direction: 'sendrecv' });
    this.#sender = sender;
    this.#enqueue(() => sender.replaceTrack(this.#track));
  }

  receiveOffer(sdp) {
    this.#negotiate(async () => {
      this.#ignoredOffer = this.#pc.signalingState !== 'stable' && !this.#hooks.polite(this);
      if (this.#ignoredOffer) return;
      await this.#pc.setRemoteDescription({ type: 'offer', sdp });
      await this.#addEarlyCandidates();
      await this.#answer();
    });
  }

  receiveAnswer(sdp) {
    this.#negotiate(async () => {
      if (this.#pc.signalingState !== 'have-local-offer') return;
      await this.#pc.setRemoteDescription({ type: 'answer', sdp });
      this.#completed(dtlsRole(sdp, false));
      await this.#addEarlyCandidates();
    });
  }

  receiveCandidate(json) {
    const candidate = parseCandidate(json);
    if (!candidate || this.#waitingCandidates >= MAX_WAITING_CANDIDATES) return;
    this.#waitingCandidates += 1;
    this.#enqueue(async () => {
      this.#waitingCandidates -= 1;
      if (this.#ignoredOffer) return;
      if (this.#pc.remoteDescription) await this.#pc.addIceCandidate(candidate);
      else if (this.#earlyCandidates.length < MAX_WAITING_CANDIDATES) this.#earlyCandidates.push(candidate);
    });
  }

  /** What they hear from now on. Needs no negotiation. */
  setTrack(track) {
    this.#track = track;
    this.#enqueue(() => this.#sender?.replaceTrack(track));
  }

  setIceServers(configuration) {
    this.#enqueue(() => this.#pc.setConfiguration(configuration));
  }

  /**
   * Finds new paths for the same connection: gathers candidates again, with the latest ICE servers.
   */
  restartIce() {
    this.#enqueue(() => this.#pc.restartIce());
  }

  /**
   * Restarts ICE if audio goes through a relay of ours. If not, the latest ICE servers wait for the
   * next restart.
   */
  renewRelay() {
    this.#enqueue(async () => {
      const { localCandidateType, relayProtocol } = summarize(await this.#pc.getStats());
      if (!localCandidateType || localCandidateType === 'relay' || relayProtocol) this.#pc.restartIce();
    });
  }

  /**
   * The other side has a new session. Sends the open offer again, which may be lost with the old
   * session.
   */
  resume() {
    this.#enqueue(() => {
      if (this.#pc.signalingState === 'have-local-offer') this.#sendOffer();
    });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#answerTimer);
    const pc = this.#pc;
    // The browser keeps a closed connection for a while, but nothing of ours with it.
    pc.onicecandidate = pc.onicecandidateerror = pc.onnegotiationneeded = null;
    pc.onconnectionstatechange = pc.oniceconnectionstatechange = pc.ontrack = null;
    pc.close();
  }

  /** The number of packets that came in. */
  async packetsReceived() {
    const receiver = this.#pc.getTransceivers().find(({ mid }) => mid !== null)?.receiver;
    return summarize(await (receiver ?? this.#pc).getStats()).packetsReceived;
  }

  async stats() {
    const numbers = this.#closed ? summarize(new Map()) : summarize(await this.#pc.getStats());
    return {
      userId: this.userId,
      sessionId: this.sessionId,
      connectionId: this.connectionId,
      negotiations: this.negotiations,
      connectionState: this.connectionState,
      iceState: this.iceState,
      ...numbers,
    };
  }

  /**
   * Runs one step at a time. Otherwise an offer that comes in while we make ours would see a
   * signaling state that is about to change.
   */
  #enqueue(step, failed = () => {}) {
    this.#queue = this.#queue
      .then(() => (this.#closed ? undefined : step()))
      // For example a candidate of an old connection. If the connection does not come up, the mesh
      // notices, whatever the cause.
      .catch((error) => {
        if (this.#closed) return;
        this.#hooks.stepFailed(this, error);
        failed();
      });
  }

  /** A step without which there is no next one: if it fails, the signaling state stays as it is. */
  #negotiate(step) {
    this.#enqueue(step, () => this.#hooks.stuck(this, 'refused'));
  }

  async #offer() {
    if (this.#pc.signalingState !== 'stable') return; // when it is stable, the browser asks again
    await this.#pc.setLocalDescription();
    this.#sendOffer();
  }

  /**
   * Sends the open offer. After the first round it names the DTLS role that we have. It could leave
   * the choice to the other side, as browsers do. But Firefox then always chooses to be the client,
   * even if it is the server, and Chromium refuses that (Mozilla bug 1240897).
   */
  #sendOffer() {
    const { sdp } = this.#pc.localDescription;
    this.#send('offer', this.#dtlsRole ? sdp.replace(/^a=setup:actpass/gm, `a=setup:${this.#dtlsRole}`) : sdp);
    clearTimeout(this.#answerTimer);
    this.#answerTimer = setTimeout(() => {
      if (this.#pc.signalingState === 'have-local-offer') this.#hooks.stuck(this, 'unanswered');
    }, ANSWER_WAIT_MS);
  }

  async #answer() {
    const offered = this.#pc.getTransceivers().filter((transceiver) => transceiver.mid !== null);
    for (const leftOver of this.#pc.getTransceivers().filter((transceiver) => transceiver.mid === null)) {
      leftOver.stop(); // from our offer that gave way; it would ask for a second audio line
    }
    const transceiver = offered[0];
    if (transceiver) {
      transceiver.direction = 'sendrecv';
      this.#sender = transceiver.sender;
      await this.#sender.replaceTrack(this.#track);
    }
    await this.#pc.setLocalDescription();
    const { sdp } = this.#pc.localDescription;
    this.#completed(dtlsRole(sdp, true));
    this.#send('answer', sdp);
  }

  async #addEarlyCandidates() {
    for (const candidate of this.#earlyCandidates.splice(0)) await this.#pc.addIceCandidate(candidate).catch(() => {});
  }

  #completed(role) {
    clearTimeout(this.#answerTimer);
    this.negotiations += 1;
    this.#ignoredOffer = false;
    this.#dtlsRole ||= role; // it lasts as long as the connection
  }

  #send(kind, text) {
    if (!this.#closed) this.#hooks.send(this, kind, text);
  }
}
