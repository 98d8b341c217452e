// What a mesh does about descriptions that are refused, silence, floods, and browsers without parts.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { MICROPHONE_WAIT_MS, RESTART_MS } from '../src/mesh.js';
import { OFFERS_AT_ONCE, OFFER_PAUSE_MS } from '../src/offer-gate.js';
import { ANSWER_WAIT_MS } from '../src/peer.js';
import { MAX_QUIET_RENEWALS, SILENT_MS } from '../src/watchdog.js';
import { FakePeerConnection, sdpOf, settle } from '../testing/fakes.js';
import { THEIRS, makeMesh } from '../testing/mesh-world.js';

beforeEach(() => {
  FakePeerConnection.made = [];
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
});
afterEach(() => mock.timers.reset());

const pass = (world, ms) => world.pass(ms, (step) => mock.timers.tick(step));
const open = () => FakePeerConnection.made.filter(({ connectionState }) => connectionState !== 'closed');

test('an answer that the browser refuses means a new connection at once', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  const old = FakePeerConnection.last;
  world.mesh.setIceServers([], { renew: true });
  await settle();
  old.refuse = true;
  world.mesh.answer('u', sdpOf(THEIRS));
  await settle();
  assert.equal(old.connectionState, 'closed');
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(world.offers().at(-1).sdp, FakePeerConnection.last.sdp);
  assert.equal(world.told('peererror').length, 1);
});

test('an offer that the browser refuses means a new connection at once', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  FakePeerConnection.last.refuse = true;
  world.mesh.offer('u', sdpOf(THEIRS));
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(world.offers().at(-1).sdp, FakePeerConnection.last.sdp);
});

test('new connections for refused descriptions are spaced', async () => {
  const world = makeMesh({ RTCPeerConnection: class extends FakePeerConnection { refuse = true; } });
  world.snapshot(['u', 'su']);
  for (let answer = 0; answer < 100; answer += 1) {
    await settle();
    world.mesh.answer('u', sdpOf(answer));
  }
  await settle();
  assert.ok(FakePeerConnection.made.length <= 5, String(FakePeerConnection.made.length));
  assert.ok(open().length <= 1);
});

test('while nothing can be sent a useless connection stays, and is replaced after the next join', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  FakePeerConnection.last.refuse = true;
  world.online = false;
  world.mesh.offer('u', sdpOf(THEIRS));
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  world.online = true;
  world.snapshot(['u', 'su-2']);
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
  assert.equal(world.offers().at(-1).targetSessionId, 'su-2');
});

test('a restart of ICE that is not answered means a new connection', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.setIceServers([], { renew: true });
  await settle();
  await pass(world, ANSWER_WAIT_MS - 500);
  assert.equal(FakePeerConnection.made.length, 1);
  await pass(world, 500);
  assert.equal(FakePeerConnection.made.length, 2);
});

test('an interrupted connection with an open offer is replaced instead of restarted', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  world.mesh.setIceServers([], { renew: true });
  await settle();
  FakePeerConnection.last.become('failed');
  await settle();
  assert.equal(FakePeerConnection.made.length, 2);
});

test('a restart of ICE that does not help is soon followed by a new connection', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  FakePeerConnection.last.become('failed');
  await settle();
  world.mesh.answer('u', sdpOf(THEIRS));
  await pass(world, RESTART_MS + 5_000);
  assert.equal(FakePeerConnection.made.length, 2);
});

test('no packet from somebody that is not muted means a new connection, and the state says so', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  await pass(world, 20_000);
  assert.equal(FakePeerConnection.made.length, 1, 'packets come');
  FakePeerConnection.last.silent = true;
  assert.equal(world.mesh.stateOf('u'), 'connected');
  await pass(world, SILENT_MS + 2_500);
  assert.equal(FakePeerConnection.made.length, 2);
  await world.connect('u', sdpOf(THEIRS + 1));
  assert.equal(world.mesh.stateOf('u'), 'silent', 'until packets come');
  await pass(world, 2_500);
  assert.equal(world.mesh.stateOf('u'), 'connected');
});

test('nobody misses the packets of somebody that is muted, deafened or gone', async () => {
  for (const flags of [{ muted: true }, { deafened: true }]) {
    const world = makeMesh();
    world.snapshot(['u', 'su']);
    Object.assign(world.roster.get('u'), flags);
    await world.connect('u');
    FakePeerConnection.last.silent = true;
    await pass(world, 60_000);
    assert.equal(world.mesh.stateOf('u'), 'connected');
    assert.equal(world.offers().length, 1);
  }
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  FakePeerConnection.last.silent = true;
  world.roster.delete('u');
  world.mesh.left('u', 'VOICE_LEAVE_REASON_DISCONNECTED');
  await pass(world, 20_000);
  assert.deepEqual(world.mesh.lingering, ['u']);
});

test('somebody that never sends and never speaks costs a few connections, and a speaker more', async () => {
  for (const [speaking, most, least] of [[false, 1 + MAX_QUIET_RENEWALS, 1 + MAX_QUIET_RENEWALS], [true, 12, 6]]) {
    FakePeerConnection.made = [];
    const world = makeMesh({ RTCPeerConnection: class extends FakePeerConnection { silent = true; } });
    world.snapshot(['u', 'su']);
    world.roster.get('u').speaking = speaking;
    let identity = THEIRS;
    for (let round = 0; round < 40; round += 1) {
      if (FakePeerConnection.last.connectionState === 'new') await world.connect('u', sdpOf(identity += 1));
      await pass(world, 10_000);
    }
    const made = FakePeerConnection.made.length;
    assert.ok(made >= least && made <= most, `${made} connections if speaking is ${speaking}`);
    assert.equal(world.mesh.stateOf('u'), 'silent');
  }
});

test('after a sleep of the computer nobody counts as silent at once', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await world.connect('u');
  await pass(world, 4_000);
  FakePeerConnection.last.silent = true;
  mock.timers.setTime(Date.now() + 3_600_000);
  await settle();
  await pass(world, 2_000);
  assert.equal(FakePeerConnection.made.length, 1);
});

test('floods of offers make a few connections, the latest offer wins, and others are left alone', async () => {
  const world = makeMesh();
  world.snapshot(['friend', 'sf']);
  await world.connect('friend');
  const friend = FakePeerConnection.last;
  world.join('flooder', 'sx');
  for (let offer = 1; offer <= 500; offer += 1) {
    world.mesh.offer('flooder', sdpOf(10_000 + offer));
    world.mesh.candidate('flooder', JSON.stringify({ candidate: `of ${offer}`, sdpMid: '0' }));
    mock.timers.tick(10);
    await settle();
  }
  const most = 1 + OFFERS_AT_ONCE + Math.ceil(5_000 / OFFER_PAUSE_MS);
  assert.ok(FakePeerConnection.made.length <= most, String(FakePeerConnection.made.length));
  await pass(world, OFFER_PAUSE_MS);
  assert.equal(FakePeerConnection.last.remoteDescription.sdp, sdpOf(10_500));
  assert.deepEqual(FakePeerConnection.last.candidates.map(({ candidate }) => candidate), ['of 500']);
  assert.deepEqual(open().length, 2, 'old connections are closed at once');
  assert.equal(friend.connectionState, 'connected');
});

test('the pace of offers outlives the stay of the one that sends them', async () => {
  const world = makeMesh();
  for (let stay = 0; stay < 50; stay += 1) {
    world.join('flooder', `s${stay}`);
    world.mesh.offer('flooder', sdpOf(10_000 + stay));
    await settle();
    world.roster.delete('flooder');
    world.mesh.left('flooder', 'VOICE_LEAVE_REASON_LEFT');
  }
  assert.equal(FakePeerConnection.made.length, OFFERS_AT_ONCE);
});

test('without RTCPeerConnection one event says so, for everybody', async () => {
  const world = makeMesh({ RTCPeerConnection: null });
  world.snapshot(['u', 'su'], ['v', 'sv']);
  world.join('w', 'sw');
  await pass(world, 60_000);
  assert.deepEqual(world.told('audiounavailable').map(({ userId, reason }) => [userId, reason]), [[null, 'unsupported']]);
  for (const userId of ['u', 'v', 'w']) assert.equal(world.mesh.stateOf(userId), 'unavailable');
  assert.deepEqual(world.sent, []);
});

test('a constructor that throws for one of three harms that one only', async () => {
  let calls = 0;
  class SometimesThrows extends FakePeerConnection {
    constructor(configuration) {
      calls += 1;
      if (calls === 2) throw new Error('no more');
      super(configuration);
    }
  }
  const world = makeMesh({ RTCPeerConnection: SometimesThrows });
  world.snapshot(['u', 'su'], ['v', 'sv'], ['w', 'sw']);
  await settle();
  assert.deepEqual(world.told('audiounavailable').map(({ userId, reason }) => [userId, reason]), [['v', 'failed']]);
  assert.deepEqual(world.offers().map(({ targetUserId }) => targetUserId), ['u', 'w']);
  assert.equal(world.mesh.stateOf('v'), 'unavailable');
  await pass(world, 5_000);
  assert.deepEqual(world.offers().map(({ targetUserId }) => targetUserId), ['u', 'w', 'v'], 'and is tried again');
  assert.equal(world.mesh.stateOf('v'), 'connecting');
});

test('when the microphone comes late, connections that are not up begin anew', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su'], ['v', 'sv']);
  await settle();
  world.mesh.answer('v', sdpOf(THEIRS));
  await settle();
  FakePeerConnection.last.become('connected');
  await pass(world, 5_000);
  world.mesh.setTrack({ kind: 'audio' });
  await pass(world, 500);
  assert.deepEqual(world.offers().map(({ targetUserId }) => targetUserId), ['u', 'v', 'u']);
  await pass(world, 5_000);
  world.mesh.setTrack({ kind: 'another' });
  await pass(world, 500);
  assert.equal(world.offers().length, 3, 'another microphone reveals no more addresses');
});

test('when the microphone comes at once, connections have the time to come up', async () => {
  const world = makeMesh();
  world.snapshot(['u', 'su']);
  await settle();
  world.mesh.setTrack({ kind: 'audio' });
  await pass(world, MICROPHONE_WAIT_MS - 500);
  assert.equal(FakePeerConnection.made.length, 1);
  await pass(world, 500);
  assert.equal(FakePeerConnection.made.length, 2);
});
