/** Random numbers that come again with the same seed, so that a failure does too. */

/** Mulberry32: small, and good enough to choose what a test does. */
export class Random {
  #state;

  constructor(seed) { this.#state = seed >>> 0; }

  /** At least 0 and below 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number below `end`. */
  below(end) { return Math.floor(this.next() * end); }

  chance(probability) { return this.next() < probability; }

  pick(choices) { return choices[this.below(choices.length)]; }
}
