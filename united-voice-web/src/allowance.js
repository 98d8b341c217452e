/** Limits how often something may happen: a few times at once, then once in an interval. */
export class Allowance {
  #burst;
  #intervalMs;
  /** When the whole burst is available again. */
  #fullAt = -Infinity;

  /**
   * @param {number} burst how often it may happen at once
   * @param {number} intervalMs the interval after that, in milliseconds
   */
  constructor(burst, intervalMs) {
    this.#burst = burst;
    this.#intervalMs = intervalMs;
  }

  /** Uses the allowance, if there is any. Returns 0, or the milliseconds until there is some. */
  take(nowMs) {
    const fullAt = Math.max(this.#fullAt, nowMs);
    const waitMs = fullAt - nowMs - (this.#burst - 1) * this.#intervalMs;
    if (waitMs > 0) return waitMs;
    this.#fullAt = fullAt + this.#intervalMs;
    return 0;
  }

  /** Whether it has not been used for so long that a new one would be the same. */
  full(nowMs) {
    return this.#fullAt <= nowMs;
  }
}

/** How many allowances are kept before those that are full are forgotten. */
const SWEEP_ABOVE = 256;

/** An {@link Allowance} for each user, which outlives the user's connections and stays. */
export class Allowances {
  #burst;
  #intervalMs;
  #now;
  #ofUser = new Map();

  /** @param {() => number} now the time in milliseconds */
  constructor(burst, intervalMs, now) {
    this.#burst = burst;
    this.#intervalMs = intervalMs;
    this.#now = now;
  }

  /** See {@link Allowance.take}. */
  take(userId) {
    const nowMs = this.#now();
    if (this.#ofUser.size > SWEEP_ABOVE) {
      for (const [id, allowance] of this.#ofUser) if (allowance.full(nowMs)) this.#ofUser.delete(id);
    }
    let allowance = this.#ofUser.get(userId);
    if (!allowance) {
      allowance = new Allowance(this.#burst, this.#intervalMs);
      this.#ofUser.set(userId, allowance);
    }
    return allowance.take(nowMs);
  }
}
