/** The page: signs in, by the form or by the address, and then shows the call. */

import { Api } from './api.js';
import { CallPage } from './call-page.js';
import { byId, setText } from './dom.js';
import { invitationText } from './messages.js';
import { beginning, lastSession } from './session.js';

const link = new URLSearchParams(location.search);

function welcome(problem = '') {
  byId('app').hidden = true;
  byId('welcome').hidden = false;
  byId('sign-in-problem').hidden = !problem;
  setText(byId('sign-in-problem'), problem);
  const invitation = invitationText(link.get('channel'));
  byId('invitation').hidden = !invitation;
  setText(byId('invitation'), invitation);
  byId('sign-in-name').focus();
}

async function signIn({ name, channelId, muted, deafened }) {
  const api = new Api(name);
  try {
    await api.token();
  } catch (error) {
    welcome(error.status ? error.message : 'The server cannot be reached. Try again shortly.');
    return;
  }
  byId('welcome').hidden = true;
  byId('app').hidden = false;
  new CallPage(api, name, { relayOnly: link.get('relay') === '1', muted, deafened }).start(channelId);
}

byId('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('sign-in-name').value.trim();
  if (!name) return;
  // The form is gone, so the focus goes to the heading of what takes its place.
  signIn({ name, channelId: link.get('channel'), muted: false, deafened: false }).then(() => byId('channel-title').focus());
});

// A tab that is restored or that comes back by the history is like one that is reloaded.
const isReload = performance.getEntriesByType('navigation')[0]?.type !== 'navigate';
const begin = beginning(link, lastSession(), isReload);
if (begin) signIn(begin);
else welcome();
