/**
 * Properties of the client, whatever the server sends and in whatever order: it does not throw, its
 * roster is that of a simple model, and no RTCPeerConnection outlives what it was made for.
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { FakeAudioTrack } from '../testing/audio-fakes.js';
import { makeClient } from '../testing/client-world.js';
import { FakePeerConnection, FakeWebSocket, sdpOf, settle } from '../testing/fakes.js';
import { Random } from '../testing/random.js';

const RUNS = Number(process.env.RUNS ?? 60);
const STEPS = 60;
const CHANNELS = ['general', 'lounge'];
const USERS = ['me', 'bob', 'cyd', 'dan', '', '__proto__', 'é🎧'];
const SESSIONS = ['1', '2', 'me-1', ''];
const REASONS = ['LEFT', 'MOVED', 'DISCONNECTED', 'REPLACED', 'KICKED', 'EVICTED', 'UNSPECIFIED', 'FROM_LATER'];
const CODES = ['MALFORMED', 'UNSUPPORTED', 'CHANNEL_FULL', 'NOT_IN_CHANNEL', 'TARGET_NOT_IN_CHANNEL', 'TOO_LARGE',
  'RATE_LIMITED', 'SESSION_REPLACED', 'UNAVAILABLE', 'STALE_SESSION', 'FROM_LATER'];
const MESSAGES = ['voiceJoinResponse', 'voiceLeaveEvent', 'voiceSdpOffer', 'voiceSdpAnswer', 'voiceIceCandidate',
  'voiceStateUpdate', 'voiceSpeakingEvent', 'voiceParticipantJoinedEvent', 'voiceError', 'voiceIceServersResponse',
  'voiceJoinRequest', 'voiceFromLater'];
/** Values of a wrong type, or none. */
const WRONG = [null, undefined, 5, -1, '', 'x', true, [], [null], [5], {}, { sdp: 1 }];

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

/** Runs `body` with many seeds, and says with which one it fails. */
async function forManySeeds(body) {
  for (let seed = 1; seed <= RUNS; seed += 1) {
    FakePeerConnection.made = [];
    FakeWebSocket.made = [];
    try {
      await body(new Random(seed));
    } catch (error) {
      error.message = `seed ${seed}: ${error.message}`;
      throw error;
    }
  }
}

const participant = (random) => ({
  userId: random.pick(USERS), displayName: random.pick(['', 'Bob', '<b>']), pubkey: '',
  muted: random.chance(0.5), deafened: random.chance(0.5), sessionId: random.pick(SESSIONS),
});

const iceServers = (random) => random.pick([
  [], [{ urls: ['stun:stun.example.org'], username: '', credential: '' }],
  [{ urls: ['turn:turn.example.org?transport=udp'], username: 'u', credential: 'c' }],
]);

const candidate = (random) => random.pick(['', '{}', 'null', '{"candidate":""}', 'no JSON',
  '{"candidate":"candidate:1 1 udp 1 192.0.2.7 9 typ host","sdpMid":"0"}']);

/** Well-formed messages of any content. Each may lack fields that have their default. */
function payload(random, name) {
  const fields = {
    channelId: random.pick([...CHANNELS, CHANNELS[0], '']),
    sessionId: random.pick(SESSIONS), userId: random.pick(USERS), displayName: 'x',
    senderUserId: random.pick(USERS), senderSessionId: random.pick(SESSIONS), targetSessionId: random.pick(SESSIONS),
    targetUserId: 'me', sdp: random.pick([sdpOf(random.below(3)), '', 'no SDP']), candidateJson: candidate(random),
    muted: random.chance(0.5), deafened: random.chance(0.5), speaking: random.chance(0.5),
    qualityWarning: random.chance(0.5),
    reason: `VOICE_LEAVE_REASON_${random.pick(REASONS)}`,
    code: `VOICE_ERROR_CODE_${random.pick(CODES)}`, message: 'no',
    iceServers: iceServers(random),
  };
  if (name === 'voiceJoinResponse') fields.participants = Array.from({ length: random.below(4) }, () => participant(random));
  if (name === 'voiceParticipantJoinedEvent') fields.participant = participant(random);
  for (const key of Object.keys(fields)) if (random.chance(0.05)) delete fields[key];
  return fields;
}

/** A message, mostly with the id of a request that waits for its reply. */
function message(random) {
  const asked = FakeWebSocket.last.sent.filter(({ requestId }) => requestId).map(({ requestId }) => requestId);
  const requestId = random.pick(['', '', random.pick(asked) ?? '', asked.at(-1) ?? '']);
  const name = random.chance(0.2) ? 'voiceJoinResponse' : random.pick(MESSAGES);
  return { requestId, [name]: payload(random, name) };
}

/** Puts values of a wrong type into a message, at any depth. */
function damage(random, value) {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return random.pick(WRONG);
  const keys = Object.keys(value);
  if (keys.length === 0) return random.pick(WRONG);
  const key = random.pick(keys);
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[key] = damage(random, value[key]);
  return copy;
}

async function userActs(random, client) {
  switch (random.below(7)) {
    case 0:
    case 1: client.join(random.pick(CHANNELS)).catch(() => {}); break;
    case 2: client.setMuted(random.chance(0.5)); break;
    case 3: client.setSpeaking(random.chance(0.5)); break;
    case 4: client.setTrack(random.pick([null, new FakeAudioTrack()])); break;
    case 5: client.retryNow(); break;
    default: if (random.chance(0.3)) client.leave();
  }
}

async function networkActs(random) {
  const peer = random.pick(FakePeerConnection.made);
  if (peer && peer.connectionState !== 'closed') {
    if (random.chance(0.1)) peer.refuse = true;
    peer.become(random.pick(['connected', 'connected', 'connecting', 'disconnected', 'failed']));
  }
  const socket = FakeWebSocket.last;
  if (socket.readyState === 0 && !socket.closed) socket.open();
  else if (random.chance(0.2) && !socket.closed) socket.lose(random.pick([1000, 1001, 1006, 1008, 1009, 1013]));
  mock.timers.tick(random.pick([0, 100, 1_000, 6_000, 31_000]));
}

/** One connection at most for each user that there is, and none that was forgotten. */
function checkConnections(client) {
  const open = FakePeerConnection.made.filter(({ connectionState }) => connectionState !== 'closed');
  const users = new Set([...client.participants, ...client.lingering].map(({ userId }) => userId));
  assert.ok(open.length <= users.size, `${open.length} connections to ${users.size} users`);
}

/** Nothing goes on after the end. */
async function checkEnd(client) {
  client.close();
  await settle();
  const [peers, sockets] = [FakePeerConnection.made.length, FakeWebSocket.made.length];
  for (const { connectionState } of FakePeerConnection.made) assert.equal(connectionState, 'closed');
  for (let minute = 0; minute < 3; minute += 1) {
    mock.timers.tick(60_000);
    await settle();
  }
  assert.equal(FakePeerConnection.made.length, peers);
  assert.equal(FakeWebSocket.made.length, sockets);
  assert.deepEqual(client.participants, []);
  assert.equal(client.channelId, null);
}

async function start(random) {
  const { client } = makeClient({ random: () => random.next() });
  await settle();
  FakeWebSocket.last.open();
  await settle();
  client.join(CHANNELS[0]).catch(() => {});
  await settle();
  return client;
}

async function run(random, change) {
  const client = await start(random);
  for (let step = 0; step < STEPS; step += 1) {
    const kind = random.below(10);
    if (kind === 0) await userActs(random, client);
    else if (kind <= 2) await networkActs(random);
    else if (FakeWebSocket.last.readyState === 1) FakeWebSocket.last.receive(change(message(random)));
    if (random.chance(0.5)) await settle();
    checkConnections(client);
  }
  await checkEnd(client);
}

/** A server that keeps the rules, with the others in the channel. */
class HonestServer {
  others = [];
  channelId = 'general';
  #sessions = 0;

  constructor(random, client) {
    this.random = random;
    this.client = client;
  }

  send(name, payload) { FakeWebSocket.last.receive({ requestId: '', [name]: { channelId: this.channelId, ...payload } }); }
  newSession() { return `s-${this.#sessions += 1}`; }

  newcomer(userId) {
    return { userId, displayName: userId, pubkey: '', muted: false, deafened: false, sessionId: this.newSession() };
  }

  /** Answers the latest request to join, with all that happened since the last time. */
  admit(sessionId) {
    FakeWebSocket.last.reply('voiceJoinRequest', 'voiceJoinResponse', {
      channelId: this.channelId, sessionId, qualityWarning: false, iceServers: iceServers(this.random),
      participants: this.others.map(({ speaking, ...wire }) => wire),
    });
  }

  /** Somebody comes, goes, or changes. `told`: the client is there to hear of it. */
  act(told) {
    const { random } = this;
    const userId = random.pick(['bob', 'cyd', 'dan', 'eve']);
    const other = this.others.find((one) => one.userId === userId);
    if (!other) {
      const { speaking, ...wire } = this.newcomer(userId);
      this.others.push({ ...wire, speaking: false });
      if (told) this.send('voiceParticipantJoinedEvent', { participant: wire });
      return;
    }
    switch (random.below(4)) {
      case 0: {
        this.others = this.others.filter((one) => one !== other);
        const reason = `VOICE_LEAVE_REASON_${random.pick(['LEFT', 'MOVED', 'DISCONNECTED', 'REPLACED', 'KICKED', 'EVICTED'])}`;
        if (told) this.send('voiceLeaveEvent', { userId, displayName: userId, reason, sessionId: other.sessionId });
        break;
      }
      case 1:
        Object.assign(other, { muted: random.chance(0.5), deafened: random.chance(0.5) });
        if (told) this.send('voiceStateUpdate', { userId, muted: other.muted, deafened: other.deafened });
        break;
      case 2:
        // A snapshot does not say who speaks, so only what is told can be known.
        if (!told) break;
        other.speaking = random.chance(0.5);
        this.send('voiceSpeakingEvent', { userId, speaking: other.speaking });
        break;
      default:
        if (told) this.stray(other);
    }
  }

  /** What may come late, and what must not change the roster. */
  stray({ userId, sessionId }) {
    const { random } = this;
    const late = random.pick([
      ['voiceLeaveEvent', { userId, sessionId: 'an older one', reason: 'VOICE_LEAVE_REASON_LEFT' }],
      ['voiceLeaveEvent', { userId: 'me', sessionId: 'an older one', reason: 'VOICE_LEAVE_REASON_KICKED' }],
      ['voiceLeaveEvent', { channelId: 'another', userId, sessionId, reason: 'VOICE_LEAVE_REASON_LEFT' }],
      ['voiceStateUpdate', { channelId: 'another', userId, muted: true, deafened: true }],
      ['voiceParticipantJoinedEvent', { channelId: 'another', participant: this.newcomer('zoe') }],
      ['voiceError', { channelId: 'another', code: 'VOICE_ERROR_CODE_SESSION_REPLACED', message: '' }],
      ['voiceSdpOffer', { senderUserId: userId, senderSessionId: 'an older one', targetSessionId: '', sdp: sdpOf(1) }],
      ['voiceIceServersResponse', { iceServers: iceServers(random) }],
    ]);
    this.send(...late);
    const offer = { senderUserId: userId, senderSessionId: sessionId, targetSessionId: '', targetUserId: 'me' };
    if (random.chance(0.5)) this.send('voiceSdpOffer', { ...offer, sdp: sdpOf(random.below(3)) });
    if (random.chance(0.5)) this.send('voiceIceCandidate', { ...offer, candidateJson: candidate(random) });
  }

  check() {
    const seen = this.client.participants.map(({ connection, ...shown }) => shown);
    assert.deepEqual(seen, this.others);
    assert.equal(this.client.channelId, this.channelId);
  }
}

/** Loses the connection. Things happen meanwhile, and the client comes back. */
async function loseAndReturn(random, server) {
  FakeWebSocket.last.lose(random.pick([1001, 1006, 1013]));
  for (let change = random.below(4); change > 0; change -= 1) server.act(false);
  mock.timers.tick(11_000);
  await settle();
  FakeWebSocket.last.open();
  await settle();
  const sessionsBefore = new Set(server.others.map(({ sessionId }) => sessionId));
  const known = server.client.participants;
  server.admit(server.newSession());
  for (const other of server.others) {
    const before = known.find(({ userId }) => userId === other.userId);
    other.speaking = before?.sessionId === other.sessionId && sessionsBefore.has(other.sessionId) && before.speaking;
  }
  await settle();
}

async function follow(random) {
  const client = await start(random);
  const server = new HonestServer(random, client);
  server.admit(server.newSession());
  await settle();
  for (let step = 0; step < STEPS; step += 1) {
    const kind = random.below(12);
    if (kind === 0) {
      await loseAndReturn(random, server);
    } else if (kind === 1) {
      server.channelId = random.pick(CHANNELS);
      const stays = server.channelId === client.channelId;
      const moved = client.join(server.channelId);
      if (!stays) server.others = [];
      await settle();
      server.admit(stays ? client.sessionId : server.newSession());
      await moved;
    } else if (kind === 2) {
      FakePeerConnection.made.filter(({ connectionState }) => connectionState !== 'closed')
        .forEach((peer) => peer.become(random.pick(['connected', 'connected', 'failed'])));
    } else {
      server.act(true);
    }
    if (random.chance(0.5)) await settle();
    server.check();
    checkConnections(client);
  }
  await checkEnd(client);
}

test('snapshot and events give the roster of the server', async () => {
  await forManySeeds(follow);
});

test('whatever a server sends, nothing is thrown and no connection is left', async () => {
  await forManySeeds((random) => run(random, (envelope) => envelope));
});

test('a message with values of a wrong type does no harm either', async () => {
  await forManySeeds((random) => run(random, (envelope) => (random.chance(0.5) ? damage(random, envelope) : envelope)));
});
