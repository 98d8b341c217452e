/** Tells by words and by a sound who came and went. */

import { byId, setText } from './dom.js';
import { comingAndGoing } from './messages.js';
import { preferences } from './preferences.js';
import { playSound } from './sounds.js';

/** Several people that come at once, as after a restart of the server, are one announcement. */
const COLLECT_MS = 700;

export class Announcements {
  #context;
  /** What each user did since the last announcement: `what`, `joined` or `left`, and `name`. */
  #changes = new Map();
  #timer = 0;

  /**
   * @param {import('./united-voice-web/index.js').VoiceClient} client
   * @param {AudioContext | null} context
   */
  constructor(client, context) {
    this.#context = context;
    client.addEventListener('participantjoined', ({ detail }) => this.#add('joined', detail.participant));
    client.addEventListener('participantleft', ({ detail }) => this.#add('left', detail.participant));
    client.addEventListener('channel', () => this.#forget());
  }

  #add(what, { userId, displayName }) {
    const before = this.#changes.get(userId);
    // Who was away for less than a moment has neither come nor gone.
    if (before && before.what !== what) this.#changes.delete(userId);
    else this.#changes.set(userId, { what, name: displayName });
    this.#timer ||= setTimeout(() => this.#announce(), COLLECT_MS);
  }

  #announce() {
    const changes = [...this.#changes.values()];
    this.#forget();
    const names = (of) => changes.filter(({ what }) => what === of).map(({ name }) => name);
    const joined = names('joined');
    const text = comingAndGoing({ joined, left: names('left') });
    if (!text) return;
    setText(byId('announcements'), text);
    if (preferences.sounds) playSound(this.#context, joined.length > 0 ? 'joined' : 'left');
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#changes.clear();
  }
}
