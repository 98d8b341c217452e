/** The buttons below the call, and the button that copies an invitation. */

import { byId, icon, make, setText } from './dom.js';
import { preferences } from './preferences.js';

const INVITE = 'Copy link to this channel';

/**
 * @param {import('./united-voice-web/index.js').VoiceClient} client
 * @param {object} actions `toggleMute()`, `toggleDeafened()`
 */
export function setUpControls(client, { toggleMute, toggleDeafened }) {
  byId('mute').addEventListener('click', toggleMute);
  byId('deafen').addEventListener('click', toggleDeafened);
  byId('invite').addEventListener('click', () => copyInvite(client.channelId));
  byId('leave').addEventListener('click', () => {
    client.leave();
    byId('channels').querySelector('button')?.focus(); // the button that had the focus is hidden now
  });
  setFace(byId('settings-open'), 'gear', 'Audio');
  setFace(byId('leave'), 'leave', 'Leave');
}

/** @param {{ inCall: boolean, muted: boolean, deafened: boolean }} state */
export function showControls({ inCall, muted, deafened }) {
  byId('controls').hidden = !inCall;
  byId('talk').hidden = preferences.mode !== 'push';
  showToggle('mute', muted, muted ? ['mic-off', 'Unmute'] : ['mic', 'Mute']);
  showToggle('deafen', deafened, deafened ? ['sound-off', 'Undeafen'] : ['sound', 'Deafen']);
  const touch = matchMedia('(pointer: coarse)').matches;
  setText(byId('talk'), touch ? 'Hold to talk' : `Hold ${preferences.pushKeyName} to talk`);
}

function showToggle(id, pressed, [symbol, label]) {
  const button = byId(id);
  button.setAttribute('aria-pressed', String(pressed));
  setFace(button, symbol, label);
}

/** Symbol and label of a button. They are changed only if the symbol is another. */
function setFace(button, symbol, label) {
  if (button.dataset.symbol === symbol) return;
  button.dataset.symbol = symbol;
  button.replaceChildren(icon(symbol), make('span', {}, label));
}

async function copyInvite(channelId) {
  const invite = new URL(`?channel=${encodeURIComponent(channelId)}`, location.href).href;
  const copied = await navigator.clipboard?.writeText(invite).then(() => true, () => false);
  // Browsers keep the clipboard from pages they don't trust. Then the user can at least read the
  // link.
  setText(byId('invite'), copied ? 'Link copied' : invite);
  setTimeout(() => setText(byId('invite'), INVITE), copied ? 2_000 : 30_000);
}
