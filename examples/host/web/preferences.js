/** The user's preferences, remembered by this browser. */

import { browserStore } from './storage.js';

/** So many users are remembered at most. */
const MAX_USERS = 500;
const KEY = 'united-voice.preferences';
const DEFAULTS = {
  microphone: '',
  speaker: '',
  mode: 'activity',
  thresholdDb: -50,
  pushKey: 'KeyV',
  pushKeyName: 'V',
  noiseSuppression: true,
  /** Whether a sound tells that somebody joined or left. */
  sounds: true,
};

const stored = browserStore.get(KEY);
const { volumes: storedVolumes, silenced: storedSilenced, ...others } = stored !== null && typeof stored === 'object' ? stored : {};
/** Volumes from 0 to 2 by user id. A map: users choose ids, and objects know some words themselves. */
const volumes = new Map(Array.isArray(storedVolumes) ? storedVolumes : []);

/** The users whom this user does not want to hear. */
const silenced = new Set(Array.isArray(storedSilenced) ? storedSilenced : []);

export const preferences = { ...DEFAULTS, ...others };

export function setPreferences(changes) {
  Object.assign(preferences, changes);
  store();
}

/** The volume of a user, from 0 to 2. */
export function volumeOf(userId) {
  return volumes.get(userId) ?? 1;
}

export function setVolume(userId, volume) {
  // The newest come last, so that the oldest are forgotten first.
  volumes.delete(userId);
  volumes.set(userId, volume);
  forgetOldest(volumes);
  store();
}

/** Whether this user is not to be heard. */
export function isSilenced(userId) {
  return silenced.has(userId);
}

export function setSilenced(userId, isToBe) {
  silenced.delete(userId);
  if (isToBe) silenced.add(userId);
  forgetOldest(silenced);
  store();
}

function forgetOldest(users) {
  if (users.size > MAX_USERS) users.delete(users.keys().next().value);
}

function store() {
  browserStore.set(KEY, { ...preferences, volumes: [...volumes], silenced: [...silenced] });
}
