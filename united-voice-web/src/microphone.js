/**
 * The microphone: captured once, always metered, and sent only if the user wants to be heard.
 *
 * The others get a clone of the captured track, which is enabled and disabled. Only the meter uses
 * the audio graph. So audio is sent even if the browser holds audio graphs back until the first
 * click.
 */

import { resumeAfterInterruptions } from './audio-interruption.js';
import { LevelMeter } from './level-meter.js';
import { VoiceActivity } from './voice-activity.js';

/** A meter without a report for this long does not run. */
const METER_SILENT_MS = 500;
/** How often to look whether the meter still runs. */
const LOOK_MS = 250;

/**
 * Events:
 *
 * - `track` `{ track }`: from now on this track is to be sent; `null` for none
 * - `level` `{ db }`: how loud it is, in decibels relative to full scale
 * - `open` `{ open }`: the user begins or ceases to be heard
 * - `lost`: the device is gone
 * - `interrupted` `{ interrupted }`: the system mutes the microphone for a while, or gives it back
 */
export class Microphone extends EventTarget {
  #context;
  #captured = null;
  #sent = null;
  #meter;
  #timer = 0;
  #startedAt = 0;
  #activity = new VoiceActivity(-50);
  #active = false;
  #lastReport = -Infinity;
  #muted = false;
  #mode = 'activity';
  #pressed = false;
  #open = false;
  #noiseSuppression = true;
  /** The number of the latest start or stop. */
  #run = 0;

  /**
   * @param {AudioContext | null} context the audio graph of the meter; `null` if there is none
   * @param {{ workletUrl?: string | URL }} options where `voice-activity-worklet.js` is, if it is
   *   not beside this module
   */
  constructor(context, { workletUrl } = {}) {
    super();
    this.#context = context;
    this.#meter = new LevelMeter(context, workletUrl, (db) => this.#measured(db));
    resumeAfterInterruptions(context);
  }

  /** Whether there is a microphone to speak into. */
  get present() { return this.#sent !== null; }

  /** Whether the system mutes the microphone at the moment, for example during a phone call. */
  get interrupted() { return this.#captured?.muted === true; }

  /** The device in use; `''` if unknown. */
  get deviceId() { return this.#captured?.getSettings?.().deviceId ?? ''; }

  /**
   * Starts the capture, or changes the device. If {@link stop} or another start comes while the
   * browser asks the user, this start has no effect.
   * @throws {DOMException} the error of `getUserMedia`: `NotAllowedError`, `NotFoundError`,
   *   `NotReadableError`, …
   */
  async start(deviceId = '') {
    if (!globalThis.navigator?.mediaDevices) throw new DOMException('not a secure context', 'SecurityError');
    const run = ++this.#run;
    const device = deviceId ? { deviceId: { ideal: deviceId } } : {};
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { ...this.#processing(), ...device } });
    const [captured] = stream.getAudioTracks();
    if (run !== this.#run) {
      captured.stop();
      return;
    }
    this.#release();
    this.#captured = captured;
    this.#captured.onended = () => {
      this.#release(); // a start that is under way goes on
      this.#emit('lost');
    };
    this.#captured.onmute = this.#captured.onunmute = () => {
      this.#decide();
      this.#emit('interrupted', { interrupted: this.interrupted });
    };
    this.#sent = this.#captured.clone();
    this.#startedAt = performance.now();
    this.#decide();
    this.#emit('track', { track: this.#sent });
    this.#timer = setInterval(() => this.#decide(), LOOK_MS);
    await this.#meter.start(stream).catch(() => {}); // without a meter the microphone is simply open
    this.#decide();
  }

  stop() {
    this.#run += 1;
    this.#release();
  }

  #release() {
    clearInterval(this.#timer);
    this.#meter.stop();
    if (this.#captured) this.#captured.onended = this.#captured.onmute = this.#captured.onunmute = null;
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

  /** Whether the browser takes noise out of the sound; by default it does. */
  set noiseSuppression(suppress) {
    if (suppress === this.#noiseSuppression) return;
    this.#noiseSuppression = suppress;
    if (this.present) this.#process();
  }

  #processing() {
    return { echoCancellation: true, noiseSuppression: this.#noiseSuppression, autoGainControl: true };
  }

  /** Some browsers can't change a capture that runs, or only say that they did. */
  async #process() {
    const captured = this.#captured;
    const wanted = this.#noiseSuppression;
    await captured.applyConstraints(this.#processing()).catch(() => {});
    if (captured !== this.#captured || captured.getSettings().noiseSuppression === wanted) return;
    await this.start(this.deviceId).catch(() => {}); // the capture that runs goes on
  }

  #measured(db) {
    if (!this.present) return;
    this.#lastReport = performance.now();
    this.#active = this.#activity.update(db, this.#lastReport);
    this.#decide();
    this.#emit('level', { db });
  }

  get #metered() {
    return this.#context?.state === 'running' && performance.now() - this.#lastReport < METER_SILENT_MS;
  }

  #shouldBeOpen() {
    if (!this.present || this.#muted || this.interrupted) return false;
    if (this.#mode === 'push') return this.#pressed;
    // Without a meter, send everything rather than nothing.
    return this.#metered ? this.#active : true;
  }

  #decide() {
    const open = this.#shouldBeOpen();
    if (this.#sent) this.#sent.enabled = open;
    // A microphone that has just started is open, but its meter may be about to find it silent.
    const starting = this.#mode === 'activity' && !this.#metered && performance.now() - this.#startedAt < METER_SILENT_MS;
    const heard = open && !starting;
    if (heard === this.#open) return;
    this.#open = heard;
    this.#emit('open', { open: heard });
  }

  #emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
