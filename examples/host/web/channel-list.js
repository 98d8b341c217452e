/** The server's list of channels, kept fresh. */

const INTERVAL_MS = 4_000;
const SOON_MS = 300;

/** Events: `change` after the list was fetched. */
export class ChannelList extends EventTarget {
  #api;
  #client;
  #channels = [];
  #soon = 0;

  /**
   * @param {import('./api.js').Api} api
   * @param {import('./united-voice-web/index.js').VoiceClient} client its channel's participants are known,
   *   so they are not fetched
   */
  constructor(api, client) {
    super();
    this.#api = api;
    this.#client = client;
  }

  /** The voice channels: `id name maxParticipants participants`. */
  get channels() { return this.#channels; }

  /** The name of a channel, or its id until the list has it. */
  nameOf(channelId) {
    return this.#channels.find(({ id }) => id === channelId)?.name ?? channelId;
  }

  /** Fetches the list now and from time to time. */
  start() {
    this.refresh();
    setInterval(() => this.refresh(), INTERVAL_MS);
    document.addEventListener('visibilitychange', () => { if (!document.hidden) this.refresh(); });
  }

  async refresh() {
    if (document.hidden && this.#channels.length > 0) return;
    try {
      this.#channels = await this.#api.channels(this.#client.channelId);
      this.dispatchEvent(new CustomEvent('change'));
    } catch {
      // The page shows the state of the connection, and the list is fetched again soon.
    }
  }

  /** Fetches the list once after a moment, for any number of calls until then. */
  refreshSoon() {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => this.refresh(), SOON_MS);
  }
}
