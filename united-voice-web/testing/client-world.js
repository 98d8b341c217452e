/** A client among stand-ins: a test plays the server. Needs mocked timers. */

import { mock } from 'node:test';
import { VoiceClient } from '../src/voice-client.js';
import { FakePeerConnection, FakeWebSocket, settle } from './fakes.js';

export const BOB = { userId: 'bob', displayName: 'Bob', sessionId: 'bob-1' };

export function makeClient(options = {}) {
  const client = new VoiceClient({
    url: 'ws://host/ws',
    token: async () => ({ token: 'secret', userId: 'me' }),
    WebSocket: FakeWebSocket, RTCPeerConnection: FakePeerConnection, random: () => 1,
    ...options,
  });
  const events = [];
  for (const type of ['channel', 'error', 'participantjoined', 'participantleft', 'audiounavailable']) {
    client.addEventListener(type, ({ detail }) => events.push([type, detail]));
  }
  client.connect();
  return { client, events };
}

export async function online() {
  await settle();
  FakeWebSocket.last.open();
  await settle();
}

export function admit(channelId, sessionId, participants = []) {
  FakeWebSocket.last.reply('voiceJoinRequest', 'voiceJoinResponse', { channelId, sessionId, participants, iceServers: [], qualityWarning: false });
}

export async function inChannel(participants = [BOB], options = {}) {
  const made = makeClient(options);
  await online();
  const joined = made.client.join('general');
  admit('general', 'me-1', participants);
  await joined;
  await settle();
  return made;
}

/** Loses the connection, and opens the next one. */
export async function reconnect(code = 1001) {
  FakeWebSocket.last.lose(code);
  mock.timers.tick(10_000);
  await online();
}
