/** Draws the list of voice channels with the participants of each. */

import { icon, make, paintAvatar, setFlag, setText, syncList } from './dom.js';

/**
 * @param {HTMLElement} list
 * @param {object[]} channels `id name maxParticipants participants current`; `current` is the
 *   user's own channel
 * @param {(channelId: string) => void} onPick
 */
export function showChannels(list, channels, onPick) {
  syncList(list, channels, {
    keyOf: ({ id }) => id,
    create: (channel) => createChannel(channel, onPick),
    update: updateChannel,
  });
}

function createChannel({ id }, onPick) {
  const button = make('button', { class: 'channel', type: 'button', dataset: { testid: `channel-${id}` } },
    icon('speaker'), make('span', { class: 'channel-name', dir: 'auto' }), make('span', { class: 'count' }));
  button.addEventListener('click', () => onPick(id));
  return make('li', {}, button, make('ul', { class: 'members', dataset: { testid: `members-${id}` } }));
}

function updateChannel(item, { name, maxParticipants, participants, current }) {
  const [button, members] = item.children;
  const [, label, count] = button.children;
  setText(label, name);
  const limit = maxParticipants ? ` / ${maxParticipants}` : '';
  setText(count, participants.length || limit ? `${participants.length}${limit}` : '');
  if (current) button.setAttribute('aria-current', 'true');
  else button.removeAttribute('aria-current');
  members.setAttribute('aria-label', `In ${name}`);
  members.hidden = participants.length === 0;
  syncList(members, participants, { keyOf: ({ userId }) => userId, create: createMember, update: updateMember });
}

function createMember() {
  return make('li', { class: 'member' }, make('span', { class: 'avatar tiny', 'aria-hidden': 'true' }), make('span', { class: 'name', dir: 'auto' }), make('span', { class: 'flag' }));
}

function updateMember(item, { displayName, muted, deafened, speaking = false }) {
  const [avatar, name, flag] = item.children;
  paintAvatar(avatar, displayName);
  setText(name, displayName);
  item.dataset.speaking = String(speaking);
  setFlag(flag, deafened ? 'deafened' : muted ? 'muted' : '');
}
