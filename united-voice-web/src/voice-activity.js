/** Voice activity detection by level. */

/**
 * How long speech goes on after the level fell, since the pauses between words are part of speech.
 */
export const HOLD_MS = 350;
/**
 * Speech ends only this far below the threshold, so that a voice near the threshold does not
 * flicker.
 */
const HYSTERESIS_DB = 6;

export class VoiceActivity {
  #activeUntil = -Infinity;

  /**
   * @param {number} thresholdDb the level at which speech begins, in decibels relative to full
   *   scale (-100 to 0)
   */
  constructor(thresholdDb) {
    this.thresholdDb = thresholdDb;
  }

  /** Takes a level and the time of its measurement. Returns whether somebody speaks. */
  update(db, nowMs) {
    const speaking = nowMs < this.#activeUntil;
    const threshold = speaking ? this.thresholdDb - HYSTERESIS_DB : this.thresholdDb;
    if (db >= threshold) this.#activeUntil = nowMs + HOLD_MS;
    return nowMs < this.#activeUntil;
  }
}
