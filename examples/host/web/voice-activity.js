/** Whether somebody speaks, told from how loud it is. */

/** How long speech goes on after it became quiet: the pauses between words are part of it. */
export const HOLD_MS = 350;
/** Speech that began goes on down to this much below the threshold, so that a voice near it does not flicker. */
const HYSTERESIS_DB = 6;

export class VoiceActivity {
  #activeUntil = -Infinity;

  /** @param {number} thresholdDb level at which speech begins, in decibels relative to full scale (-100 to 0) */
  constructor(thresholdDb) {
    this.thresholdDb = thresholdDb;
  }

  /** Takes one level and the time it was measured at; returns whether somebody speaks. */
  update(db, nowMs) {
    const speaking = nowMs < this.#activeUntil;
    const threshold = speaking ? this.thresholdDb - HYSTERESIS_DB : this.thresholdDb;
    if (db >= threshold) this.#activeUntil = nowMs + HOLD_MS;
    return nowMs < this.#activeUntil;
  }
}
