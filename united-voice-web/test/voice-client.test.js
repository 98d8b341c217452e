import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { BOB, admit, inChannel, makeClient, online, reconnect } from '../testing/client-world.js';
import { FakePeerConnection, FakeWebSocket, sdpOf, settle } from '../testing/fakes.js';

beforeEach(() => {
  FakePeerConnection.made = [];
  FakeWebSocket.made = [];
  mock.timers.enable({ apis: ['setTimeout'] });
});
afterEach(() => mock.timers.reset());

test('the token goes into the address', async () => {
  makeClient();
  await settle();
  assert.equal(FakeWebSocket.last.url, 'ws://host/ws?access_token=secret');
});

test('a join without a connection waits for one', async () => {
  const { client } = makeClient();
  const joined = client.join('general');
  await online();
  admit('general', 'me-1');
  assert.deepEqual(await joined, { channelId: 'general', qualityWarning: false });
  assert.equal(client.channelId, 'general');
  assert.equal(client.userId, 'me');
});

test('joined and left events keep the roster, in joining order', async () => {
  const { client } = await inChannel();
  FakeWebSocket.last.receive({ voiceParticipantJoinedEvent: { channelId: 'general', participant: { userId: 'cyd', displayName: 'Cyd', sessionId: 'cyd-1' } } });
  assert.deepEqual(client.participants.map(({ userId }) => userId), ['bob', 'cyd']);
  FakeWebSocket.last.receive({ voiceStateUpdate: { channelId: 'general', userId: 'cyd', muted: true } });
  FakeWebSocket.last.receive({ voiceSpeakingEvent: { channelId: 'general', userId: 'bob', speaking: true } });
  assert.deepEqual(client.participants.map(({ muted, speaking }) => [muted, speaking]), [[false, true], [true, false]]);
  FakeWebSocket.last.receive({ voiceLeaveEvent: { channelId: 'general', userId: 'bob', sessionId: 'an older one' } });
  assert.equal(client.participants.length, 2, 'the end of an older session is not the end of this one');
  FakeWebSocket.last.receive({ voiceLeaveEvent: { channelId: 'general', userId: 'bob', sessionId: 'bob-1', reason: 'VOICE_LEAVE_REASON_LEFT' } });
  assert.deepEqual(client.participants.map(({ userId }) => userId), ['cyd']);
});

test('after a refused join the user is still in the present channel', async () => {
  const { client } = await inChannel();
  const refused = assert.rejects(client.join('lounge'), { code: 'CHANNEL_FULL' });
  FakeWebSocket.last.reply('voiceJoinRequest', 'voiceError', { code: 'VOICE_ERROR_CODE_CHANNEL_FULL', channelId: 'lounge' });
  await refused;
  assert.equal(client.channelId, 'general');
  await reconnect();
  assert.equal(FakeWebSocket.last.all('voiceJoinRequest')[0].channelId, 'general', 'also after the connection is lost');
});

test('a move closes even healthy connections of the old channel', async () => {
  const { client } = await inChannel();
  FakePeerConnection.last.become('connected');
  const moved = client.join('lounge');
  admit('lounge', 'me-2');
  await moved;
  assert.deepEqual(client.participants, []);
  assert.equal(FakePeerConnection.made[0].connectionState, 'closed');
});

test('after a lost connection the client joins again, and does not touch audio that flows', async () => {
  const { client, events } = await inChannel();
  FakeWebSocket.last.receive({ voiceSdpAnswer: { channelId: 'general', senderUserId: 'bob', senderSessionId: 'bob-1', targetSessionId: 'me-1', sdp: sdpOf(1) } });
  await settle();
  FakePeerConnection.last.become('connected');
  await reconnect();
  assert.equal(client.channelId, 'general');
  admit('general', 'me-2', [{ ...BOB, sessionId: 'bob-2' }]);
  await settle();
  assert.equal(FakePeerConnection.made.length, 1);
  assert.deepEqual(FakeWebSocket.last.all('voiceSdpOffer'), []);
  assert.deepEqual(client.participants.map(({ sessionId, connection }) => [sessionId, connection]), [['bob-2', 'connected']]);
  assert.deepEqual(events.map(([type, { reason }]) => [type, reason]), [['channel', 'joined'], ['channel', 'rejoined']]);
});

test('a join that is refused after a reconnection ends the call, and the error says why', async () => {
  const { client, events } = await inChannel();
  await reconnect();
  FakeWebSocket.last.reply('voiceJoinRequest', 'voiceError', { code: 'VOICE_ERROR_CODE_FORBIDDEN', channelId: 'general' });
  await settle();
  assert.equal(client.channelId, null);
  assert.equal(events.find(([type]) => type === 'error')[1].error.code, 'FORBIDDEN');
  assert.equal(FakePeerConnection.made[0].connectionState, 'closed');
});

test('a user that left, was kicked or was replaced does not come back by itself', async () => {
  const own = { channelId: 'general', userId: 'me', sessionId: 'me-1' };
  const ways = {
    left: (client) => client.leave(),
    kicked: () => FakeWebSocket.last.receive({ voiceLeaveEvent: { ...own, reason: 'VOICE_LEAVE_REASON_KICKED' } }),
    replaced: () => FakeWebSocket.last.receive({ voiceError: { code: 'VOICE_ERROR_CODE_SESSION_REPLACED', channelId: 'general' } }),
  };
  for (const [reason, happen] of Object.entries(ways)) {
    const { client, events } = await inChannel();
    happen(client);
    assert.equal(client.channelId, null, reason);
    assert.equal(events.findLast(([type]) => type === 'channel')[1].reason, reason);
    await reconnect();
    assert.deepEqual(FakeWebSocket.last.all('voiceJoinRequest'), [], reason);
  }
});

test('a user that leaves before the reply to the join stays out', async () => {
  const { client } = makeClient();
  await online();
  client.join('general').catch(() => {});
  client.leave();
  admit('general', 'me-1', [BOB]);
  await settle();
  assert.equal(client.channelId, null);
  assert.equal(FakePeerConnection.made.length, 0);
  assert.equal(FakeWebSocket.last.all('voiceLeaveRequest').length, 1);
});

test('messages from another session, to another session, or from a stranger are ignored', async () => {
  await inChannel([]);
  FakeWebSocket.last.receive({ voiceParticipantJoinedEvent: { channelId: 'general', participant: BOB } });
  const offer = { channelId: 'general', senderUserId: 'bob', senderSessionId: 'bob-1', targetSessionId: 'me-1', sdp: sdpOf(1) };
  for (const wrong of [{ senderSessionId: 'bob-0' }, { targetSessionId: 'me-0' }, { senderUserId: 'eve' }, { channelId: 'lounge' }]) {
    FakeWebSocket.last.receive({ voiceSdpOffer: { ...offer, ...wrong } });
    await settle();
    assert.equal(FakePeerConnection.made.length, 0, JSON.stringify(wrong));
  }
  FakeWebSocket.last.receive({ voiceSdpOffer: offer });
  await settle();
  assert.equal(FakeWebSocket.last.all('voiceSdpAnswer')[0].targetSessionId, 'bob-1');
});

test('mute and deafen are told, and told again after a reconnection', async () => {
  const { client } = await inChannel([]);
  client.setDeafened(true);
  assert.deepEqual(FakeWebSocket.last.all('voiceStateUpdate').map(({ muted, deafened }) => [muted, deafened]), [[true, true]]);
  FakeWebSocket.last.reply('voiceStateUpdate', 'voiceStateUpdate', { channelId: 'general', userId: 'me', muted: true, deafened: true });
  await reconnect();
  admit('general', 'me-2');
  assert.equal(FakeWebSocket.last.all('voiceStateUpdate').length, 1);
});

test('a session that is unmuted sends no state', async () => {
  await inChannel([]);
  assert.deepEqual(FakeWebSocket.last.all('voiceStateUpdate'), []);
});

test('a state that changes during its request is told once more', async () => {
  const { client } = await inChannel([]);
  client.setMuted(true);
  client.setMuted(false);
  client.setMuted(true);
  client.setMuted(false);
  FakeWebSocket.last.reply('voiceStateUpdate', 'voiceStateUpdate', {});
  await settle();
  mock.timers.tick(1);
  assert.deepEqual(FakeWebSocket.last.all('voiceStateUpdate').map(({ muted }) => muted), [true, false]);
});

test('a state is told again after a refusal that may pass, and not after another', async () => {
  for (const [code, times] of [['RATE_LIMITED', 2], ['FORBIDDEN', 1]]) {
    const { client } = await inChannel([]);
    client.setMuted(true);
    FakeWebSocket.last.reply('voiceStateUpdate', 'voiceError', { code: `VOICE_ERROR_CODE_${code}`, channelId: 'general' });
    await settle();
    mock.timers.tick(1_000);
    assert.equal(FakeWebSocket.last.all('voiceStateUpdate').length, times, code);
  }
});

test('only changes of speaking are told, at most four a second', async () => {
  const { client } = await inChannel([]);
  const told = () => FakeWebSocket.last.all('voiceSpeakingEvent').map(({ speaking }) => speaking);
  for (const speaking of [true, true, false, true, false]) client.setSpeaking(speaking);
  assert.deepEqual(told(), [true]);
  mock.timers.tick(250);
  assert.deepEqual(told(), [true, false]);
  mock.timers.tick(1_000);
  assert.deepEqual(told(), [true, false]);
});

test('ICE servers that come unasked restart ICE', async () => {
  await inChannel();
  const pc = FakePeerConnection.last;
  const iceServers = [{ urls: ['turn:x'], username: 'u', credential: 'c' }];
  FakeWebSocket.last.receive({ requestId: '', voiceIceServersResponse: { channelId: 'general', iceServers } });
  await settle();
  assert.equal(pc.iceRestarts, 1);
  assert.deepEqual(pc.configuration.iceServers, iceServers);
});

test('if the reply to a join does not come, another connection is opened', async () => {
  const { client } = makeClient();
  await online();
  const asked = client.join('general');
  asked.catch(() => {});
  const silent = FakeWebSocket.last;
  mock.timers.tick(10_000);
  await settle();
  assert.equal(silent.closed, true);
});

test('a join that the connection did not outlive changes nothing, and is not made up for', async () => {
  for (const present of [null, 'general']) {
    FakeWebSocket.made = [];
    const { client } = present ? await inChannel([]) : makeClient();
    if (!present) await online();
    const asked = assert.rejects(client.join('lounge'), { code: 'OFFLINE' });
    await reconnect();
    await asked;
    const rejoined = FakeWebSocket.last.all('voiceJoinRequest').map(({ channelId }) => channelId);
    assert.deepEqual(rejoined, present ? [present] : []);
    client.close();
  }
});

test('a join that waits for a connection outlives one that does not answer', async () => {
  const { client } = makeClient();
  const joined = client.join('general');
  joined.catch(() => {});
  await online();
  mock.timers.tick(10_000);
  await settle();
  mock.timers.tick(1_000);
  await online();
  admit('general', 'me-1');
  assert.equal((await joined).channelId, 'general');
});

test('if the reply to speaking does not come, another connection is opened', async () => {
  const { client } = await inChannel([]);
  const silent = FakeWebSocket.last;
  client.setSpeaking(true);
  mock.timers.tick(9_999);
  assert.equal(silent.closed, false);
  mock.timers.tick(1);
  assert.equal(silent.closed, true);
});

test('the stats of a lingering user go on', async () => {
  const { client } = await inChannel();
  FakePeerConnection.last.become('connected');
  FakeWebSocket.last.receive({ voiceLeaveEvent: { channelId: 'general', userId: 'bob', sessionId: 'bob-1', reason: 'VOICE_LEAVE_REASON_EVICTED' } });
  assert.deepEqual(client.participants, []);
  const [{ displayName, sessionId, connectionState }] = await client.stats();
  assert.deepEqual([displayName, sessionId, connectionState], ['Bob', 'bob-1', 'connected']);
});

test('a message with values of a wrong type is handled to its end', async () => {
  const { client } = await inChannel([]);
  const participants = [null, 5, { userId: 'cyd', displayName: null, sessionId: 'cyd-1', muted: 'yes' }];
  FakeWebSocket.last.receive({ requestId: '', voiceJoinResponse: { channelId: 'general', sessionId: 'me-1', participants, iceServers: [null, { urls: 5 }] } });
  assert.deepEqual(client.participants.map(({ userId, displayName, muted }) => [userId, displayName, muted]), [['cyd', '', false]]);
  FakeWebSocket.last.receive({ requestId: '', voiceParticipantJoinedEvent: { channelId: 'general', participant: 'dan' } });
  FakeWebSocket.last.receive({ requestId: '', voiceSdpOffer: { channelId: 'general', senderUserId: 'cyd', senderSessionId: 'cyd-1', sdp: {} } });
  await settle();
  assert.equal(client.participants.length, 1);
});
