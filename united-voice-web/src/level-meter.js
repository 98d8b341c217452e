/**
 * Measures how loud a stream is: by an audio worklet, or by an analyser if the browser can't load
 * or run the worklet.
 */

/** The analyser is read by a timer, which browsers slow down in hidden tabs. */
const ANALYSER_INTERVAL_MS = 50;

export class LevelMeter {
  #context;
  #workletUrl;
  #onLevel;
  #loaded = null;
  #source = null;
  #meter = null;
  #timer = 0;

  /**
   * @param {AudioContext | null} context
   * @param {string | URL | undefined} workletUrl where the worklet is, if not beside this module
   * @param {(db: number) => void} onLevel takes decibels relative to full scale
   */
  constructor(context, workletUrl, onLevel) {
    this.#context = context;
    this.#workletUrl = workletUrl;
    this.#onLevel = onLevel;
  }

  /** Measures a stream, in place of the one before. Rejects if nothing here can. */
  async start(stream) {
    this.stop();
    if (!this.#context) throw new Error('there is no audio graph');
    const source = this.#context.createMediaStreamSource(stream);
    this.#source = source;
    try {
      // A bundle that is no module has no address, so this may throw. Bundlers look for exactly
      // this form of the default.
      const url = this.#workletUrl ?? new URL('./voice-activity-worklet.js', import.meta.url);
      this.#loaded ??= this.#context.audioWorklet.addModule(url);
      await this.#loaded;
      if (this.#source === source) this.#useWorklet();
    } catch {
      if (this.#source === source) this.#useAnalyser();
    }
  }

  stop() {
    clearInterval(this.#timer);
    this.#source?.disconnect();
    this.#meter?.disconnect();
    this.#source = null;
    this.#meter = null;
  }

  #useWorklet() {
    const options = { numberOfOutputs: 1, channelCount: 1, channelCountMode: 'explicit' };
    const meter = new AudioWorkletNode(this.#context, 'level-meter', options);
    meter.port.onmessage = ({ data }) => { if (this.#meter === meter) this.#onLevel(data.db); };
    meter.onprocessorerror = () => { if (this.#meter === meter) this.#useAnalyser(); };
    // Its output is silence, but browsers run only nodes that lead to the speakers.
    this.#source.connect(meter).connect(this.#context.destination);
    this.#meter = meter;
  }

  #useAnalyser() {
    this.#meter?.disconnect();
    const meter = this.#context.createAnalyser();
    const samples = new Float32Array(meter.fftSize);
    this.#source.connect(meter);
    this.#meter = meter;
    this.#timer = setInterval(() => {
      if (this.#context.state !== 'running') return;
      meter.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
      this.#onLevel(10 * Math.log10(power + 1e-10));
    }, ANALYSER_INTERVAL_MS);
  }
}
