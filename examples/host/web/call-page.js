/** The page of a signed-in user: makes the parts of a call and connects them with each other. */

import { Announcements } from './announcements.js';
import { setUpControls } from './call-controls.js';
import { CallMonitor } from './call-monitor.js';
import { CallView } from './call-view.js';
import { ChannelList } from './channel-list.js';
import { byId, paintAvatar, setText } from './dom.js';
import { audioUnavailableText, errorText, iceErrorText, leftText } from './messages.js';
import { hideNotice, showNotice } from './notices.js';
import { OwnVoice } from './own-voice.js';
import { showOwnLevel } from './participants-view.js';
import { isSilenced, preferences, setSilenced, setVolume, volumeOf } from './preferences.js';
import { setUpPushToTalk } from './push-to-talk.js';
import { addressOf, rememberSession } from './session.js';
import { meterShare, setUpSettings } from './settings-dialog.js';
import { AudioOutput, Microphone, VoiceClient } from './united-voice-web/index.js';

/** The code of a STUN or TURN server that does not answer (W3C WebRTC, `RTCPeerConnectionIceErrorEvent`). */
const NO_ANSWER = 701;

/** The audio graph; `null` if the browser makes none. */
function audioContext() {
  try {
    return new AudioContext({ latencyHint: 'interactive' });
  } catch {
    return null;
  }
}

/**
 * Lasts as long as the page: signing out loads the page again, so that nothing of the call stays
 * behind.
 */
export class CallPage {
  #name;
  #relayOnly;
  #context = audioContext();
  #microphone = new Microphone(this.#context);
  #output = new AudioOutput(this.#context);
  #client;
  #monitor;
  #voice;
  #channels;
  #view;
  #ending = false;
  /** The channel that the user is about to join; `null` if none. */
  #joining = null;

  /**
   * @param {import('./api.js').Api} api
   * @param {string} name the user's display name
   * @param {{ relayOnly: boolean, muted: boolean, deafened: boolean }} options how the user begins
   */
  constructor(api, name, { relayOnly, muted, deafened }) {
    this.#name = name;
    this.#relayOnly = relayOnly;
    this.#client = new VoiceClient({
      url: new URL('ws', location.href).href.replace(/^http/, 'ws'),
      token: async ({ renew }) => {
        // If a WebSocket can't be opened, browsers write its address with the token to the console.
        // So the client does not try while the server is away.
        await api.reach();
        return api.token({ renew });
      },
      relayOnly,
    });
    this.#monitor = new CallMonitor(this.#client, () => this.#view.render());
    this.#voice = new OwnVoice(this.#client, this.#microphone, this.#output, { muted, deafened });
    this.#channels = new ChannelList(api, this.#client);
    new Announcements(this.#client, this.#context);
    this.#view = this.#makeView();
  }

  /** Connects, and joins a channel if one is given. */
  start(channelId) {
    this.#listenToClient();
    this.#listenToAudio();
    this.#setUpControls();
    this.#setUpSettings();
    this.#watchBrowser();
    this.#remember(channelId);
    paintAvatar(byId('me-avatar'), this.#name);
    setText(byId('me-name'), this.#name);
    window.unitedVoice = this.#monitor.inspector();
    this.#client.connect();
    this.#channels.start();
    if (channelId) this.#join(channelId);
    this.#view.render();
  }

  #makeView() {
    const state = {
      name: this.#name, relayOnly: this.#relayOnly, client: this.#client, monitor: this.#monitor,
      voice: this.#voice, output: this.#output, channels: this.#channels,
    };
    return new CallView(state, {
      join: (channelId) => this.#join(channelId),
      setVolume: (userId, volume) => {
        setVolume(userId, volume);
        this.#applyVolume(userId);
      },
      setSilenced: (userId, silenced) => {
        setSilenced(userId, silenced);
        this.#applyVolume(userId);
        this.#view.render();
      },
      resumeOutput: () => this.#resumeOutput(),
    });
  }

  // --- what the user does ------------------------------------------------------------------------

  async #join(channelId) {
    const client = this.#client;
    this.#resumeContext();
    if (channelId === client.channelId && client.state === 'online') return;
    hideNotice('error');
    this.#joining = channelId;
    this.#voice.begin();
    try {
      await client.join(channelId);
    } catch (error) {
      error.channelId ||= channelId;
      this.#showError(error);
      this.#channels.refreshSoon();
      // After SUPERSEDED, a later join or leave decides what becomes of the microphone.
      if (client.channelId === null && error.code !== 'SUPERSEDED') this.#voice.end();
    } finally {
      if (this.#joining === channelId) this.#joining = null;
    }
  }

  #applyVolume(userId) {
    this.#output.setVolume(userId, isSilenced(userId) ? 0 : volumeOf(userId));
  }

  async #resumeOutput() {
    await this.#output.resume();
    this.#view.render();
  }

  /** Browsers run an audio graph only after the user has clicked or pressed a key. */
  #resumeContext() {
    this.#context?.resume().catch(() => {});
  }

  /** Remembers the state of the user for a reload, and shows the channel in the address. */
  #remember(channelId) {
    const { wantsMute: muted, deafened } = this.#voice;
    rememberSession({ name: this.#name, channelId, muted, deafened });
    const address = addressOf(location.href, channelId);
    if (address !== location.href) history.replaceState(null, '', address);
  }

  #signOut() {
    this.#client.close();
    rememberSession(null);
    location.assign(location.pathname);
  }

  // --- what happens ------------------------------------------------------------------------------

  #listenToClient() {
    const client = this.#client;
    client.addEventListener('state', ({ detail }) => {
      if (detail.state === 'online') this.#channels.refresh();
      this.#view.signalingChanged(detail);
    });
    client.addEventListener('roster', () => this.#view.render());
    // A participant that comes or goes often moves from or to another channel of the list.
    for (const type of ['participantjoined', 'participantleft']) {
      client.addEventListener(type, () => this.#channels.refreshSoon());
    }
    client.addEventListener('channel', ({ detail }) => this.#channelChanged(detail));
    client.addEventListener('error', ({ detail }) => this.#showError(detail.error));
    client.addEventListener('iceerror', ({ detail }) => {
      const text = iceErrorText(detail, { relayOnly: this.#relayOnly });
      // A browser asks from each of its addresses, and a relay need not answer all of them.
      const isMissed = detail.code !== NO_ANSWER || client.participants.some(({ connection }) => connection !== 'connected');
      if (text && isMissed) showNotice('error', text, { dismiss: true });
    });
    client.addEventListener('audiounavailable', ({ detail }) => {
      const name = client.participants.find(({ userId }) => userId === detail.userId)?.displayName ?? '';
      showNotice('error', audioUnavailableText(detail, name), { dismiss: true });
    });
  }

  #channelChanged({ channelId, reason }) {
    if (this.#ending) return;
    // A reload asks again for a channel that refused the user.
    if (reason !== 'refused') this.#remember(channelId);
    hideNotice('error');
    const why = leftText(reason);
    if (why) showNotice('error', why, { dismiss: true });
    if (channelId === null) this.#voice.end();
    this.#channels.refresh();
    this.#view.render();
  }

  #showError(error) {
    if (error.code === 'SUPERSEDED') return;
    const channelName = error.channelId ? this.#channels.nameOf(error.channelId) : '';
    showNotice('error', errorText(error, channelName), { dismiss: true });
    byId('error').dataset.code = error.code;
  }

  #listenToAudio() {
    const output = this.#output;
    const render = () => this.#view.render();
    this.#client.addEventListener('track', ({ detail }) => {
      output.play(detail.userId, detail.track);
      this.#applyVolume(detail.userId);
    });
    this.#client.addEventListener('trackended', ({ detail }) => output.stop(detail.userId));
    this.#microphone.addEventListener('level', ({ detail }) => showOwnLevel(byId('participants'), meterShare(detail.db)));
    this.#voice.addEventListener('change', () => {
      if (!this.#ending) this.#remember(this.#client.channelId ?? this.#joining);
      render();
    });
    this.#voice.addEventListener('problem', ({ detail: { text, retry } }) => {
      if (text) showNotice('notice-microphone', text, { label: 'Try again', run: retry });
      else hideNotice('notice-microphone');
    });
    this.#context?.addEventListener('statechange', render);
    output.addEventListener('change', render);
    this.#channels.addEventListener('change', render);
  }

  // --- the rest of the page and the browser ------------------------------------------------------

  #setUpControls() {
    const voice = this.#voice;
    setUpControls(this.#client, {
      toggleMute: () => {
        this.#resumeContext();
        voice.toggleMute();
      },
      toggleDeafened: () => voice.setDeafened(!this.#client.deafened),
    });
    byId('sign-out').addEventListener('click', () => this.#signOut());
    setUpPushToTalk(byId('talk'), (pressed) => { this.#microphone.pressed = pressed; });
  }

  #setUpSettings() {
    const output = this.#output;
    const unavailable = () => showNotice('error', 'This speaker is not available.', { dismiss: true });
    setUpSettings(this.#microphone, output, {
      pickMicrophone: (deviceId) => this.#voice.start(deviceId),
      pickSpeaker: (deviceId) => output.setSink(deviceId).catch(unavailable),
      modeChanged: () => this.#view.render(),
      suppressNoise: (isOn) => { this.#microphone.noiseSuppression = isOn; },
      beginTest: () => {
        this.#resumeContext();
        return this.#voice.beginTest();
      },
      endTest: () => this.#voice.endTest(),
    });
    if (preferences.speaker) output.setSink(preferences.speaker).catch(() => {});
  }

  #watchBrowser() {
    // A page that a link has opened has had no click yet.
    for (const gesture of ['pointerdown', 'keydown']) {
      addEventListener(gesture, () => this.#resumeContext(), { once: true });
    }
    // A user that closes the page leaves at once, and the others do not wait for a return. If the
    // browser shows the page again from its memory, the page begins anew.
    addEventListener('pagehide', () => {
      this.#ending = true;
      this.#client.close();
    });
    addEventListener('pageshow', ({ persisted }) => { if (persisted) location.reload(); });
  }
}
