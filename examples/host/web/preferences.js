/** The user's preferences, remembered by this browser. */

import { readJson } from './api.js';

const KEY = 'united-voice.preferences';
const DEFAULTS = {
  microphone: '',
  speaker: '',
  mode: 'activity',
  thresholdDb: -50,
  pushKey: 'KeyV',
  pushKeyName: 'V',
  /** Volumes from 0 to 2 by user id. */
  volumes: {},
};

const stored = readJson(localStorage, KEY);
export const preferences = { ...DEFAULTS, ...(typeof stored === 'object' ? stored : {}) };

export function setPreferences(changes) {
  Object.assign(preferences, changes);
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences));
  } catch {
    // The storage is full or forbidden. Then the preferences last as long as the page.
  }
}
