import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Peer, dtlsRole, isPolite, parseCandidate, remoteIdentity } from '../src/peer.js';
import { FakePeerConnection, sdpOf, settle } from '../testing/fakes.js';

beforeEach(() => {
  FakePeerConnection.made = [];
  mock.timers.enable({ apis: ['setTimeout'] });
});
afterEach(() => mock.timers.reset());

function makePeer({ polite = false, track = null, initiator = true } = {}) {
  const sent = [];
  const peer = new Peer({
    userId: 'u', sessionId: 's', initiator, configuration: {}, track,
    RTCPeerConnection: FakePeerConnection,
    hooks: { send: (_, kind, text) => sent.push([kind, text]), polite: () => polite, changed() {}, track() {}, iceError() {}, stepFailed() {}, stuck() {} },
  });
  return { peer, sent, pc: FakePeerConnection.last };
}

test('exactly one of two sessions is polite', () => {
  for (const [one, other] of [['a', 'b'], ['10', '9'], ['x-1', 'x-2']]) assert.notEqual(isPolite(one, other), isPolite(other, one));
});

test('a description identifies its connection, even if the rest of it changes', () => {
  const renegotiated = `${sdpOf(7).replace(' 2 IN', ' 3 IN')}a=ice-ufrag:new\r\n`;
  assert.equal(remoteIdentity(sdpOf(7)), remoteIdentity(renegotiated));
  assert.notEqual(remoteIdentity(sdpOf(7)), remoteIdentity(sdpOf(8)));
  assert.notEqual(remoteIdentity(sdpOf(7)), remoteIdentity(sdpOf(7).replace('AA:', 'BB:')));
});

test('candidates have many shapes', () => {
  assert.deepEqual(parseCandidate('{"candidate":"c","sdpMid":"0"}'), { candidate: 'c', sdpMid: '0' });
  assert.deepEqual(parseCandidate('{"candidate":"c"}'), { candidate: 'c', sdpMLineIndex: 0 });
  for (const json of ['null', '""', '{"candidate":""}', '{}', 'not json', '7']) assert.equal(parseCandidate(json), null, json);
});

test('an offer and its answer are one negotiation, and the track is sent', async () => {
  const track = { kind: 'audio' };
  const { peer, sent, pc } = makePeer({ track });
  peer.start();
  await settle();
  assert.deepEqual(sent, [['offer', pc.sdp]]);
  assert.equal(pc.transceivers[0].sender.track, track);
  peer.receiveAnswer(sdpOf(1));
  await settle();
  assert.equal(peer.negotiations, 1);
  assert.equal(pc.signalingState, 'stable');
});

test('an offer is answered, and audio goes both ways', async () => {
  const track = { kind: 'audio' };
  const { peer, sent, pc } = makePeer({ track, initiator: false });
  peer.receiveOffer(sdpOf(1));
  await settle();
  assert.deepEqual(sent, [['answer', pc.sdp]]);
  assert.equal(pc.transceivers[0].direction, 'sendrecv');
  assert.equal(pc.transceivers[0].sender.track, track);
  assert.equal(peer.negotiations, 1);
});

test('candidates that come before the description wait for it', async () => {
  const { peer, pc } = makePeer();
  peer.start();
  for (const name of ['one', 'two']) peer.receiveCandidate(JSON.stringify({ candidate: name, sdpMid: '0' }));
  await settle();
  assert.equal(pc.candidates.length, 0);
  peer.receiveAnswer(sdpOf(1));
  peer.receiveCandidate(JSON.stringify({ candidate: 'three', sdpMid: '0' }));
  await settle();
  assert.deepEqual(pc.candidates.map(({ candidate }) => candidate), ['one', 'two', 'three']);
});

test('when both offer, the polite side gives way and the other does not', async () => {
  for (const polite of [true, false]) {
    const { peer, sent, pc } = makePeer({ polite });
    peer.start();
    await settle();
    peer.receiveOffer(sdpOf(1));
    await settle();
    assert.deepEqual(sent.map(([kind]) => kind), polite ? ['offer', 'answer'] : ['offer']);
    assert.equal(pc.signalingState, polite ? 'stable' : 'have-local-offer');
    assert.equal(pc.getTransceivers().length, 1, 'one audio line only');
  }
});

test('a track that comes later needs no negotiation', async () => {
  const { peer, sent, pc } = makePeer();
  peer.start();
  await settle();
  peer.setTrack({ kind: 'audio', id: 'late' });
  await settle();
  assert.equal(pc.transceivers[0].sender.track.id, 'late');
  assert.equal(sent.length, 1);
});

test('an offer without an answer is sent again after the session changed', async () => {
  const { peer, sent } = makePeer();
  peer.start();
  await settle();
  peer.resume();
  await settle();
  assert.deepEqual(sent.map(([kind]) => kind), ['offer', 'offer']);
  assert.equal(sent[0][1], sent[1][1]);
});

test('a closed peer sends and does nothing more', async () => {
  const { peer, sent, pc } = makePeer();
  peer.start();
  peer.close();
  peer.receiveOffer(sdpOf(1));
  await settle();
  assert.deepEqual(sent, []);
  assert.equal(pc.connectionState, 'closed');
});

test('a role follows from an answer, on either side', () => {
  assert.equal(dtlsRole('v=0\r\na=setup:active\r\n', true), 'active');
  assert.equal(dtlsRole('v=0\r\na=setup:active\r\n', false), 'passive');
  assert.equal(dtlsRole('v=0\r\na=setup:passive\r\n', false), 'active');
  assert.equal(dtlsRole('v=0\r\n', true), '');
});

test('the first offer leaves the role open, and an offer after that names it', async () => {
  const { peer, sent, pc } = makePeer();
  pc.setup = 'a=setup:actpass\r\n';
  peer.start();
  await settle();
  peer.receiveAnswer(`${sdpOf(1)}a=setup:passive\r\n`);
  peer.restartIce();
  await settle();
  const roles = sent.map(([, sdp]) => /a=setup:(\w+)/.exec(sdp)[1]);
  assert.deepEqual(roles, ['actpass', 'active']);
});

test('the candidates that wait for a description are bounded', async () => {
  const { peer, pc } = makePeer({ initiator: false });
  for (let index = 0; index < 1_000; index += 1) {
    peer.receiveCandidate('{"candidate":"c"}');
    if (index % 100 === 0) await settle();
  }
  peer.receiveOffer(sdpOf(1));
  await settle();
  assert.equal(pc.candidates.length, 128);
});
