/** Stand-ins for the audio graph, the microphone and the players of a browser. */

export class FakeAudioTrack extends EventTarget {
  kind = 'audio';
  muted = false;
  enabled = true;
  readyState = 'live';

  getSettings() { return { deviceId: 'mic' }; }
  stop() { this.readyState = 'ended'; }

  clone() {
    this.copy = new FakeAudioTrack();
    return this.copy;
  }

  /** The system mutes the device, or gives it back. */
  become(muted) {
    for (const track of [this, this.copy]) {
      if (!track) continue;
      track.muted = muted;
      track[muted ? 'onmute' : 'onunmute']?.();
      track.dispatchEvent(new Event(muted ? 'mute' : 'unmute'));
    }
  }
}

const node = (extra = {}) => ({ connect: (to) => to, disconnect() {}, ...extra });

export class FakeAudioContext extends EventTarget {
  state = 'running';
  destination = node();
  resumed = 0;
  /** The amplitude that the analyser sees. */
  amplitude = 0;
  audioWorklet = { addModule: async () => { if (this.noWorklet) throw new Error('not found'); } };

  createMediaStreamSource() {
    if (this.noSource) throw new Error('another sample rate');
    return node();
  }

  createAnalyser() {
    return node({ fftSize: 16, getFloatTimeDomainData: (samples) => samples.fill(this.amplitude) });
  }

  createGain() { return node({ gain: { value: 1 } }); }
  async resume() { this.resumed += 1; }

  become(state) {
    this.state = state;
    this.dispatchEvent(new Event('statechange'));
  }
}

export class FakeAudioWorkletNode {
  static last = null;
  port = {};
  constructor() { FakeAudioWorkletNode.last = this; }
  connect(to) { return to; }
  disconnect() {}
  report(db) { this.port.onmessage({ data: { db } }); }
}

export class FakeAudio {
  static made = [];
  paused = true;
  volume = 1;
  muted = false;
  plays = 0;
  constructor() { FakeAudio.made.push(this); }

  async play() {
    this.plays += 1;
    if (this.refused) throw Object.assign(new Error(), { name: 'NotAllowedError' });
    this.paused = false;
  }

  pauseFromOutside() {
    this.paused = true;
    this.onpause?.();
  }
}
