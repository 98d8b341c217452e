/** Push-to-talk: the user holds a key, or a button on a touch screen, to talk. */

import { preferences } from './preferences.js';

const TYPED_INTO = 'input:not([type=range]):not([type=radio]), select, textarea, [contenteditable]';

/**
 * @param {HTMLElement} button can be held instead of the key
 * @param {(pressed: boolean) => void} onChange
 */
export function setUpPushToTalk(button, onChange) {
  const set = (pressed) => {
    button.dataset.pressed = String(pressed);
    onChange(pressed);
  };
  const concerns = (event) => preferences.mode === 'push' && event.code === preferences.pushKey;
  addEventListener('keydown', (event) => {
    if (!concerns(event) || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(TYPED_INTO)) return;
    event.preventDefault(); // a held space bar would scroll the page or press the focused button
    if (!event.repeat) set(true);
  });
  addEventListener('keyup', (event) => {
    if (concerns(event)) set(false);
  });
  // Without the focus no keyup comes, and the user must not be heard by accident.
  addEventListener('blur', () => set(false));
  button.addEventListener('pointerdown', (event) => {
    button.setPointerCapture(event.pointerId);
    set(true);
  });
  for (const type of ['pointerup', 'pointercancel', 'lostpointercapture']) button.addEventListener(type, () => set(false));
  button.addEventListener('contextmenu', (event) => event.preventDefault());
}
