/**
 * Reports the level of its input about fifty times a second: `{ db }`, decibels relative to full
 * scale, -100 for silence.
 *
 * It is a worklet, not a timer, because browsers slow down the timers of hidden tabs, and people
 * talk while they look at something else.
 */

const REPORTS_PER_SECOND = 50;

class LevelMeter extends AudioWorkletProcessor {
  #sum = 0;
  #count = 0;

  process([input]) {
    for (const sample of input[0] ?? []) this.#sum += sample * sample;
    this.#count += input[0]?.length ?? 128;
    if (this.#count >= sampleRate / REPORTS_PER_SECOND) {
      const db = 10 * Math.log10(this.#sum / this.#count + 1e-10);
      this.port.postMessage({ db });
      this.#sum = 0;
      this.#count = 0;
    }
    return true;
  }
}

registerProcessor('level-meter', LevelMeter);
