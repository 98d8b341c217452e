/** Stand-ins for classes of the browser. A test drives them, and they record their calls. */

/** Runs everything that waits for a promise, but nothing that waits for a timer. */
export async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeWebSocket {
  static made = [];
  static get last() { return FakeWebSocket.made.at(-1); }

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    this.sent = [];
    this.closed = false;
    this.closeCode = undefined;
    this.readyState = 0;
    FakeWebSocket.made.push(this);
  }

  send(text) { this.sent.push(JSON.parse(text)); }
  close(code) {
    this.closed = true;
    this.closeCode = code;
  }

  open() {
    this.readyState = 1;
    this.onopen();
  }
  receive(envelope) { this.onmessage({ data: JSON.stringify(envelope) }); }
  lose(code = 1006) { this.onclose({ code }); }

  /** The messages of one kind, each as its payload with its request id. */
  all(name) {
    return this.sent.filter((envelope) => name in envelope).map((envelope) => ({ requestId: envelope.requestId, ...envelope[name] }));
  }

  /** Replies to the latest request of one kind. */
  reply(name, replyName, payload) {
    this.receive({ requestId: this.all(name).at(-1).requestId, [replyName]: payload });
  }
}

/**
 * The parts of the negotiation that matter: signaling states, rollback, and identifying
 * descriptions.
 */
export class FakePeerConnection {
  static made = [];
  static get last() { return FakePeerConnection.made.at(-1); }

  constructor(configuration) {
    this.id = 1000 + FakePeerConnection.made.length;
    this.configuration = configuration;
    this.signalingState = 'stable';
    this.connectionState = 'new';
    this.iceConnectionState = 'new';
    this.localDescription = null;
    this.remoteDescription = null;
    this.candidates = [];
    this.transceivers = [];
    this.iceRestarts = 0;
    this.report = new Map();
    this.setup = '';
    this.packets = 0;
    this.silent = false;
    /** Whether it refuses all descriptions from now on. */
    this.refuse = false;
    FakePeerConnection.made.push(this);
  }

  get sdp() { return `${sdpOf(this.id)}${this.setup}`; }

  addTransceiver() {
    const transceiver = newTransceiver(null);
    this.transceivers.push(transceiver);
    queueMicrotask(() => this.onnegotiationneeded?.());
    return transceiver;
  }

  getTransceivers() { return this.transceivers.filter(({ stopped }) => !stopped); }

  async setLocalDescription() {
    const type = this.signalingState === 'have-remote-offer' ? 'answer' : 'offer';
    this.localDescription = { type, sdp: this.sdp };
    this.signalingState = type === 'offer' ? 'have-local-offer' : 'stable';
  }

  async setRemoteDescription(description) {
    if (this.refuse) throw new Error('Failed to set SSL role for the transport.');
    this.remoteDescription = description;
    if (description.type === 'offer') {
      this.signalingState = 'have-remote-offer';
      if (!this.transceivers.some(({ mid }) => mid !== null)) this.transceivers.push(newTransceiver('0'));
    } else {
      if (this.signalingState !== 'have-local-offer') throw new Error('InvalidStateError');
      this.signalingState = 'stable';
      for (const transceiver of this.transceivers) transceiver.mid ??= '0';
    }
  }

  async addIceCandidate(candidate) {
    if (!this.remoteDescription) throw new Error('InvalidStateError');
    this.candidates.push(candidate);
  }

  setConfiguration(configuration) { this.configuration = configuration; }

  restartIce() {
    this.iceRestarts += 1;
    queueMicrotask(() => this.onnegotiationneeded?.());
  }

  /** By default something has come in since the last time. */
  async getStats() {
    if (!this.silent) this.packets += 50;
    return new Map([...this.report, ['i', { type: 'inbound-rtp', kind: 'audio', packetsReceived: this.packets }]]);
  }

  /** From now on audio uses a pair with this local candidate. */
  useCandidate(candidate) {
    this.report = new Map([
      ['t', { type: 'transport', selectedCandidatePairId: 'p' }],
      ['p', { type: 'candidate-pair', localCandidateId: 'l' }],
      ['l', { type: 'local-candidate', ...candidate }],
    ]);
  }

  close() { this.connectionState = 'closed'; }

  become(connectionState) {
    this.connectionState = connectionState;
    this.onconnectionstatechange?.();
  }
}

/** The description of a remote connection with this number. */
export function sdpOf(id) {
  return `v=0\r\no=- ${id} 2 IN IP4 127.0.0.1\r\ns=-\r\na=fingerprint:sha-256 AA:${id}\r\n`;
}

function newTransceiver(mid) {
  return {
    mid,
    stopped: false,
    direction: 'recvonly',
    sender: { track: undefined, async replaceTrack(track) { this.track = track; } },
    stop() { this.stopped = true; },
  };
}
