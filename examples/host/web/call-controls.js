/** The buttons below the call, and the button that copies an invitation. */

import { byId, icon, isTyping, make, setText } from './dom.js';
import { isolated } from './messages.js';
import { preferences } from './preferences.js';

const COPY = 'Copy link';
const MUTE_KEY = 'KeyM';

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
  addEventListener('keydown', (event) => {
    const isCommand = event.code === MUTE_KEY && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey;
    const isTaken = preferences.mode === 'push' && preferences.pushKey === MUTE_KEY;
    if (isCommand && !isTaken && !isTyping(event) && client.channelId !== null) toggleMute();
  });
  setFace(byId('leave'), 'leave', 'Leave');
  byId('settings-open').append(icon('gear'));
  byId('invite').append(icon('link'), make('span', {}, COPY));
}

/** @param {{ inCall: boolean, channelName: string, muted: boolean, deafened: boolean }} state */
export function showControls({ inCall, channelName, muted, deafened }) {
  byId('controls').hidden = !inCall;
  byId('talk').hidden = preferences.mode !== 'push';
  showToggle('mute', muted, muted ? 'mic-off' : 'mic', 'Mute');
  showToggle('deafen', deafened, deafened ? 'sound-off' : 'sound', 'Deafen');
  const touch = matchMedia('(pointer: coarse)').matches;
  setText(byId('talk'), touch ? 'Hold to talk' : `Hold ${preferences.pushKeyName} to talk`);
  byId('invite').title = inCall ? `Copy a link to ${isolated(channelName)}` : 'Copy a link to this page';
}

/** The label stays, since `aria-pressed` says the rest: "Mute, pressed". */
function showToggle(id, pressed, symbol, label) {
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
  const query = channelId === null ? '' : `?channel=${encodeURIComponent(channelId)}`;
  const invite = new URL(location.pathname + query, location.href).href;
  const copied = await navigator.clipboard?.writeText(invite).then(() => true, () => false);
  // Browsers keep the clipboard from pages they don't trust. Then the user can at least read the
  // link.
  const label = byId('invite').lastElementChild;
  setText(label, copied ? 'Link copied' : invite);
  setTimeout(() => setText(label, COPY), copied ? 2_000 : 30_000);
}
