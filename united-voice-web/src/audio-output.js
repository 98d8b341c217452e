/**
 * Plays the others: each by a media element, and by the audio graph if the volume is above 100 %.
 *
 * An element has no latency of a graph, tells echo cancellation what it plays in every browser, and
 * can choose the speaker. But its volume ends at 100 %. Above that, the sound goes through a gain
 * node. The element then goes on playing, muted, because Chromium feeds a remote track into a graph
 * only while an element plays it.
 */

/** Whether the volume of an element can be changed. On iOS it can't. */
const ELEMENT_HAS_VOLUME = (() => {
  if (!globalThis.Audio) return false;
  const element = new Audio();
  element.volume = 0.5;
  return element.volume === 0.5;
})();
const ELEMENT_PICKS_SINK = 'setSinkId' in (globalThis.HTMLMediaElement?.prototype ?? {});

/** Events: `change` when {@link blocked} may have changed. */
export class AudioOutput extends EventTarget {
  #context;
  #voices = new Map();
  #volumes = new Map();
  #deafened = false;
  #sinkId = '';
  #refused = new Set();

  /** @param {AudioContext} context */
  constructor(context) {
    super();
    this.#context = context;
  }

  /** Whether the speaker can be chosen in this browser. */
  get canPickSink() { return ELEMENT_PICKS_SINK; }

  /** Whether the browser holds the sound back until the user clicks. */
  get blocked() {
    const inGraph = [...this.#voices.values()].some(({ graph }) => graph);
    return this.#refused.size > 0 || (inGraph && this.#context.state !== 'running');
  }

  /** Starts what the browser held back. Call it in the handler of a click. */
  async resume() {
    await Promise.all([this.#context.resume(), ...[...this.#voices.keys()].map((id) => this.#start(id))]);
  }

  play(id, track) {
    this.stop(id);
    const element = new Audio();
    const stream = new MediaStream([track]);
    element.srcObject = stream;
    if (this.#sinkId) element.setSinkId(this.#sinkId).catch(() => {});
    this.#voices.set(id, { element, stream, graph: null });
    this.#apply(id);
    this.#start(id);
  }

  stop(id) {
    const voice = this.#voices.get(id);
    if (!voice) return;
    this.#voices.delete(id);
    this.#refused.delete(id);
    this.#leaveGraph(voice);
    voice.element.srcObject = null;
    this.#changed();
  }

  /** @param {number} volume from 0 to 2; 1 is as it was sent */
  setVolume(id, volume) {
    this.#volumes.set(id, volume);
    this.#apply(id);
  }

  set deafened(deafened) {
    this.#deafened = deafened;
    for (const id of this.#voices.keys()) this.#apply(id);
  }

  /** Plays on another device; `''` is the system's choice. Rejects if the device is gone. */
  async setSink(deviceId) {
    this.#sinkId = deviceId;
    if (!ELEMENT_PICKS_SINK) return;
    await Promise.all([
      this.#context.setSinkId?.(deviceId),
      ...[...this.#voices.values()].map(({ element }) => element.setSinkId(deviceId)),
    ]);
  }

  async #start(id) {
    const voice = this.#voices.get(id);
    try {
      await voice.element.play();
      this.#refused.delete(id);
    } catch (error) {
      // After other errors the track ended or was replaced before it began, and nothing is lost.
      if (error.name === 'NotAllowedError' && this.#voices.get(id) === voice) this.#refused.add(id);
    }
    this.#changed();
  }

  #apply(id) {
    const voice = this.#voices.get(id);
    if (!voice) return;
    const volume = this.#deafened ? 0 : this.#volumes.get(id) ?? 1;
    const throughGraph = volume > 1 || (!ELEMENT_HAS_VOLUME && volume > 0 && volume < 1);
    if (throughGraph) this.#feedGraph(voice, volume);
    else this.#leaveGraph(voice);
    voice.element.volume = Math.min(1, volume);
    voice.element.muted = throughGraph || volume === 0;
  }

  #feedGraph(voice, volume) {
    if (!voice.graph) {
      const source = this.#context.createMediaStreamSource(voice.stream);
      const gain = this.#context.createGain();
      source.connect(gain).connect(this.#context.destination);
      voice.graph = { source, gain };
    }
    voice.graph.gain.gain.value = volume;
    this.#changed();
  }

  #leaveGraph(voice) {
    voice.graph?.source.disconnect();
    voice.graph?.gain.disconnect();
    voice.graph = null;
  }

  #changed() {
    this.dispatchEvent(new CustomEvent('change'));
  }
}
