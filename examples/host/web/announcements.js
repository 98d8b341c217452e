/** Tells by words and by a sound who came and went. */

import { byId, setText } from './dom.js';
import { comingAndGoing } from './messages.js';
import { preferences } from './preferences.js';
import { playSound } from './sounds.js';

/** Several people that come at once, as after a restart of the server, are one announcement. */
const COLLECT_MS = 700;

export class Announcements {
  #context;
  #joined = [];
  #left = [];
  #timer = 0;

  /**
   * @param {import('./united-voice-web/index.js').VoiceClient} client
   * @param {AudioContext | null} context
   */
  constructor(client, context) {
    this.#context = context;
    client.addEventListener('participantjoined', ({ detail }) => this.#add(this.#joined, detail.participant));
    client.addEventListener('participantleft', ({ detail }) => this.#add(this.#left, detail.participant));
    client.addEventListener('channel', () => this.#forget());
  }

  #add(names, { displayName }) {
    names.push(displayName);
    this.#timer ||= setTimeout(() => this.#announce(), COLLECT_MS);
  }

  #announce() {
    const [joined, left] = [this.#joined, this.#left];
    this.#forget();
    // Who was away for less than a moment has neither come nor gone.
    const came = joined.filter((name) => !left.includes(name));
    const went = left.filter((name) => !joined.includes(name));
    const text = comingAndGoing({ joined: came, left: went });
    if (!text) return;
    setText(byId('announcements'), text);
    if (preferences.sounds) playSound(this.#context, came.length > 0 ? 'joined' : 'left');
  }

  #forget() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#joined = [];
    this.#left = [];
  }
}
