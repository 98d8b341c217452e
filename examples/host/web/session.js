/** The user of this tab: keys, and where and how the user was in a call. */

import { tabStore } from './storage.js';

const IDENTITIES = 'united-voice.identities';
const LAST = 'united-voice.last';

/**
 * The keys of a name, remembered by this tab: a reload is the same user again. Another tab is
 * another user, even under the same name. So the keys are not in a storage that all tabs share.
 *
 * @returns {{ loginKey: string, pubkey: string }} `loginKey` is secret, and who has it is this
 *   user. Everybody in a call sees `pubkey`
 */
export function identityFor(name, store = tabStore) {
  const stored = store.get(IDENTITIES);
  // Entries instead of an object: a name may be a word that objects know, such as `__proto__`.
  const identities = new Map(Array.isArray(stored) ? stored : []);
  if (!identities.has(name)) {
    identities.set(name, { loginKey: randomText(32), pubkey: randomText(24) });
    store.set(IDENTITIES, [...identities]);
  }
  return identities.get(name);
}

function randomText(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return btoa(String.fromCharCode(...random)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/**
 * The last state of the user in this tab, so that a reload goes on there: `{ name, channelId,
 * muted, deafened }`; `null` if nobody is signed in.
 */
export function lastSession() {
  return tabStore.get(LAST);
}

export function rememberSession(session) {
  tabStore.set(LAST, session);
}

/**
 * How the page begins: `{ name, channelId, muted, deafened }`; `null` shows the sign-in form.
 *
 * @param {URLSearchParams} link the page's address
 * @param {object | null} last what {@link lastSession} returned
 * @param {boolean} isReload a reload repeats the address, but is no new invitation: the user stays
 *   where the user was last, or out of every channel
 */
export function beginning(link, last, isReload) {
  const name = link.get('name')?.trim() || last?.name;
  if (!name) return null;
  if (last?.name !== name) return { name, channelId: link.get('channel'), muted: false, deafened: false };
  const channelId = isReload ? last.channelId : link.get('channel') ?? last.channelId;
  return { name, channelId, muted: Boolean(last.muted), deafened: Boolean(last.deafened) };
}

/**
 * The address that shows where the user is: with the channel, without the name. Other parameters
 * stay.
 */
export function addressOf(href, channelId) {
  const address = new URL(href);
  address.searchParams.delete('name');
  if (channelId === null) address.searchParams.delete('channel');
  else address.searchParams.set('channel', channelId);
  return address.href;
}
