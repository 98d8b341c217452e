/**
 * What happens to the page as a whole: it is shown, goes online, is frozen and goes on.
 *
 * A socket may have died without a word during any of that. And a browser that freezes a page stops
 * its code, but goes on answering the server's pings for it. So a frozen page would stay in the
 * channel, deaf and mute. It therefore disconnects when it is frozen, and comes back when it goes
 * on.
 */
export class PageEvents {
  #document;
  #window;
  #hooks;
  #listening = null;

  /**
   * @param {{ document?: EventTarget, window?: EventTarget }} page
   * @param {{ back: () => void, frozen: () => void }} hooks `back`: a connection may have died
   *   meanwhile. `frozen`: the page's code will not run until `back`
   */
  constructor({ document, window }, hooks) {
    this.#document = document;
    this.#window = window;
    this.#hooks = hooks;
  }

  start() {
    if (this.#listening) return;
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const listen = (target, type, listener) => target?.addEventListener(type, listener, { signal });
    const { back, frozen } = this.#hooks;
    listen(this.#document, 'visibilitychange', () => { if (this.#document.visibilityState === 'visible') back(); });
    listen(this.#document, 'freeze', frozen);
    listen(this.#document, 'resume', back);
    listen(this.#window, 'online', back);
    listen(this.#window, 'pageshow', back);
  }

  stop() {
    this.#listening?.abort();
    this.#listening = null;
  }
}
