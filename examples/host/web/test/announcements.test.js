import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

const place = { textContent: '' };
globalThis.document = { getElementById: (id) => (id === 'announcements' ? place : null) };
const { Announcements } = await import('../announcements.js');
const { setPreferences } = await import('../preferences.js');

/** An audio graph that records the tones: their frequencies and when they sound. */
class FakeContext {
  state = 'running';
  currentTime = 5;
  destination = {};
  tones = [];

  createGain() { return { gain: {}, connect() {}, disconnect() {} }; }

  createOscillator() {
    const tone = { frequency: {}, connect() {}, start(at) { this.from = at; }, stop(at) { this.to = at; } };
    this.tones.push(tone);
    return tone;
  }
}

let client;
let context;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  place.textContent = '';
  setPreferences({ sounds: true });
  client = new EventTarget();
  context = new FakeContext();
  new Announcements(client, context);
});
afterEach(() => mock.timers.reset());

const happens = (type, detail) => client.dispatchEvent(new CustomEvent(type, { detail }));
const comes = (userId, displayName = userId) => happens('participantjoined', { participant: { userId, displayName } });
const goes = (userId, displayName = userId) => happens('participantleft', { participant: { userId, displayName } });
const said = () => {
  mock.timers.tick(700);
  return place.textContent.replaceAll(/[\u2068\u2069]/g, '');
};
const pitches = () => context.tones.map(({ frequency }) => frequency.value);

test('who comes is said with tones that rise, and who goes with tones that fall', () => {
  comes('Ada');
  assert.deepEqual([place.textContent, pitches()], ['', []], 'others may come at the same moment');
  assert.equal(said(), 'Ada joined.');
  const [low, high] = pitches();
  assert.ok(low < high);
  goes('Ada');
  assert.equal(said(), 'Ada left.');
  const [, , from, to] = pitches();
  assert.ok(from > to);
});

test('the tones of a sound follow each other, and each of them ends', () => {
  comes('Ada');
  said();
  const [first, second] = context.tones;
  assert.deepEqual([first.from, second.from], [5, first.to]);
  assert.ok(first.from < first.to && second.from < second.to);
});

test('several that come and go at once are one announcement and one sound', () => {
  for (const name of ['Ada', 'Bea']) comes(name);
  goes('Cem');
  assert.equal(said(), 'Ada and Bea joined. Cem left.');
  assert.equal(context.tones.length, 2);
});

test('who is away for a moment only has neither come nor gone', () => {
  goes('Ada');
  comes('Ada');
  comes('Bea');
  goes('Bea');
  assert.deepEqual([said(), pitches()], ['', []]);
});

test('two people may have the same name', () => {
  goes('1', 'Ada');
  comes('2', 'Ada');
  assert.equal(said(), 'Ada joined. Ada left.');
});

test('what happened in a channel is not said in the next one', () => {
  comes('Ada');
  happens('channel', { channelId: 'lounge' });
  assert.equal(said(), '');
});

test('without sounds the words remain: by choice, without an audio graph, or while the browser holds it back', () => {
  setPreferences({ sounds: false });
  comes('Ada');
  assert.deepEqual([said(), pitches()], ['Ada joined.', []]);
  setPreferences({ sounds: true });
  context.state = 'suspended';
  comes('Bea');
  assert.deepEqual([said(), pitches()], ['Bea joined.', []]);
  client = new EventTarget();
  new Announcements(client, null);
  comes('Cem');
  assert.equal(said(), 'Cem joined.');
});
