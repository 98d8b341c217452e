/** The page: signs in, by the form or by the address, and then shows the call. */

import { Api, lastSession } from './api.js';
import { CallPage } from './call-page.js';
import { byId, setText } from './dom.js';

const link = new URLSearchParams(location.search);

function welcome(problem = '') {
  byId('app').hidden = true;
  byId('welcome').hidden = false;
  byId('sign-in-problem').hidden = !problem;
  setText(byId('sign-in-problem'), problem);
  byId('sign-in-name').focus();
}

async function signIn(name, channelId) {
  const api = new Api(name);
  try {
    await api.token();
  } catch (error) {
    welcome(error.status ? error.message : 'The server cannot be reached. Try again shortly.');
    return;
  }
  byId('welcome').hidden = true;
  byId('app').hidden = false;
  new CallPage(api, name, { relayOnly: link.get('relay') === '1' }).start(channelId);
}

byId('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('sign-in-name').value.trim();
  if (name) signIn(name, link.get('channel'));
});

// The address decides about the name and the channel. Without it, a reload goes on as before.
const last = lastSession();
const linkedName = link.get('name')?.trim();
if (linkedName) signIn(linkedName, link.get('channel') ?? (last?.name === linkedName ? last.channelId : null));
else if (last) signIn(last.name, link.get('channel') ?? last.channelId);
else welcome();
