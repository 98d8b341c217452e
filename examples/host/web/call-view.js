/** Draws the page during a call and between calls. It reads the state and changes none of it. */

import { showControls } from './call-controls.js';
import { showChannels } from './channels-view.js';
import { byId, setStatus, setText } from './dom.js';
import { callText, connectionStatus, isolated, signalingStatus } from './messages.js';
import { hideNotice, showNotice } from './notices.js';
import { showParticipants } from './participants-view.js';
import { isSilenced, volumeOf } from './preferences.js';

/** If more people than this are in a channel, the server warns those who join. */
const SOFT_CAP = 8;

export class CallView {
  #state;
  #actions;
  #signaling = { state: 'idle' };
  #frame = 0;

  /**
   * @param {object} state what is drawn: `name relayOnly client monitor voice output channels`
   * @param {object} actions what the drawn elements do: `join(channelId)`, `setVolume(userId,
   *   volume)`, `setSilenced(userId, silenced)`, `resumeOutput()`
   */
  constructor(state, actions) {
    this.#state = state;
    this.#actions = actions;
  }

  /** The signaling connection changed. */
  signalingChanged(detail) {
    this.#signaling = { ...detail, wasOnline: this.#signaling.wasOnline || detail.state === 'online' };
    this.render();
  }

  /** Draws once in the next frame, for any number of calls until then. */
  render() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
    // A hidden tab has no frames, but people may look at its title, and tests at the page.
    if (document.hidden) this.#draw();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const { channels } = this.#state.channels;
    const people = this.#people();
    showParticipants(byId('participants'), people, this.#actions);
    showChannels(byId('channels'), channels.map((channel) => this.#withPeople(channel, people)), this.#actions.join);
    this.#drawHead(people.length);
    this.#drawInfo(people.length);
    this.#drawControls();
  }

  /** Everybody in the channel, the user first. */
  #people() {
    const { client } = this.#state;
    if (client.channelId === null) return [];
    return [this.#self(), ...client.participants.map((participant) => this.#withExtras(participant))];
  }

  #self() {
    const { client, voice, name } = this.#state;
    return {
      userId: client.userId, displayName: name, self: true,
      muted: voice.seenMuted, deafened: client.deafened, speaking: voice.speaking, connection: 'connected',
    };
  }

  #withExtras(participant) {
    const { userId } = participant;
    const { monitor } = this.#state;
    return {
      ...participant,
      quality: monitor.qualityOf(userId), details: monitor.detailsOf(userId),
      volume: volumeOf(userId), silenced: isSilenced(userId),
    };
  }

  /**
   * A channel of the list. What signaling says about the user's own channel is newer than the list.
   */
  #withPeople(channel, people) {
    const { client } = this.#state;
    const current = channel.id === client.channelId;
    const others = channel.participants.filter(({ userId }) => userId !== client.userId);
    return { ...channel, current, participants: current ? people : others };
  }

  #drawHead(count) {
    const { client, monitor, channels } = this.#state;
    const inCall = client.channelId !== null;
    const title = inCall ? channels.nameOf(client.channelId) : '';
    setText(byId('channel-title'), inCall ? title : 'Not in a channel');
    document.title = inCall ? `${isolated(title)} · United Voice` : 'United Voice';
    byId('app').dataset.inCall = String(inCall);
    byId('participants').hidden = !inCall;
    byId('empty').hidden = count > 1;
    setText(byId('empty-words'), inCall ? 'Nobody else is here yet.' : 'Pick a voice channel to talk.');
    byId('call-status').hidden = count < 2;
    setStatus(byId('call-status'), connectionStatus(...monitor.worst()));
    setStatus(byId('status'), signalingStatus(this.#signaling.state, this.#signaling));
    byId('status').dataset.state = this.#signaling.state;
    byId('status').dataset.channel = client.channelId ?? '';
  }

  #drawInfo(count) {
    const { client, monitor, relayOnly } = this.#state;
    const inCall = client.channelId !== null;
    const text = callText({
      offline: inCall && client.state !== 'online',
      lingering: client.lingering.map(({ displayName }) => displayName),
      relayMissing: inCall && relayOnly && !client.iceServerUrls.some((url) => url.startsWith('turn')),
      crowded: monitor.crowded || count > SOFT_CAP,
    });
    if (text) showNotice('notice-info', text);
    else hideNotice('notice-info');
  }

  #drawControls() {
    const { client, voice, output, channels } = this.#state;
    const inCall = client.channelId !== null;
    const channelName = inCall ? channels.nameOf(client.channelId) : '';
    showControls({ inCall, channelName, muted: voice.muted || client.deafened, deafened: client.deafened });
    const hear = { label: 'Click to hear', run: this.#actions.resumeOutput };
    if (inCall && output.blocked) showNotice('notice-listen', 'The browser holds the sound back until you click.', hear);
    else hideNotice('notice-listen');
  }
}
