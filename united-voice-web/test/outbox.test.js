import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Outbox } from '../src/outbox.js';

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'] }));
afterEach(() => mock.timers.reset());

/** The default limits of the server. */
const BURST = 200;
const PER_SECOND = 100;

/** A server with a rate limit, which counts what arrived. */
function makeWorld({ perSecond = PER_SECOND, burst = BURST } = {}) {
  const world = { arrived: [], refused: 0, online: true, tokens: burst, at: Date.now() };
  world.outbox = new Outbox({
    now: () => Date.now(),
    relay: (name, payload, onError) => {
      if (!world.online) return false;
      world.tokens = Math.min(burst, world.tokens + (Date.now() - world.at) * perSecond / 1000);
      world.at = Date.now();
      if (world.tokens < 1) {
        world.refused += 1;
        setTimeout(() => onError({ retryable: true, code: 'RATE_LIMITED' }), 20);
      } else {
        world.tokens -= 1;
        world.arrived.push([name, payload]);
      }
      return true;
    },
  });
  return world;
}

const peers = (count) => Array.from({ length: count }, (_, index) => ({ userId: `u${index}`, sessionId: `s${index}`, closed: false }));

function pass(ms) {
  for (let passed = 0; passed < ms; passed += 10) mock.timers.tick(10);
}

test('sixty candidates to each of twenty participants all arrive, descriptions first', () => {
  const world = makeWorld();
  for (const peer of peers(20)) {
    for (let index = 0; index < 60; index += 1) world.outbox.send(peer, 'candidate', `${peer.userId} ${index}`);
    world.outbox.send(peer, 'offer', 'sdp');
  }
  pass(30_000);
  assert.equal(world.refused, 0);
  assert.equal(world.arrived.length, 20 * 61);
  const lastOffer = world.arrived.findLastIndex(([name]) => name === 'voiceSdpOffer');
  assert.ok(lastOffer < 250, `the last offer is message ${lastOffer}`);
  for (const { userId } of peers(20)) {
    const texts = world.arrived.filter(([name, { targetUserId }]) => name === 'voiceIceCandidate' && targetUserId === userId);
    assert.deepEqual(texts.map(([, { candidateJson }]) => candidateJson), Array.from({ length: 60 }, (_, index) => `${userId} ${index}`));
  }
});

test('a description passes the candidates of all connections', () => {
  const world = makeWorld();
  const [late, ...others] = peers(20);
  for (const peer of others) {
    for (let index = 0; index < 60; index += 1) world.outbox.send(peer, 'candidate', 'c');
  }
  const before = world.arrived.length;
  world.outbox.send(late, 'candidate', 'c');
  world.outbox.send(late, 'offer', 'sdp');
  pass(50);
  assert.equal(world.arrived[before][0], 'voiceSdpOffer');
});

test('all arrive at a server that takes far less', () => {
  const world = makeWorld({ perSecond: 20, burst: 20 });
  for (const peer of peers(5)) {
    world.outbox.send(peer, 'offer', 'sdp');
    for (let index = 0; index < 60; index += 1) world.outbox.send(peer, 'candidate', `${index}`);
  }
  pass(60_000);
  assert.ok(world.refused > 0 && world.refused < 150, `${world.refused} refusals`);
  assert.equal(world.arrived.length, 5 * 61);
});

test('nothing is sent for a connection that is closed, or that refused for good', () => {
  const world = makeWorld({ burst: 1, perSecond: 1 });
  const [one, other] = peers(2);
  world.outbox.send(one, 'offer', 'sdp');
  world.outbox.send(other, 'offer', 'sdp');
  other.closed = true;
  world.outbox.forget(other);
  pass(10_000);
  assert.deepEqual(world.arrived.map(([, { targetUserId }]) => targetUserId), ['u0']);

  let onError;
  let sent = 0;
  const outbox = new Outbox({ now: () => Date.now(), relay: (_name, _payload, refused) => { sent += 1; onError = refused; return true; } });
  outbox.send(one, 'answer', 'sdp');
  onError({ retryable: false, code: 'STALE_SESSION' });
  pass(10_000);
  assert.equal(sent, 1);
});

test('what cannot be sent now waits for the connection, and goes to the session of that moment', () => {
  const world = makeWorld();
  const [peer] = peers(1);
  world.online = false;
  world.outbox.send(peer, 'candidate', 'c');
  world.outbox.send(peer, 'offer', 'first');
  world.outbox.send(peer, 'offer', 'second');
  pass(10_000);
  assert.deepEqual(world.arrived, []);
  world.online = true;
  peer.sessionId = 'new';
  world.outbox.flush();
  assert.deepEqual(world.arrived.map(([, { sdp, candidateJson, targetSessionId }]) => [sdp ?? candidateJson, targetSessionId]), [['second', 'new'], ['c', 'new']]);
});

test('the candidates that wait for a connection are bounded', () => {
  const world = makeWorld();
  const [peer] = peers(1);
  world.online = false;
  for (let index = 0; index < 10_000; index += 1) world.outbox.send(peer, 'candidate', `${index}`);
  world.online = true;
  world.outbox.flush();
  pass(60_000);
  assert.equal(world.arrived.length, 256);
});
