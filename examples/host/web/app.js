/** The page: signs in, and puts the voice client, the microphone and the loudspeaker together. */

import { Api, lastSession, rememberSession } from './api.js';
import { AudioOutput } from './audio-output.js';
import { CallMonitor } from './call-monitor.js';
import { showChannels } from './channels-view.js';
import { byId, icon, paintAvatar, setStatus, setText } from './dom.js';
import { connectionStatus, errorText, iceErrorText, leftText, microphoneText, signalingStatus } from './messages.js';
import { Microphone } from './microphone.js';
import { hideNotice, showNotice } from './notices.js';
import { showOwnLevel, showParticipants } from './participants-view.js';
import { preferences, setPreferences } from './preferences.js';
import { setUpPushToTalk } from './push-to-talk.js';
import { meterShare, setUpSettings } from './settings-dialog.js';
import { VoiceClient } from './voice-client.js';

const CHANNELS_INTERVAL_MS = 4_000;
const CHANNELS_SOON_MS = 300;
/** With more people than this in a channel, the server warns whoever joins. */
const SOFT_CAP = 8;

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
  startCall(api, name, channelId);
}

byId('sign-in-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = byId('sign-in-name').value.trim();
  if (name) signIn(name, link.get('channel'));
});

const last = lastSession();
const linkedName = link.get('name')?.trim();
if (linkedName) signIn(linkedName, link.get('channel') ?? (last?.name === linkedName ? last.channelId : null));
else if (last) signIn(last.name, link.get('channel') ?? last.channelId);
else welcome();

/** Everything after signing in. Signing out reloads the page, so that nothing of it stays behind. */
function startCall(api, name, firstChannel) {
  const relayOnly = link.get('relay') === '1';
  const context = new AudioContext({ latencyHint: 'interactive' });
  const microphone = new Microphone(context);
  const output = new AudioOutput(context);
  const client = new VoiceClient({
    url: new URL('/ws', location.href).href.replace(/^http/, 'ws'),
    token: ({ renew }) => api.token({ renew }),
    relayOnly,
  });
  const monitor = new CallMonitor(client, () => render());
  let channels = [];
  let speaking = false;
  let wantsMute = false;
  let wantsCall = false;
  let ending = false;
  let status = { state: 'idle' };
  let frame = 0;
  let soon = 0;

  // --- what is shown ----------------------------------------------------------------------------------------------

  /** Once a frame is enough, however many events come. */
  function render() {
    frame ||= requestAnimationFrame(draw);
    // Frames stop in a hidden tab, where people may still look at the title, and tests at the page.
    if (document.hidden) draw();
  }

  function draw() {
    cancelAnimationFrame(frame);
    frame = 0;
    const people = client.channelId === null ? [] : [self(), ...client.participants.map(withExtras)];
    showParticipants(byId('participants'), people, setVolume);
    showChannels(byId('channels'), channels.map((channel) => withRoster(channel, people)), join);
    drawHead(people);
    drawControls();
  }

  function self() {
    const { muted, deafened } = client;
    return { userId: client.userId, displayName: name, self: true, muted: muted || !microphone.present, deafened, speaking, connection: 'connected' };
  }

  function withExtras(participant) {
    return { ...participant, quality: monitor.qualityOf(participant.userId), volume: preferences.volumes[participant.userId] ?? 1 };
  }

  function withRoster(channel, people) {
    const current = channel.id === client.channelId;
    return { ...channel, current, participants: current ? people : channel.participants.filter(({ userId }) => userId !== client.userId) };
  }

  function drawHead(people) {
    const channel = channels.find(({ id }) => id === client.channelId);
    const inCall = client.channelId !== null;
    setText(byId('channel-title'), inCall ? channel?.name ?? client.channelId : 'Not in a channel');
    document.title = inCall ? `${channel?.name ?? client.channelId} · United Voice` : 'United Voice';
    byId('app').dataset.inCall = String(inCall);
    byId('participants').hidden = !inCall;
    byId('empty').hidden = people.length > 1;
    byId('invite').hidden = !inCall;
    setText(byId('empty-words'), inCall ? 'Nobody else is here yet.' : 'Pick a voice channel to talk.');
    byId('call-status').hidden = people.length < 2;
    setStatus(byId('call-status'), connectionStatus(...monitor.worst()));
    setStatus(byId('status'), signalingStatus(status.state, status));
    byId('status').dataset.state = status.state;
    byId('status').dataset.channel = client.channelId ?? '';
    drawInfo(people.length);
  }

  function drawInfo(count) {
    const names = client.lingering.map(({ displayName }) => displayName).join(', ');
    if (client.channelId !== null && client.state !== 'online') {
      showNotice('notice-info', 'The server cannot be reached. The call goes on; who comes and goes is shown when it is back.');
    } else if (names) {
      showNotice('notice-info', `${names}: no connection to the server. You may hear each other until they are back or gone.`);
    } else if (withoutRelay()) showNotice('notice-info', 'This page was opened for relays only, but the server offers none. Nobody can be heard.');
    else if (monitor.crowded || count > SOFT_CAP) showNotice('notice-info', 'More than eight people are here. Everyone sends to everyone, so quality may drop.');
    else hideNotice('notice-info');
  }

  function withoutRelay() {
    return relayOnly && client.channelId !== null && !client.iceServerUrls.some((url) => url.startsWith('turn'));
  }

  function drawControls() {
    const inCall = client.channelId !== null;
    byId('controls').hidden = !inCall;
    byId('talk').hidden = preferences.mode !== 'push';
    const muted = client.muted || client.deafened || !microphone.present;
    drawControl('mute', muted, muted ? 'mic-off' : 'mic', muted ? 'Unmute' : 'Mute');
    drawControl('deafen', client.deafened, client.deafened ? 'sound-off' : 'sound', client.deafened ? 'Undeafen' : 'Deafen');
    setText(byId('talk'), matchMedia('(pointer: coarse)').matches ? 'Hold to talk' : `Hold ${preferences.pushKeyName} to talk`);
    if (inCall && output.blocked) showNotice('notice-listen', 'The browser holds the sound back until you click.', { label: 'Click to hear', run: resume });
    else hideNotice('notice-listen');
  }

  function drawControl(id, pressed, symbol, label) {
    const button = byId(id);
    button.setAttribute('aria-pressed', String(pressed));
    if (button.dataset.symbol === symbol) return;
    button.dataset.symbol = symbol;
    const words = document.createElement('span');
    words.textContent = label;
    button.replaceChildren(icon(symbol), words);
  }

  function showError(error) {
    if (error.code === 'SUPERSEDED') return;
    showNotice('error', errorText(error), { dismiss: true });
    byId('error').dataset.code = error.code;
  }

  async function refreshChannels() {
    if (document.hidden && channels.length > 0) return;
    try {
      channels = await api.channels(client.channelId);
      render();
    } catch {
      // The state of the connection is shown; the list is fetched again soon.
    }
  }

  /** Who comes or goes often does so from or to another channel of the list. */
  function refreshSoon() {
    clearTimeout(soon);
    soon = setTimeout(refreshChannels, CHANNELS_SOON_MS);
  }

  // --- what one can do --------------------------------------------------------------------------------------------

  async function join(channelId) {
    context.resume().catch(() => {});
    if (channelId === client.channelId && client.state === 'online') return;
    hideNotice('error');
    wantsCall = true;
    if (!microphone.present) startMicrophone(preferences.microphone);
    try {
      await client.join(channelId);
    } catch (error) {
      error.channelId ||= channelId;
      showError(error);
      refreshSoon();
      if (client.channelId === null && error.code !== 'SUPERSEDED') endCall();
    }
  }

  async function startMicrophone(deviceId) {
    try {
      await microphone.start(deviceId);
      hideNotice('notice-microphone');
    } catch (error) {
      const again = { label: 'Try again', run: () => startMicrophone(preferences.microphone) };
      showNotice('notice-microphone', microphoneText(error), again);
    }
    if (!wantsCall) microphone.stop(); // one may leave before answering the browser's question
    syncMute();
  }

  /** Lets go of the microphone, so that the browser's sign for it goes out. */
  function endCall() {
    wantsCall = false;
    microphone.stop();
    hideNotice('notice-microphone');
  }

  /** Who has no microphone is muted in the eyes of the others. */
  function syncMute() {
    client.setMuted(wantsMute || !microphone.present);
    microphone.muted = wantsMute || client.deafened;
    render();
  }

  async function toggleMute() {
    context.resume().catch(() => {});
    if (!microphone.present) {
      wantsMute = false;
      await startMicrophone(preferences.microphone);
      return;
    }
    // Deafened means muted as well, so from there the button leads back to talking.
    wantsMute = !(wantsMute || client.deafened);
    if (client.deafened) setDeafened(false);
    else syncMute();
  }

  function setDeafened(deafened) {
    client.setDeafened(deafened);
    output.deafened = deafened;
    syncMute();
  }

  function setVolume(userId, volume) {
    output.setVolume(userId, volume);
    setPreferences({ volumes: { ...preferences.volumes, [userId]: volume } });
  }

  async function copyInvite() {
    const invite = new URL(`/?channel=${encodeURIComponent(client.channelId)}`, location.href).href;
    const copied = await navigator.clipboard?.writeText(invite).then(() => true, () => false);
    // Browsers keep the clipboard from pages they don't trust; then the link can at least be read.
    setText(byId('invite'), copied ? 'Link copied' : invite);
    setTimeout(() => setText(byId('invite'), 'Copy link to this channel'), copied ? 2_000 : 30_000);
  }

  async function resume() {
    await output.resume();
    render();
  }

  // --- what happens -----------------------------------------------------------------------------------------------

  client.addEventListener('state', ({ detail }) => {
    status = { ...detail, wasOnline: status.wasOnline || detail.state === 'online' };
    if (detail.state === 'online') refreshChannels();
    render();
  });
  client.addEventListener('roster', render);
  for (const type of ['participantjoined', 'participantleft']) client.addEventListener(type, refreshSoon);
  client.addEventListener('channel', ({ detail }) => {
    if (ending) return;
    rememberSession({ name, channelId: detail.channelId });
    hideNotice('error');
    const why = leftText(detail.reason);
    if (why) showNotice('error', why, { dismiss: true });
    if (detail.channelId === null) endCall();
    refreshChannels();
    render();
  });
  client.addEventListener('track', ({ detail }) => {
    output.play(detail.userId, detail.track);
    output.setVolume(detail.userId, preferences.volumes[detail.userId] ?? 1);
  });
  client.addEventListener('trackended', ({ detail }) => output.stop(detail.userId));
  client.addEventListener('error', ({ detail }) => showError(detail.error));
  client.addEventListener('iceerror', ({ detail }) => {
    const text = iceErrorText(detail, { relayOnly });
    if (text) showNotice('error', text, { dismiss: true });
  });
  microphone.addEventListener('track', ({ detail }) => client.setTrack(detail.track));
  microphone.addEventListener('open', ({ detail }) => {
    speaking = detail.open;
    client.setSpeaking(speaking);
    render();
  });
  microphone.addEventListener('level', ({ detail }) => showOwnLevel(byId('participants'), meterShare(detail.db)));
  microphone.addEventListener('lost', () => {
    syncMute();
    showNotice('notice-microphone', 'The microphone was unplugged or taken away.', { label: 'Try again', run: () => startMicrophone('') });
  });
  context.addEventListener('statechange', render);
  output.addEventListener('change', render);

  byId('mute').addEventListener('click', toggleMute);
  byId('deafen').addEventListener('click', () => setDeafened(!client.deafened));
  byId('invite').addEventListener('click', copyInvite);
  byId('leave').addEventListener('click', () => {
    client.leave();
    byId('channels').querySelector('button')?.focus(); // the button that had the focus is gone
  });
  byId('sign-out').addEventListener('click', () => {
    client.close();
    rememberSession(null);
    location.assign(location.pathname);
  });
  drawControl('settings-open', false, 'gear', 'Audio');
  byId('settings-open').removeAttribute('aria-pressed');
  drawControl('leave', false, 'leave', 'Leave');
  byId('leave').removeAttribute('aria-pressed');
  setUpPushToTalk(byId('talk'), (pressed) => { microphone.pressed = pressed; });
  setUpSettings(microphone, output, {
    pickMicrophone: (deviceId) => startMicrophone(deviceId),
    pickSpeaker: (deviceId) => output.setSink(deviceId).catch(() => showNotice('error', 'This speaker is not available.', { dismiss: true })),
    modeChanged: render,
  });
  if (preferences.speaker) output.setSink(preferences.speaker).catch(() => {});
  // A page opened by a link has had no click yet, without which browsers run no audio graph.
  for (const gesture of ['pointerdown', 'keydown']) addEventListener(gesture, () => context.resume().catch(() => {}), { once: true });
  addEventListener('online', () => client.retryNow());
  // Whoever closes the page leaves, and isn't waited for. Should the page be shown again from the browser's memory, it begins anew.
  addEventListener('pagehide', () => {
    ending = true;
    client.close();
  });
  addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden) refreshChannels(); });

  rememberSession({ name, channelId: firstChannel });
  paintAvatar(byId('me-avatar'), name);
  setText(byId('me-name'), name);
  window.unitedVoice = monitor.inspector();
  client.connect();
  refreshChannels();
  setInterval(refreshChannels, CHANNELS_INTERVAL_MS);
  if (firstChannel) join(firstChannel);
  render();
}
