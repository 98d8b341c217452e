import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { CHECK_ANSWER_MS, QUIET_MS, Signaling, VoiceError, backoffDelay, closeReaction, readEnvelope } from '../src/signaling.js';
import { SUBPROTOCOL, connector } from '../src/transport.js';
import { FakeWebSocket, settle } from '../testing/fakes.js';

beforeEach(() => {
  FakeWebSocket.made = [];
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
});
afterEach(() => mock.timers.reset());

function start({ token = async () => '', onMessage = () => {}, random = () => 1 } = {}) {
  const prepare = connector({ url: 'ws://host/ws', token, WebSocket: FakeWebSocket, onUser() {} });
  const signaling = new Signaling({ prepare, onMessage, random, now: () => Date.now() });
  signaling.start();
  return signaling;
}

test('the first delay is at most half a second, later ones grow, none passes ten seconds', () => {
  const longest = [0, 1, 2, 3, 4, 15, 16, 50].map((attempt) => backoffDelay(attempt, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 4000, 4000, 10_000, 10_000]);
});

test('after an outage of some seconds a client is back within five', () => {
  let state = 1;
  const random = () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  for (const outageMs of [1_000, 3_000, 5_000, 10_000]) {
    for (let client = 0; client < 300; client += 1) {
      let at = 0;
      for (let attempt = 0; at < outageMs; attempt += 1) at += backoffDelay(attempt, random);
      assert.ok(at - outageMs < 5_000, `${at - outageMs} ms after an outage of ${outageMs} ms`);
    }
  }
});

test('delays spread over the whole window', () => {
  assert.equal(backoffDelay(3, () => 0), 0);
  assert.equal(backoffDelay(3, () => 0.5), 2000);
});

test('a client that was closed for flooding or slowness does not come back at once', () => {
  assert.equal(closeReaction(1001).minDelayMs, 0);
  assert.ok(closeReaction(1013).minDelayMs >= 1_000);
  assert.ok(closeReaction(1008).minDelayMs >= 10_000);
  assert.equal(new Set([1001, 1006, 1008, 1009, 1013].map((code) => closeReaction(code).cause)).size, 5);
});

test('only an object with a payload of voice is an envelope', () => {
  assert.deepEqual(readEnvelope({ requestId: '7', voiceError: { code: 'X' } }), { requestId: '7', name: 'voiceError', payload: { code: 'X' } });
  assert.equal(readEnvelope({ voiceError: {} }).requestId, '');
  assert.equal(readEnvelope({ chatId: '1', voiceError: {} }).name, 'voiceError');
  for (const other of [null, [], 1, {}, { requestId: '7' }, { voiceError: null }, { chat: {} }]) assert.equal(readEnvelope(other), null, JSON.stringify(other));
});

test('only the reply with its id settles a request', async () => {
  const signaling = start();
  await settle();
  assert.deepEqual(FakeWebSocket.last.protocols, [SUBPROTOCOL]);
  FakeWebSocket.last.open();
  const one = signaling.request('voiceJoinRequest', { channelId: 'a' });
  const two = signaling.request('voiceJoinRequest', { channelId: 'b' });
  const [first, second] = FakeWebSocket.last.all('voiceJoinRequest');
  assert.notEqual(first.requestId, second.requestId);
  FakeWebSocket.last.receive({ requestId: '', voiceJoinResponse: { channelId: 'nobody asked' } });
  FakeWebSocket.last.receive({ requestId: second.requestId, voiceJoinResponse: { channelId: 'b' } });
  FakeWebSocket.last.receive({ requestId: first.requestId, voiceError: { code: 'VOICE_ERROR_CODE_CHANNEL_FULL', channelId: 'a' } });
  assert.deepEqual(await two, { channelId: 'b' });
  await assert.rejects(one, (error) => error instanceof VoiceError && error.code === 'CHANNEL_FULL' && error.channelId === 'a');
});

test('a reply reaches the callback before the promise of its request settles', async () => {
  const seen = [];
  const signaling = start({ onMessage: ({ name, answersRequest }) => seen.push([name, answersRequest]) });
  await settle();
  FakeWebSocket.last.open();
  const done = signaling.request('voiceJoinRequest', {}).then(() => seen.push('settled'));
  FakeWebSocket.last.reply('voiceJoinRequest', 'voiceJoinResponse', {});
  FakeWebSocket.last.receive({ voiceParticipantJoinedEvent: {} });
  await done;
  assert.deepEqual(seen, [['voiceJoinResponse', true], ['voiceParticipantJoinedEvent', false], 'settled']);
});

test('a request without a reply times out, and another connection is opened', async () => {
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  const asked = assert.rejects(signaling.request('voiceJoinRequest', {}), { code: 'TIMEOUT' });
  const silent = FakeWebSocket.last;
  mock.timers.tick(10_000);
  await asked;
  assert.equal(silent.closed, true);
  mock.timers.tick(500);
  await settle();
  assert.notEqual(FakeWebSocket.last, silent);
});

test('requests fail if the connection is lost or missing', async () => {
  const signaling = start();
  await assert.rejects(signaling.request('voiceJoinRequest', {}), { code: 'OFFLINE' });
  await settle();
  FakeWebSocket.last.open();
  const asked = assert.rejects(signaling.request('voiceJoinRequest', {}), { code: 'OFFLINE' });
  FakeWebSocket.last.lose();
  await asked;
  assert.equal(signaling.relay('voiceSdpOffer', {}), false);
});

test('a relayed message reports only a refusal', async () => {
  const errors = [];
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  assert.equal(signaling.relay('voiceSdpOffer', { sdp: 'x' }, (error) => errors.push(error.code)), true);
  FakeWebSocket.last.reply('voiceSdpOffer', 'voiceError', { code: 'VOICE_ERROR_CODE_STALE_SESSION' });
  assert.deepEqual(errors, ['STALE_SESSION']);
});

test('a relayed message that is lost with its connection reports nothing', async () => {
  const errors = [];
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  signaling.relay('voiceSdpOffer', {}, (error) => errors.push(error.code));
  FakeWebSocket.last.lose();
  mock.timers.tick(60_000);
  assert.deepEqual(errors, []);
});

test('after a loss the next attempt comes after a delay, and delays grow while attempts fail', async () => {
  const delays = [];
  const signaling = start();
  signaling.addEventListener('state', ({ detail }) => { if (detail.state === 'waiting') delays.push(detail.retryInMs); });
  await settle();
  FakeWebSocket.last.open();
  for (const attempt of [1, 2, 3]) {
    FakeWebSocket.last.lose(1001);
    mock.timers.tick(delays.at(-1) - 1);
    await settle();
    assert.equal(FakeWebSocket.made.length, attempt, 'not before the delay is over');
    mock.timers.tick(1);
    await settle();
    assert.equal(FakeWebSocket.made.length, attempt + 1);
  }
  assert.deepEqual(delays, [500, 1000, 2000]);
});

test('after a connection that lasted, delays start again at the shortest', async () => {
  const delays = [];
  const signaling = start();
  signaling.addEventListener('state', ({ detail }) => { if (detail.state === 'waiting') delays.push(detail.retryInMs); });
  await settle();
  FakeWebSocket.last.lose();
  mock.timers.tick(500);
  await settle();
  FakeWebSocket.last.open();
  mock.timers.tick(5_000);
  FakeWebSocket.last.lose();
  assert.deepEqual(delays, [500, 500]);
});

test('each attempt gets a token, and says whether the last attempt never opened', async () => {
  const contexts = [];
  start({ token: async (context) => { contexts.push(context.renew); return ''; } });
  await settle();
  FakeWebSocket.last.lose();
  mock.timers.tick(10_000);
  await settle();
  FakeWebSocket.last.open();
  FakeWebSocket.last.lose(1001);
  mock.timers.tick(10_000);
  await settle();
  assert.deepEqual(contexts, [false, true, false]);
});

test('only a fatal error of the token ends the attempts', async () => {
  const answers = [new Error('down'), Object.assign(new Error('no such user'), { fatal: true })];
  const signaling = start({ token: async () => { throw answers.shift(); } });
  await settle();
  assert.equal(signaling.state, 'waiting');
  mock.timers.tick(500);
  await settle();
  assert.equal(signaling.state, 'refused');
});

test('stopping closes the socket and opens no other', async () => {
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  signaling.stop();
  assert.equal(FakeWebSocket.last.closed, true);
  FakeWebSocket.last.lose(1000);
  mock.timers.tick(60_000);
  await settle();
  assert.equal(FakeWebSocket.made.length, 1);
});

/** The messages that ask whether the server is there. */
const asked = () => FakeWebSocket.last.all('voiceSpeakingEvent');
const answer = () => FakeWebSocket.last.reply('voiceSpeakingEvent', 'voiceError', { code: 'VOICE_ERROR_CODE_NOT_IN_CHANNEL', channelId: '-' });

test('a connection that says nothing is asked, one that answers stays, one that does not is replaced', async () => {
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  for (let round = 1; round <= 10; round += 1) {
    mock.timers.tick(QUIET_MS - 1);
    assert.equal(asked().length, round - 1, 'at most one request in that time');
    mock.timers.tick(1);
    assert.equal(asked().length, round);
    answer();
    await settle();
  }
  const silent = FakeWebSocket.last;
  mock.timers.tick(QUIET_MS);
  mock.timers.tick(30_000 - QUIET_MS);
  assert.equal(silent.closed, true);
  assert.equal(signaling.state, 'waiting');
});

test('a connection that delivers something is not asked', async () => {
  start();
  await settle();
  FakeWebSocket.last.open();
  for (let second = 0; second < 100; second += 1) {
    mock.timers.tick(1_000);
    FakeWebSocket.last.receive({ voiceSpeakingEvent: {} });
  }
  assert.deepEqual(asked(), []);
});

test('when the page comes back, the connection is asked at once', async () => {
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  signaling.wake();
  assert.deepEqual(asked(), [], 'it is new');
  mock.timers.tick(2_000);
  signaling.wake();
  signaling.wake();
  assert.equal(asked().length, 1);
  mock.timers.tick(CHECK_ANSWER_MS);
  assert.equal(FakeWebSocket.last.closed, true);
  await settle();
  signaling.wake();
  await settle();
  assert.equal(FakeWebSocket.made.length, 2, 'and it does not wait for the next attempt');
});

test('when the page comes back, a delay that the server imposed goes on', async () => {
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  FakeWebSocket.last.lose(1008);
  signaling.wake();
  await settle();
  assert.equal(FakeWebSocket.made.length, 1);
  signaling.retryNow();
  await settle();
  assert.equal(FakeWebSocket.made.length, 2);
});

test('a paused connection is closed, and opened no sooner than the page comes back', async () => {
  const signaling = start();
  await settle();
  FakeWebSocket.last.open();
  signaling.pause('frozen');
  assert.equal(FakeWebSocket.last.closeCode, 4000);
  mock.timers.tick(600_000);
  await settle();
  assert.equal(FakeWebSocket.made.length, 1);
  signaling.wake();
  await settle();
  assert.equal(FakeWebSocket.made.length, 2);
});

test('a pause during a delay that the server imposed, or after it, does not keep the connection away', async () => {
  for (const passedMs of [0, 10_000]) {
    FakeWebSocket.made = [];
    const signaling = start();
    await settle();
    FakeWebSocket.last.open();
    FakeWebSocket.last.lose(1008);
    mock.timers.tick(passedMs);
    await settle();
    signaling.pause('frozen');
    signaling.wake();
    mock.timers.tick(10_000 - passedMs);
    await settle();
    const last = FakeWebSocket.last;
    assert.deepEqual([FakeWebSocket.made.length, last.closed], [passedMs === 0 ? 2 : 3, false], `${passedMs} ms`);
    signaling.stop();
  }
});

test('a callback that throws does not keep a reply from its request', async () => {
  const signaling = start({ onMessage: () => { throw new Error('a listener'); } });
  await settle();
  FakeWebSocket.last.open();
  const asked = signaling.request('voiceLeaveRequest', {});
  assert.throws(() => FakeWebSocket.last.reply('voiceLeaveRequest', 'voiceLeaveEvent', { channelId: 'x' }), /a listener/);
  assert.deepEqual(await asked, { channelId: 'x' });
});

test('a socket that can not be made or used is one that is lost', async () => {
  const prepare = connector({ url: 'ws://host/ws', WebSocket: class { constructor() { throw new SyntaxError(); } }, onUser() {} });
  const signaling = new Signaling({ prepare, onMessage() {}, random: () => 1 });
  signaling.start();
  await settle();
  assert.equal(signaling.state, 'waiting');

  const other = start();
  await settle();
  FakeWebSocket.last.open();
  FakeWebSocket.last.send = () => { throw new Error('InvalidStateError'); };
  await assert.rejects(other.request('voiceLeaveRequest', {}), { code: 'OFFLINE' });
  assert.equal(other.state, 'waiting');
});

test('a token that does not come is asked for again', async () => {
  let calls = 0;
  start({ token: () => { calls += 1; return new Promise(() => {}); } });
  await settle();
  mock.timers.tick(20_000);
  mock.timers.tick(10_000);
  await settle();
  assert.equal(calls, 2);
});
