/** The user's preferences, remembered by this browser. */

import { browserStore } from './storage.js';

/** Each volume is a person whom the user met once. */
const MAX_VOLUMES = 500;
const KEY = 'united-voice.preferences';
const DEFAULTS = {
  microphone: '',
  speaker: '',
  mode: 'activity',
  thresholdDb: -50,
  pushKey: 'KeyV',
  pushKeyName: 'V',
};

const stored = browserStore.get(KEY);
const { volumes: storedVolumes, ...others } = stored !== null && typeof stored === 'object' ? stored : {};
/** Volumes from 0 to 2 by user id. A map: users choose ids, and objects know some words themselves. */
const volumes = new Map(Array.isArray(storedVolumes) ? storedVolumes : []);

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
  if (volumes.size > MAX_VOLUMES) volumes.delete(volumes.keys().next().value);
  store();
}

function store() {
  browserStore.set(KEY, { ...preferences, volumes: [...volumes] });
}
