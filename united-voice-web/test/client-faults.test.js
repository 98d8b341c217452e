// What a client does about refusals, pages that come back, late news, and ways to the server.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { TRACKLESS_MS } from '../src/own-state.js';
import { BOB, admit, inChannel, makeClient, online, reconnect } from '../testing/client-world.js';
import { FakePeerConnection, FakeWebSocket, settle } from '../testing/fakes.js';

beforeEach(() => {
  FakePeerConnection.made = [];
  FakeWebSocket.made = [];
  mock.timers.enable({ apis: ['setTimeout'] });
});
afterEach(() => mock.timers.reset());

const CYD = { userId: 'cyd', displayName: 'Cyd', sessionId: 'cyd-1' };
const all = (name) => FakeWebSocket.last.all(name);
const refuse = (name, code) => FakeWebSocket.last.reply(name, 'voiceError', { code: `VOICE_ERROR_CODE_${code}`, channelId: 'general' });
const joins = (participant) => FakeWebSocket.last.receive({ voiceParticipantJoinedEvent: { channelId: 'general', participant } });

/** A track that the system can mute. */
class FakeTrack extends EventTarget {
  kind = 'audio';
  muted = false;
  readyState = 'live';

  become(muted) {
    this.muted = muted;
    this.dispatchEvent(new Event(muted ? 'mute' : 'unmute'));
  }
}

async function pass(ms) {
  for (let passed = 0; passed < ms; passed += 100) {
    mock.timers.tick(100);
    await settle();
  }
}

test('a leave that was refused for a while is asked again until the server knows', async () => {
  for (const code of ['RATE_LIMITED', 'UNAVAILABLE', 'INTERNAL']) {
    const { client } = await inChannel();
    client.leave();
    refuse('voiceLeaveRequest', code);
    await pass(500);
    assert.equal(all('voiceLeaveRequest').length, 2, code);
    FakeWebSocket.last.reply('voiceLeaveRequest', 'voiceLeaveEvent', { channelId: 'general', userId: 'me' });
    await pass(5_000);
    assert.equal(all('voiceLeaveRequest').length, 2);
    assert.equal(FakeWebSocket.last.closed, false);
  }
});

test('a leave that is refused again and again closes the connection within three seconds', async () => {
  const { client } = await inChannel();
  const socket = FakeWebSocket.last;
  client.leave();
  for (let tenth = 0; tenth < 30 && !socket.closed; tenth += 1) {
    refuse('voiceLeaveRequest', 'RATE_LIMITED');
    await pass(100);
  }
  assert.equal(socket.closed, true);
  await pass(10_000);
  assert.deepEqual(all('voiceJoinRequest'), []);
});

test('a leave that was refused for good, or overtaken by a join, is not asked again', async () => {
  const gone = await inChannel();
  gone.client.leave();
  refuse('voiceLeaveRequest', 'NOT_IN_CHANNEL');
  await pass(5_000);
  assert.equal(all('voiceLeaveRequest').length, 1);

  const { client } = await inChannel();
  client.leave();
  refuse('voiceLeaveRequest', 'RATE_LIMITED');
  await settle();
  const joined = client.join('general');
  await pass(1_000);
  assert.equal(all('voiceLeaveRequest').length, 1, 'while the join is under way');
  admit('general', 'me-1');
  await joined;
  await pass(5_000);
  assert.equal(all('voiceLeaveRequest').length, 1);
  assert.equal(client.channelId, 'general');
});

test('a leave that is owed does not end the connection while a join takes its time', async () => {
  const { client } = await inChannel();
  client.leave();
  refuse('voiceLeaveRequest', 'RATE_LIMITED');
  await settle();
  const joined = client.join('lounge');
  await pass(9_000);
  admit('lounge', 'me-2');
  assert.equal((await joined).channelId, 'lounge');
  assert.equal(FakeWebSocket.made.length, 1);
});

test('a leave is still owed if the join after it is refused', async () => {
  const { client } = await inChannel();
  client.leave();
  refuse('voiceLeaveRequest', 'UNAVAILABLE');
  await settle();
  const joined = assert.rejects(client.join('lounge'), { code: 'CHANNEL_FULL' });
  await pass(1_000);
  refuse('voiceJoinRequest', 'CHANNEL_FULL');
  await joined;
  await pass(2_000);
  assert.deepEqual(all('voiceLeaveRequest').map(({ channelId }) => channelId), ['general', 'general']);
});

test('speaking is told again after a refusal that may pass', async () => {
  const { client } = await inChannel([]);
  client.setTrack(new FakeTrack());
  client.setSpeaking(true);
  refuse('voiceSpeakingEvent', 'RATE_LIMITED');
  await pass(2_000);
  assert.deepEqual(all('voiceSpeakingEvent').map(({ speaking }) => speaking), [true, true]);
  client.setSpeaking(false);
  await pass(300);
  refuse('voiceSpeakingEvent', 'RATE_LIMITED');
  client.setSpeaking(true);
  await pass(2_000);
  assert.deepEqual(all('voiceSpeakingEvent').map(({ speaking }) => speaking), [true, true, false, true]);
});

test('somebody that joins while the user speaks is told within a second, and a crowd at the same pace', async () => {
  const { client } = await inChannel([]);
  const told = () => all('voiceSpeakingEvent').map(({ speaking }) => speaking);
  client.setTrack(new FakeTrack());
  const { send } = FakeWebSocket.last;
  FakeWebSocket.last.send = function echo(text) {
    send.call(this, text);
    queueMicrotask(() => this.receive(this.sent.at(-1)));
  };
  joins(BOB);
  await pass(1_000);
  assert.deepEqual(told(), []);
  client.setSpeaking(true);
  await pass(5_000);
  joins(CYD);
  await pass(1_000);
  assert.deepEqual(told(), [true, true]);
  for (let index = 0; index < 50; index += 1) {
    joins({ userId: `u${index}`, sessionId: `s${index}` });
    await pass(100);
  }
  assert.ok(told().length <= 2 + 1 + 5 * 4, `${told().length} messages in 5 s`);
  joins({ userId: 'last', sessionId: 'last' });
  client.setSpeaking(false);
  await pass(1_000);
  assert.equal(told().at(-1), false, 'the end is told as well');
});

test('a second join over one connection does not forget who speaks', async () => {
  const { client } = await inChannel([BOB, CYD]);
  for (const userId of ['bob', 'cyd']) FakeWebSocket.last.receive({ voiceSpeakingEvent: { channelId: 'general', userId, speaking: true } });
  const again = client.join('general');
  admit('general', 'me-1', [BOB, { ...CYD, sessionId: 'cyd-2' }]);
  await again;
  assert.deepEqual(client.participants.map(({ speaking }) => speaking), [true, false]);
});

/** Answers every state update so far, and returns the last `muted` that the server knows. */
async function mutedAtServer() {
  for (let last = ''; all('voiceStateUpdate').length > 0 && all('voiceStateUpdate').at(-1).requestId !== last;) {
    last = all('voiceStateUpdate').at(-1).requestId;
    FakeWebSocket.last.reply('voiceStateUpdate', 'voiceStateUpdate', { channelId: 'general', userId: 'me' });
    await pass(100);
  }
  return all('voiceStateUpdate').at(-1)?.muted ?? false;
}

test('while the system mutes the track, the others see a muted user that does not speak', async () => {
  const { client } = await inChannel([]);
  const track = new FakeTrack();
  client.setTrack(track);
  client.setSpeaking(true);
  await pass(500);
  assert.equal(await mutedAtServer(), false);
  track.become(true);
  await pass(500);
  assert.equal(await mutedAtServer(), true);
  assert.equal(all('voiceSpeakingEvent').at(-1).speaking, false);
  assert.equal(client.muted, false, 'it is not what the user wants');
  track.become(false);
  await pass(500);
  assert.equal(await mutedAtServer(), false);
  assert.equal(all('voiceSpeakingEvent').at(-1).speaking, true);
});

test('a user without a track is muted, after the microphone had the time to start', async () => {
  const { client } = await inChannel([]);
  await pass(TRACKLESS_MS - 200);
  assert.deepEqual(all('voiceStateUpdate'), []);
  await pass(300);
  assert.equal(await mutedAtServer(), true);
  client.setTrack(new FakeTrack());
  await pass(100);
  assert.equal(await mutedAtServer(), false);
  client.leave();
  client.setTrack(null);
  await pass(5_000);
  const before = all('voiceStateUpdate').length;
  const joined = client.join('general');
  admit('general', 'me-2');
  await joined;
  client.setTrack(new FakeTrack());
  await pass(5_000);
  assert.equal(all('voiceStateUpdate').length, before, 'a microphone that starts in time mutes nobody');
});

test('without RTCPeerConnection a join resolves, the roster shows, and an event says why there is no audio', async () => {
  const { client, events } = await inChannel([BOB], { RTCPeerConnection: class { constructor() { throw new Error('disabled'); } } });
  assert.deepEqual(client.participants.map(({ userId, connection }) => [userId, connection]), [['bob', 'unavailable']]);
  joins(CYD);
  const [[, { userId, reason, error }]] = events.filter(([type]) => type === 'audiounavailable');
  assert.deepEqual([userId, reason, error.message], ['bob', 'failed', 'disabled']);
  assert.equal(FakeWebSocket.made.length, 1);
});

/** A page of which a test decides whether it is seen. */
function makePage() {
  const page = { document: new EventTarget(), window: new EventTarget() };
  page.document.visibilityState = 'visible';
  return page;
}

test('whatever brings a page back makes the client look after its connection, in a channel or not', async () => {
  const ways = {
    visibilitychange: 'document', resume: 'document', online: 'window', pageshow: 'window',
  };
  for (const [type, target] of Object.entries(ways)) {
    const page = makePage();
    const { client } = makeClient({ page });
    await online();
    FakeWebSocket.last.lose(1006);
    const before = FakeWebSocket.made.length;
    page[target].dispatchEvent(new Event(type));
    await settle();
    assert.equal(FakeWebSocket.made.length, before + 1, type);
    client.close();
    page[target].dispatchEvent(new Event(type));
    await settle();
    assert.equal(FakeWebSocket.made.length, before + 1, 'after the close nobody listens');
  }
});

test('a page that is hidden is none that comes back', async () => {
  const page = makePage();
  makeClient({ page });
  await online();
  FakeWebSocket.last.lose(1006);
  page.document.visibilityState = 'hidden';
  page.document.dispatchEvent(new Event('visibilitychange'));
  await settle();
  assert.equal(FakeWebSocket.made.length, 1);
});

test('a frozen page is out of the channel, and back in it when it goes on, with the audio it had', async () => {
  const page = makePage();
  const { client } = await inChannel([BOB], { page });
  FakePeerConnection.last.become('connected');
  page.document.dispatchEvent(new Event('freeze'));
  assert.equal(FakeWebSocket.last.closed, true);
  assert.equal(client.channelId, 'general');
  page.document.dispatchEvent(new Event('resume'));
  await online();
  admit('general', 'me-2', [{ ...BOB }]);
  await settle();
  assert.equal(client.participants[0].connection, 'connected');
  assert.equal(FakePeerConnection.made.length, 1);
});

test('a host decides how the token reaches the server', async () => {
  const cases = [
    [{ token: 'secret' }, 'ws://host/ws?access_token=secret', []],
    [{ token: undefined }, 'ws://host/ws', []],
    [{ token: 'secret', authorize: (url, token) => { url.searchParams.set('jwt', token); } }, 'ws://host/ws?jwt=secret', []],
    [{ token: 'secret', authorize: (url, token) => `${url}/${token}` }, 'ws://host/ws/secret', []],
    [{ token: 'secret', authorize: (_url, token) => ({ protocols: [`bearer.${token}`] }) }, 'ws://host/ws', ['bearer.secret']],
    [{ token: async () => ({ userId: 'me' }) }, 'ws://host/ws', []],
  ];
  for (const [options, url, protocols] of cases) {
    makeClient(options);
    await settle();
    assert.deepEqual([FakeWebSocket.last.url, FakeWebSocket.last.protocols], [url, ['united.voice.v1.json', ...protocols]]);
  }
});

test('a transport of the host carries a call, and a lost one is followed by another', async () => {
  const made = [];
  const transport = ({ renew }) => {
    const one = { renew, state: 'open', sent: [], closed: false, onopen: null, onmessage: null, onclose: null };
    one.send = (envelope) => one.sent.push(envelope);
    one.close = () => { one.closed = true; };
    made.push(one);
    return one;
  };
  const { client } = makeClient({ url: undefined, token: undefined, transport });
  const answer = async (sessionId) => {
    const request = made.at(-1).sent.find((envelope) => envelope.voiceJoinRequest);
    made.at(-1).onmessage({ requestId: 'not voice', chat: { text: 'hello' } });
    made.at(-1).onmessage({ requestId: request.requestId, chatSeq: 7, voiceJoinResponse: { channelId: 'general', sessionId, participants: [BOB] } });
    await settle();
  };
  const joined = client.join('general');
  await settle();
  await answer('me-1');
  await joined;
  assert.deepEqual(client.participants.map(({ userId }) => userId), ['bob']);
  made[0].onclose();
  await pass(1_000);
  assert.equal(made.length, 2);
  await answer('me-2');
  assert.equal(client.sessionId, 'me-2');
  client.close();
  assert.equal(made[1].closed, true);
  assert.ok(made[1].sent.some((envelope) => envelope.voiceLeaveRequest));
});

test('after a reconnection nothing of an earlier leave is left', async () => {
  const { client } = await inChannel();
  client.leave();
  refuse('voiceLeaveRequest', 'RATE_LIMITED');
  await reconnect();
  await pass(5_000);
  assert.deepEqual(all('voiceLeaveRequest'), []);
});
