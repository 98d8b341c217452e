/**
 * The microphone: captured once, always metered, and sent only if the user wants to be heard.
 *
 * The others get a clone of the captured track, which is enabled and disabled. Only the meter uses
 * the audio graph. So audio is sent even if the browser holds audio graphs back until the first
 * click.
 */

import { VoiceActivity } from './voice-activity.js';

const PROCESSING = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
/** A meter without a report for this long does not run. */
const METER_SILENT_MS = 500;

/**
 * Events:
 *
 * - `track` `{ track }`: from now on this track is to be sent; `null` for none
 * - `level` `{ db }`: how loud it is, in decibels relative to full scale
 * - `open` `{ open }`: the user begins or ceases to be heard
 * - `lost`: the device is gone
 */
export class Microphone extends EventTarget {
  #context;
  #captured = null;
  #sent = null;
  #nodes = [];
  #activity = new VoiceActivity(-50);
  #active = false;
  #lastReport = -Infinity;
  #muted = false;
  #mode = 'activity';
  #pressed = false;
  #open = false;
  #worklet = null;

  /** @param {AudioContext} context the audio graph of the meter */
  constructor(context) {
    super();
    this.#context = context;
  }

  /** Whether there is a microphone to speak into. */
  get present() { return this.#sent !== null; }

  /** Whether the system mutes the microphone at the moment, for example during a phone call. */
  get interrupted() { return this.#captured?.muted === true; }

  /** The device in use; `''` if unknown. */
  get deviceId() { return this.#captured?.getSettings?.().deviceId ?? ''; }

  /**
   * Starts the capture, or changes the device.
   * @throws {DOMException} the error of `getUserMedia`: `NotAllowedError`, `NotFoundError`,
   *   `NotReadableError`, …
   */
  async start(deviceId = '') {
    if (!globalThis.navigator?.mediaDevices) throw new DOMException('not a secure context', 'SecurityError');
    const device = deviceId ? { deviceId: { ideal: deviceId } } : {};
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...PROCESSING, ...device } });
    this.stop();
    this.#captured = stream.getAudioTracks()[0];
    this.#captured.onended = () => {
      this.stop();
      this.#emit('lost');
    };
    this.#sent = this.#captured.clone();
    this.#sent.enabled = this.#open = this.#shouldBeOpen();
    this.#emit('track', { track: this.#sent });
    await this.#meter(stream).catch(() => {}); // without a meter the microphone is simply open
    this.#decide();
  }

  stop() {
    for (const node of this.#nodes.splice(0)) node.disconnect();
    this.#captured?.stop();
    this.#sent?.stop();
    const had = this.#sent !== null;
    this.#captured = null;
    this.#sent = null;
    this.#active = false;
    if (!had) return;
    this.#decide();
    this.#emit('track', { track: null });
  }

  set muted(muted) {
    this.#muted = muted;
    this.#decide();
  }

  /** `activity`: open while the user speaks. `push`: open while {@link pressed}. */
  set mode(mode) {
    this.#mode = mode;
    this.#decide();
  }

  set pressed(pressed) {
    this.#pressed = pressed;
    this.#decide();
  }

  set thresholdDb(thresholdDb) {
    this.#activity.thresholdDb = thresholdDb;
  }

  async #meter(stream) {
    this.#worklet ??= this.#context.audioWorklet.addModule(new URL('./voice-activity-worklet.js', import.meta.url));
    await this.#worklet;
    const source = this.#context.createMediaStreamSource(stream);
    const options = { numberOfOutputs: 1, channelCount: 1, channelCountMode: 'explicit' };
    const meter = new AudioWorkletNode(this.#context, 'level-meter', options);
    meter.port.onmessage = ({ data }) => this.#measured(data.db);
    // Its output is silence, but browsers run only nodes that lead to the speakers.
    source.connect(meter).connect(this.#context.destination);
    this.#nodes.push(source, meter);
  }

  #measured(db) {
    if (!this.present) return;
    this.#lastReport = performance.now();
    this.#active = this.#activity.update(db, this.#lastReport);
    this.#decide();
    this.#emit('level', { db });
  }

  #shouldBeOpen() {
    if (!this.present || this.#muted) return false;
    if (this.#mode === 'push') return this.#pressed;
    const metered = this.#context.state === 'running' && performance.now() - this.#lastReport < METER_SILENT_MS;
    // Without a meter, send everything rather than nothing.
    return metered ? this.#active : true;
  }

  #decide() {
    const open = this.#shouldBeOpen();
    if (this.#sent) this.#sent.enabled = open;
    if (open === this.#open) return;
    this.#open = open;
    this.#emit('open', { open });
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
