/** Draws a card for each participant of the channel. */

import { icon, make, paintAvatar, setStatus, setText, syncList } from './dom.js';
import { connectionStatus } from './messages.js';

/**
 * @param {HTMLElement} list
 * @param {object[]} people participants with `quality` and `volume` (0 to 2); the user's own has
 *   `self`
 * @param {(userId: string, volume: number) => void} onVolume
 */
export function showParticipants(list, people, onVolume) {
  list.dataset.count = String(people.length);
  syncList(list, people, {
    keyOf: ({ userId, self }) => (self ? 'self' : userId),
    create: (person) => createCard(person, onVolume),
    update: updateCard,
  });
}

/** Shows on the user's own card how loud the microphone is. `share` is from 0 to 1. */
export function showOwnLevel(list, share) {
  list.querySelector('.level span')?.style.setProperty('--level', share.toFixed(2));
}

function createCard({ userId, self, volume }, onVolume) {
  const card = make('li', { class: 'participant' },
    make('span', { class: 'avatar', 'aria-hidden': 'true' }),
    make('span', { class: 'name' }),
    make('span', { class: 'flags' }),
    make('span', { class: 'condition pill plain' }));
  card.append(self ? make('span', { class: 'level', 'aria-hidden': 'true' }, make('span')) : volumeSlider(userId, volume, onVolume));
  return card;
}

function volumeSlider(userId, volume, onVolume) {
  const value = make('output');
  const slider = make('input', {
    type: 'range', min: '0', max: '200', step: '5', value: String(Math.round(volume * 100)),
    dataset: { testid: `volume-${userId}` },
  });
  const show = () => setText(value, `${slider.value} %`);
  slider.addEventListener('input', () => {
    show();
    onVolume(userId, Number(slider.value) / 100);
  });
  slider.addEventListener('dblclick', () => {
    slider.value = '100';
    slider.dispatchEvent(new Event('input'));
  });
  show();
  return make('label', { class: 'volume' }, icon('speaker'), slider, value);
}

function updateCard(card, person) {
  const { userId, displayName, self, muted, deafened, speaking, connection, quality } = person;
  const status = self ? { words: 'You', tone: 'idle' } : connectionStatus(connection, quality);
  Object.assign(card.dataset, {
    testid: `participant-${userId}`,
    userId,
    displayName,
    self: String(Boolean(self)),
    speaking: String(speaking),
    muted: String(muted),
    deafened: String(deafened),
    state: connection,
  });
  const [avatar, name, flags, condition] = card.children;
  paintAvatar(avatar, displayName);
  setText(name, displayName);
  name.title = displayName;
  setFlags(flags, { muted, deafened, speaking });
  setStatus(condition, status);
  card.querySelector('.volume input')?.setAttribute('aria-label', `Volume of ${displayName}`);
}

function setFlags(flags, { muted, deafened, speaking }) {
  const wanted = deafened ? 'deafened' : muted ? 'muted' : speaking ? 'speaking' : '';
  if (flags.dataset.flag === wanted) return;
  flags.dataset.flag = wanted;
  const icons = { deafened: ['sound-off', 'deafened'], muted: ['mic-off', 'muted'], speaking: ['mic', 'speaking'] };
  flags.replaceChildren();
  if (!wanted) return;
  const [symbol, words] = icons[wanted];
  flags.append(icon(symbol), make('span', { class: 'visually-hidden' }, words));
}
