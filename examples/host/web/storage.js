/** What the browser remembers for the page. */

/**
 * The browser's storage may be full or forbidden. Then what is stored lasts as long as the page.
 */
class Store {
  #area;
  #written = new Map();

  /** @param {() => Storage} area may throw: a browser that forbids storage refuses access to it */
  constructor(area) {
    this.#area = area;
  }

  /** What was stored under this key; `null` if nothing was. */
  get(key) {
    if (this.#written.has(key)) return this.#written.get(key);
    try {
      return JSON.parse(this.#area().getItem(key));
    } catch {
      return null;
    }
  }

  /** Stores anything that JSON can express; `null` removes it. */
  set(key, value) {
    this.#written.set(key, value);
    try {
      if (value === null) this.#area().removeItem(key);
      else this.#area().setItem(key, JSON.stringify(value));
    } catch {
      // It is in `#written`.
    }
  }
}

/** For all tabs, and for later visits. */
export const browserStore = new Store(() => globalThis.localStorage);
/** For this tab and its reloads. */
export const tabStore = new Store(() => globalThis.sessionStorage);
