/** Draws a card for each participant of the channel. */

import { icon, make, paintAvatar, setFlag, setStatus, setText, syncList } from './dom.js';
import { connectionStatus, detailsText, isolated } from './messages.js';

/**
 * @param {HTMLElement} list
 * @param {object[]} people participants with `quality`, `details`, `volume` (0 to 2) and `silenced`;
 *   the user's own has `self`
 * @param {object} actions `setVolume(userId, volume)`, `setSilenced(userId, silenced)`
 */
export function showParticipants(list, people, actions) {
  list.dataset.count = String(people.length);
  syncList(list, people, {
    keyOf: ({ userId, self }) => (self ? 'self' : userId),
    create: (person) => (person.self ? createOwnCard() : createCard(person, actions)),
    update: updateCard,
  });
}

/** Shows on the user's own card how loud the microphone is. `share` is from 0 to 1. */
export function showOwnLevel(list, share) {
  list.querySelector('.level span')?.style.setProperty('--level', share.toFixed(2));
}

function createOwnCard() {
  const condition = make('span', { class: 'condition pill plain' });
  return make('li', { class: 'participant' }, ...head(), condition, make('span', { class: 'level', 'aria-hidden': 'true' }, make('span')));
}

function createCard({ userId, volume }, { setVolume, setSilenced }) {
  const details = make('span', { class: 'details', id: `details-${userId}`, hidden: true, dataset: { testid: `details-${userId}` } });
  const condition = make('button', {
    class: 'condition pill plain', type: 'button', 'aria-expanded': 'false', 'aria-controls': details.id,
    title: 'Details of the connection', dataset: { testid: `condition-${userId}` },
  });
  condition.addEventListener('click', () => {
    details.hidden = !details.hidden;
    condition.setAttribute('aria-expanded', String(!details.hidden));
  });
  const silence = make('button', { class: 'icon-button silence', type: 'button', dataset: { testid: `silence-${userId}` } });
  silence.addEventListener('click', () => setSilenced(userId, silence.getAttribute('aria-pressed') !== 'true'));
  const volumeRow = make('div', { class: 'volume' }, silence, ...volumeSlider(userId, volume, setVolume));
  return make('li', { class: 'participant' }, ...head(), condition, details, volumeRow);
}

function head() {
  return [
    make('span', { class: 'avatar', 'aria-hidden': 'true' }),
    make('span', { class: 'name', dir: 'auto' }),
    make('span', { class: 'flags' }),
  ];
}

function volumeSlider(userId, volume, onVolume) {
  const value = make('output');
  const slider = make('input', {
    type: 'range', min: '0', max: '200', step: '5', value: String(Math.round(volume * 100)),
    dataset: { testid: `volume-${userId}` },
  });
  const show = () => {
    setText(value, `${slider.value} %`);
    slider.setAttribute('aria-valuetext', value.textContent);
  };
  slider.addEventListener('input', () => {
    show();
    onVolume(userId, Number(slider.value) / 100);
  });
  slider.addEventListener('dblclick', () => {
    slider.value = '100';
    slider.dispatchEvent(new Event('input'));
  });
  show();
  return [slider, value];
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
  setFlag(flags, deafened ? 'deafened' : muted ? 'muted' : speaking ? 'speaking' : '');
  setStatus(condition, status);
  if (!self) updateOther(card, person);
}

function updateOther(card, { displayName, details, silenced }) {
  setText(card.querySelector('.details'), detailsText(details) || 'Not measured yet');
  const silence = card.querySelector('.silence');
  card.querySelector('.volume input').setAttribute('aria-label', `Volume of ${isolated(displayName)}`);
  silence.setAttribute('aria-label', `Mute ${isolated(displayName)} for me`);
  silence.title = 'Mute for me';
  if (silence.getAttribute('aria-pressed') === String(silenced)) return;
  silence.setAttribute('aria-pressed', String(silenced));
  silence.replaceChildren(icon(silenced ? 'speaker-off' : 'speaker'));
}
