/**
 * Plays the others: each by a media element, and by the audio graph if the volume is above 100 %.
 *
 * An element has no latency of a graph, tells echo cancellation what it plays in every browser, and
 * can choose the speaker. But its volume ends at 100 %. Above that, the sound goes through a gain
 * node. The element then goes on playing, muted, because Chromium feeds a remote track into a graph
 * only while an element plays it.
 */

import { resumeAfterInterruptions } from './audio-interruption.js';

/** The pauses before playback that the system paused is started again. */
const FIRST_RESTART_MS = 250;
const MAX_RESTART_MS = 2_000;

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

  /** @param {AudioContext | null} context without one, the volume of a person ends at 1 */
  constructor(context) {
    super();
    this.#context = context;
    resumeAfterInterruptions(context);
  }

  /** Whether the speaker can be chosen in this browser. */
  get canPickSink() { return ELEMENT_PICKS_SINK; }

  /** Whether the browser holds the sound back until the user clicks. */
  get blocked() {
    const inGraph = [...this.#voices.values()].some(({ graph }) => graph);
    return this.#refused.size > 0 || (inGraph && this.#context?.state !== 'running');
  }

  /** Starts what the browser held back. Call it in the handler of a click. */
  async resume() {
    await Promise.all([this.#context?.resume(), ...[...this.#voices.keys()].map((id) => this.#start(id))]);
  }

  play(id, track) {
    this.stop(id);
    const element = new Audio();
    const stream = new MediaStream([track]);
    element.srcObject = stream;
    if (this.#sinkId) element.setSinkId(this.#sinkId).catch(() => {});
    const voice = { element, stream, graph: null };
    this.#voices.set(id, voice);
    element.onpause = () => this.#restart(id, voice, FIRST_RESTART_MS);
    this.#apply(id);
    this.#start(id);
  }

  stop(id) {
    const voice = this.#voices.get(id);
    if (!voice) return;
    this.#voices.delete(id);
    this.#refused.delete(id);
    this.#leaveGraph(voice);
    voice.element.onpause = null;
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
      this.#context?.setSinkId?.(deviceId),
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

  /** Nothing here pauses an element, so the system did, for example for a phone call. */
  #restart(id, voice, delayMs) {
    setTimeout(async () => {
      if (this.#voices.get(id) !== voice || !voice.element.paused) return;
      await this.#start(id);
      if (voice.element.paused) this.#restart(id, voice, Math.min(MAX_RESTART_MS, 2 * delayMs));
    }, delayMs);
  }

  #apply(id) {
    const voice = this.#voices.get(id);
    if (!voice) return;
    const volume = this.#deafened ? 0 : this.#volumes.get(id) ?? 1;
    const wantsGraph = volume > 1 || (!ELEMENT_HAS_VOLUME && volume > 0 && volume < 1);
    const throughGraph = wantsGraph && this.#feedGraph(voice, volume);
    if (!throughGraph) this.#leaveGraph(voice);
    voice.element.volume = Math.min(1, volume);
    voice.element.muted = throughGraph || volume === 0;
  }

  /** Returns whether it worked. If not, the element plays as loud as it can. */
  #feedGraph(voice, volume) {
    try {
      if (!voice.graph) {
        const source = this.#context.createMediaStreamSource(voice.stream);
        const gain = this.#context.createGain();
        source.connect(gain).connect(this.#context.destination);
        voice.graph = { source, gain };
      }
      voice.graph.gain.gain.value = volume;
    } catch {
      return false; // there is no graph, or it has another sample rate than the stream
    }
    this.#changed();
    return true;
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
