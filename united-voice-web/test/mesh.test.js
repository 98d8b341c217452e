import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { expiryOf } from '../src/ice-servers.js';
import { LINGER_MS, MAX_RECOVERY_DELAY_MS, OFFER_WAIT_MS } from '../src/mesh.js';
import { mayReturn, reconcile } from '../src/reconcile.js';
import { FakePeerConnection, sdpOf, settle } from '../testing/fakes.js';
import { THEIRS, makeMesh } from '../testing/mesh-world.js';

beforeEach(() => {
  FakePeerConnection.made = [];
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
});
afterEach(() => mock.timers.reset());

test('the snapshot decides about every connection', () => {
  const peers = new Map(Object.entries({
    kept: { sessionId: 'old', healthy: true },
    broken: { sessionId: 'old', healthy: false },
    late: { sessionId: 'old', healthy: true },
    gone: { sessionId: 'old', healthy: false },
  }));
  const participants = ['kept', 'broken', 'new'].map((userId) => ({ userId, sessionId: 'now' }));
  assert.deepEqual(reconcile(peers, participants), { keep: ['kept'], offer: ['broken', 'new'], linger: ['late'], close: ['gone'] });
});

test('in the same session a connection that is coming up is left alone', () => {
  const peers = new Map([['u', { sessionId: 's', healthy: false }]]);
  assert.deepEqual(reconcile(peers, [{ userId: 'u', sessionId: 's' }], true).keep, ['u']);
  assert.deepEqual(reconcile(peers, [{ userId: 'u', sessionId: 's' }], false).offer, ['u']);
  assert.deepEqual(reconcile(peers, [{ userId: 'u', sessionId: 'other' }], true).offer, ['u']);
});

test('the leave reason says whether the user may be back in a moment', () => {
  for (const reason of ['DISCONNECTED', 'REPLACED', 'EVICTED']) assert.equal(mayReturn(`VOICE_LEAVE_REASON_${reason}`), true, reason);
  for (const reason of ['LEFT', 'MOVED', 'KICKED', 'UNSPECIFIED']) assert.equal(mayReturn(`VOICE_LEAVE_REASON_${reason}`), false, reason);
});

test('the newcomer offers to everyone in the snapshot, addressed to their sessions', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su'], ['v', 'sv']);
  await settle();
  assert.deepEqual(world.offers().map(({ targetUserId, targetSessionId }) => [targetUserId, targetSessionId]), [['u', 'su'], ['v', 'sv']]);
});

test('after a newcomer joins, we wait for the offer and answer it', async () => {
  const world = makeMesh();
  world.join('u', 'su');
  await settle();
  assert.equal(FakePeerConnection.made.length, 0);
  world.mesh.offer('u', sdpOf(THEIRS));
  await settle();
  assert.deepEqual(world.sent.map(([name]) => name), ['voiceSdpAnswer']);
  FakePeerConnection.last.become('connected');
  mock.timers.tick(60_000);
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
});

test('if no offer comes, we offer', async () => {
  const world = makeMesh();
  world.join('u', 'su');
  mock.timers.tick(OFFER_WAIT_MS);
  await settle();
  assert.equal(world.offers().length, 1);
});

test('candidates that come before the offer are kept for it', async () => {
  const world = makeMesh();
  world.join('u', 'su');
  world.mesh.candidate('u', '{"candidate":"early","sdpMid":"0"}');
  world.mesh.offer('u', sdpOf(THEIRS));
  await settle();
  assert.deepEqual(FakePeerConnection.last.candidates.map(({ candidate }) => candidate), ['early']);
});

test('after a restart of the server, the side that is back later keeps a healthy connection', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'before']);
  await world.connect('u');
  world.snapshot(['u', 'after']);
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  assert.equal(world.offers().length, 1);
  world.mesh.setIceServers([], { renew: true });
  await settle();
  assert.equal(world.offers().at(-1).targetSessionId, 'after', 'and speaks to the new session');
});

test('after a restart of the server, the side that is back first keeps a healthy connection', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'before']);
  await world.connect('u');
  world.snapshot();
  assert.deepEqual(world.mesh.lingering, ['u']);
  mock.timers.tick(LINGER_MS - 1);
  world.join('u', 'after');
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual(world.mesh.lingering, []);
  assert.equal(FakePeerConnection.last.connectionState, 'connected');
  assert.equal(world.offers().length, 1);
});

test('a user that comes back after ten seconds and the longest pause between attempts is still connected', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'before']);
  await world.connect('u');
  world.mesh.left('u', 'VOICE_LEAVE_REASON_DISCONNECTED');
  mock.timers.tick(20_000);
  world.join('u', 'after');
  mock.timers.tick(60_000);
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  assert.equal(FakePeerConnection.last.connectionState, 'connected');
  assert.equal(world.offers().length, 1);
});

test('a user that does not come back is cut off when the time is over', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.left('u', 'VOICE_LEAVE_REASON_DISCONNECTED');
  assert.equal(FakePeerConnection.last.connectionState, 'connected');
  mock.timers.tick(LINGER_MS);
  assert.equal(FakePeerConnection.last.connectionState, 'closed');
});

test('a lingering user is cut off when the audio stops', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.left('u', 'VOICE_LEAVE_REASON_DISCONNECTED');
  FakePeerConnection.last.become('disconnected');
  assert.equal(FakePeerConnection.last.connectionState, 'closed');
  assert.deepEqual(world.mesh.lingering, []);
});

test('a user that left on purpose is cut off at once', async () => {
  for (const reason of ['LEFT', 'MOVED', 'KICKED']) {
    const world = makeMesh();
    world.snapshot(['u', 'su']);
    await world.connect('u');
    world.mesh.left('u', `VOICE_LEAVE_REASON_${reason}`);
    assert.equal(FakePeerConnection.last.connectionState, 'closed', reason);
  }
});

test('an offer from another connection replaces ours, and one from the same connection does not', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.offer('u', sdpOf(THEIRS));
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  world.mesh.offer('u', sdpOf(THEIRS + 1));
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(FakePeerConnection.made[0].connectionState, 'closed');
});

test('an answer from a connection that knows nothing of ours begins a new one', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.answer('u', sdpOf(THEIRS + 1));
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(world.offers().length, 2);
});

test('a failed connection restarts ICE, and a new one follows if that does not help', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  FakePeerConnection.last.become('failed');
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 1);
  FakePeerConnection.last.become('failed');
  mock.timers.tick(MAX_RECOVERY_DELAY_MS);
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
});

test('nothing is done about a failed connection while nothing can be sent', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.online = false;
  FakePeerConnection.last.become('failed');
  mock.timers.tick(60_000);
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  assert.equal(FakePeerConnection.last.iceRestarts, 0);
});

test('new ICE servers reach every connection, and restart ICE only on request', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  const servers = [{ urls: ['turn:x'] }];
  world.mesh.setIceServers(servers);
  await settle();
  assert.deepEqual(FakePeerConnection.last.configuration.iceServers, servers);
  assert.equal(FakePeerConnection.last.iceRestarts, 0);
  world.mesh.setIceServers(servers, { renew: true });
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 1);
});

/** ICE servers with credentials that expire so many seconds after the test began. */
const goodFor = (seconds) => [{ urls: ['stun:x'], username: '' }, { urls: ['turn:x'], username: `${seconds}:me` }];

test('credentials may say when they run out', () => {
  assert.equal(expiryOf([...goodFor(60), ...goodFor(30)]), 30_000);
  for (const servers of [[], [{ urls: ['stun:x'] }], [{ urls: ['turn:x'], username: 'me' }]]) assert.equal(expiryOf(servers), NaN);
});

test('new credentials restart ICE if audio goes through a relay of ours, and only then', async () => {
  const candidates = {
    relay: [{ candidateType: 'relay', relayProtocol: 'udp' }, 1],
    'seen by the other side through a relay': [{ candidateType: 'prflx', relayProtocol: 'udp' }, 1],
    direct: [{ candidateType: 'host' }, 0],
    'through a router': [{ candidateType: 'srflx' }, 0],
  };
  for (const [name, [candidate, restarts]] of Object.entries(candidates)) {
    const world = makeMesh();
    world.snapshot(['u', 'su']);
    await world.connect('u');
    FakePeerConnection.last.useCandidate(candidate);
    world.mesh.setIceServers(goodFor(60), { renew: true });
    await settle();
    assert.equal(FakePeerConnection.last.iceRestarts, restarts, name);
    assert.deepEqual(FakePeerConnection.last.configuration.iceServers, goodFor(60), name);
  }
});

test('credentials that came with a reply take over before those in use run out', async () => {
  const world = makeMesh();
  world.mesh.setIceServers(goodFor(60));
  world.snapshot(['u', 'su']);
  await world.connect('u');
  mock.timers.tick(20_000);
  world.mesh.setIceServers(goodFor(80));
  mock.timers.tick(10_000);
  world.mesh.setIceServers(goodFor(90));
  mock.timers.tick(22_000);
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 0);
  mock.timers.tick(1_000);
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 1, 'three quarters of the last 30 s');
  world.mesh.answer('u', sdpOf(THEIRS));
  await settle();
  mock.timers.tick(600_000);
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 1, 'from then on the server reminds us');
});

test('credentials that run out while nothing can be sent are replaced after the reconnection', async () => {
  const world = makeMesh();
  world.mesh.setIceServers(goodFor(60));
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.setIceServers(goodFor(60));
  world.online = false;
  mock.timers.tick(70_000);
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 0);
  world.online = true;
  world.mesh.setIceServers(goodFor(130));
  world.snapshot(['u', 'su-2']);
  mock.timers.tick(1);
  await settle();
  assert.equal(FakePeerConnection.last.iceRestarts, 1);
  assert.equal(world.offers().at(-1).targetSessionId, 'su-2');
});
