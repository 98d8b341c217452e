/** Notices above the participants. */

import { byId, icon, make } from './dom.js';

/**
 * Shows a text in one of the places for notices. The same text again changes nothing, so that
 * screen readers do not read it out twice.
 *
 * @param {{ label?: string, run?: () => void, dismiss?: boolean }} [action] a button that runs
 *   something, or one that hides the notice
 */
export function showNotice(id, text, action = {}) {
  const notice = byId(id);
  if (!notice.hidden && notice.firstElementChild?.textContent === text) return;
  delete notice.dataset.code;
  notice.replaceChildren(make('span', {}, text));
  if (action.label) {
    const button = make('button', { class: 'button', type: 'button' }, action.label);
    button.addEventListener('click', action.run);
    notice.append(button);
  }
  if (action.dismiss) {
    const button = make('button', { class: 'icon-button', type: 'button', 'aria-label': 'Dismiss' }, icon('close'));
    button.addEventListener('click', () => hideNotice(id));
    notice.append(button);
  }
  notice.hidden = false;
}

export function hideNotice(id) {
  const notice = byId(id);
  if (notice.hidden) return;
  notice.hidden = true;
  notice.replaceChildren();
  delete notice.dataset.code;
}
