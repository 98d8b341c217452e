/** What this browser remembers about how one likes to talk. */

import { readJson } from './api.js';

const KEY = 'united-voice.preferences';
const DEFAULTS = {
  microphone: '',
  speaker: '',
  mode: 'activity',
  thresholdDb: -50,
  pushKey: 'KeyV',
  pushKeyName: 'V',
  /** By user id, 0 to 2. */
  volumes: {},
};

const stored = readJson(localStorage, KEY);
export const preferences = { ...DEFAULTS, ...(typeof stored === 'object' ? stored : {}) };

export function setPreferences(changes) {
  Object.assign(preferences, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // Full or forbidden: then they last as long as the page.
  }
}
