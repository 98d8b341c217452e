/**
 * One RTCPeerConnection to one other participant: perfect negotiation, candidates, one audio track each way.
 *
 * A `Peer` is one connection and never a second one: where a connection has to be made afresh, the mesh makes a new `Peer`.
 */

import { summarize } from './peer-stats.js';

let connectionsMade = 0;

/**
 * What tells one remote RTCPeerConnection from another by its SDP: the session id of the `o=` line, which RFC 8829 keeps for the life of a
 * connection, and the certificate fingerprints.
 */
export function remoteIdentity(sdp) {
  const session = /^o=\S+ (\S+)/m.exec(sdp)?.[1] ?? '';
  const fingerprints = [...sdp.matchAll(/^a=fingerprint:(.*?)\s*$/gm)].map((match) => match[1]);
  return [session, ...new Set(fingerprints.sort())].join('|');
}

/**
 * Which of two sessions gives way when both offer at once. Both sides come to the same answer, since both compare the same two ids.
 */
export function isPolite(ownSessionId, otherSessionId) {
  return ownSessionId < otherSessionId;
}

/** The candidate of a `candidate_json`, or `null` for the end of candidates and for what isn't one. */
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
  #ignoredOffer = false;
  #queue = Promise.resolve();
  #closed = false;

  /**
   * @param {object} options
   * @param {string} options.userId
   * @param {string} options.sessionId the stay of theirs that messages are addressed to
   * @param {boolean} options.initiator whether this side makes the first offer
   * @param {RTCConfiguration} options.configuration
   * @param {MediaStreamTrack|null} options.track what they shall hear; `null` while there is no microphone
   * @param {object} options.hooks `send(peer, kind, text)` with kind `offer`, `answer` or `candidate`; `polite(peer)`;
   *   `changed(peer)`; `track(peer, track)`; `iceError(peer, { code, text, url })`; `stepFailed(peer, error)`
   */
  constructor({ userId, sessionId, initiator, configuration, track, hooks, RTCPeerConnection }) {
    this.userId = userId;
    this.sessionId = sessionId;
    this.initiator = initiator;
    /** Counts up with every connection made on this page, so that a change of it means another connection. */
    this.connectionId = ++connectionsMade;
    /** Completed rounds of offer and answer. */
    this.negotiations = 0;
    /** Set by the mesh: see {@link remoteIdentity}. */
    this.remoteIdentity = '';
    this.everConnected = false;
    this.#hooks = hooks;
    this.#track = track;
    this.#pc = new RTCPeerConnection(configuration);
    this.#listen();
  }

  #listen() {
    const pc = this.#pc;
    pc.onicecandidate = ({ candidate }) => {
      if (candidate && !this.#closed) this.#hooks.send(this, 'candidate', JSON.stringify(candidate));
    };
    pc.onicecandidateerror = ({ errorCode, errorText, url }) => {
      if (!this.#closed) this.#hooks.iceError(this, { code: errorCode, text: errorText, url });
    };
    pc.onnegotiationneeded = () => this.#enqueue(() => this.#offer());
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

  get closed() {
    return this.#closed;
  }

  /** Makes the first offer. */
  start() {
    // A transceiver instead of a track: the offer is the same with and without a microphone, which can then come and go without
    // another round.
    const { sender } = this.#pc.addTransceiver('audio', { direction: 'sendrecv' });
    this.#sender = sender;
    this.#enqueue(() => sender.replaceTrack(this.#track));
  }

  receiveOffer(sdp) {
    this.#enqueue(async () => {
      this.#ignoredOffer = this.#pc.signalingState !== 'stable' && !this.#hooks.polite(this);
      if (this.#ignoredOffer) return;
      await this.#pc.setRemoteDescription({ type: 'offer', sdp });
      await this.#addEarlyCandidates();
      await this.#answer();
    });
  }

  receiveAnswer(sdp) {
    this.#enqueue(async () => {
      if (this.#pc.signalingState !== 'have-local-offer') return;
      await this.#pc.setRemoteDescription({ type: 'answer', sdp });
      this.#completed();
      await this.#addEarlyCandidates();
    });
  }

  receiveCandidate(json) {
    const candidate = parseCandidate(json);
    if (!candidate) return;
    this.#enqueue(async () => {
      if (this.#ignoredOffer) return;
      if (this.#pc.remoteDescription) await this.#pc.addIceCandidate(candidate);
      else this.#earlyCandidates.push(candidate);
    });
  }

  /** What they shall hear from now on. Needs no negotiation. */
  setTrack(track) {
    this.#track = track;
    this.#enqueue(() => this.#sender?.replaceTrack(track));
  }

  setIceServers(configuration) {
    this.#enqueue(() => this.#pc.setConfiguration(configuration));
  }

  /** Finds new paths for the same connection: candidates are gathered again, with the ICE servers set last. */
  restartIce() {
    this.#enqueue(() => this.#pc.restartIce());
  }

  /** Restarts ICE, unless audio goes without a relay of ours; then the servers set last can wait for the next restart. */
  renewRelay() {
    this.#enqueue(async () => {
      const { localCandidateType, relayProtocol } = summarize(await this.#pc.getStats());
      if (!localCandidateType || localCandidateType === 'relay' || relayProtocol) this.#pc.restartIce();
    });
  }

  /** After the other side's session changed under a connection that lives: says again what may have been lost with the old one. */
  resume() {
    this.#enqueue(() => {
      if (this.#pc.signalingState === 'have-local-offer') this.#send('offer', this.#pc.localDescription.sdp);
    });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#pc.close();
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
   * One step at a time: an offer that comes in while ours is being made would see a signaling state that is about to change.
   */
  #enqueue(step) {
    this.#queue = this.#queue
      .then(() => (this.#closed ? undefined : step()))
      // A candidate of a connection that is no more, or a description that came too late: the supervision in the mesh notices
      // a connection that does not come up, whatever the cause.
      .catch((error) => { if (!this.#closed) this.#hooks.stepFailed(this, error); });
  }

  async #offer() {
    if (this.#pc.signalingState !== 'stable') return; // the browser asks again once it is stable
    await this.#pc.setLocalDescription();
    this.#send('offer', this.#pc.localDescription.sdp);
  }

  async #answer() {
    const offered = this.#pc.getTransceivers().filter((transceiver) => transceiver.mid !== null);
    for (const leftOver of this.#pc.getTransceivers().filter((transceiver) => transceiver.mid === null)) {
      leftOver.stop(); // from an offer of ours that gave way; it would ask for a second audio line
    }
    const transceiver = offered[0];
    if (transceiver) {
      transceiver.direction = 'sendrecv';
      this.#sender = transceiver.sender;
      await this.#sender.replaceTrack(this.#track);
    }
    await this.#pc.setLocalDescription();
    this.#completed();
    this.#send('answer', this.#pc.localDescription.sdp);
  }

  async #addEarlyCandidates() {
    for (const candidate of this.#earlyCandidates.splice(0)) await this.#pc.addIceCandidate(candidate).catch(() => {});
  }

  #completed() {
    this.negotiations += 1;
    this.#ignoredOffer = false;
  }

  #send(kind, text) {
    if (!this.#closed) this.#hooks.send(this, kind, text);
  }
}
