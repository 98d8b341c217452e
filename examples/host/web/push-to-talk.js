/** Push-to-talk: the user holds a key, or a button on a touch screen, to talk. */

import { isTyping } from './dom.js';
import { preferences } from './preferences.js';

const PRESSES_BUTTONS = ['Enter', ' '];

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
    if (!concerns(event) || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    event.preventDefault(); // a held space bar would scroll the page or press the focused button
    if (!event.repeat) set(true);
  });
  // While Cmd is held, macOS reports no release of another key.
  addEventListener('keyup', (event) => {
    if (concerns(event) || event.key === 'Meta') set(false);
  });
  // Without the focus no release is reported, and the user must not be heard by accident. A screen
  // that is locked hides the page.
  addEventListener('blur', () => set(false));
  document.addEventListener('visibilitychange', () => { if (document.hidden) set(false); });
  button.addEventListener('pointerdown', (event) => {
    button.setPointerCapture(event.pointerId);
    set(true);
  });
  button.addEventListener('keydown', (event) => {
    if (!PRESSES_BUTTONS.includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    set(true);
  });
  button.addEventListener('keyup', (event) => { if (PRESSES_BUTTONS.includes(event.key)) set(false); });
  button.addEventListener('blur', () => set(false));
  for (const type of ['pointerup', 'pointercancel', 'lostpointercapture']) button.addEventListener(type, () => set(false));
  button.addEventListener('contextmenu', (event) => event.preventDefault());
}
