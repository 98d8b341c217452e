import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, beginning, identityFor } from '../session.js';

class FakeStore {
  #stored = new Map();
  get(key) { return JSON.parse(this.#stored.get(key) ?? 'null'); }
  set(key, value) { this.#stored.set(key, JSON.stringify(value)); }
}

test('a name keeps its keys in a tab, and no two names or tabs share any', () => {
  const tab = new FakeStore();
  const ada = identityFor('Ada', tab);
  assert.deepEqual(identityFor('Ada', tab), ada);
  const all = [ada, identityFor('Bea', tab), identityFor('Ada', new FakeStore())];
  const keys = all.flatMap(({ loginKey, pubkey }) => [loginKey, pubkey]);
  assert.equal(new Set(keys).size, 6);
  for (const { loginKey } of all) assert.match(loginKey, /^[\w-]{43}$/);
});

test('a name may be a word that objects know', () => {
  const tab = new FakeStore();
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const keys = identityFor(name, tab);
    assert.match(keys.loginKey, /^[\w-]{43}$/);
    assert.deepEqual(identityFor(name, tab), keys);
  }
});

const link = (query) => new URLSearchParams(query);
const last = { name: 'Ada', channelId: 'lounge', muted: true, deafened: false };

test('a link invites, and a reload of it does not', () => {
  assert.deepEqual(beginning(link('name=Ada&channel=general'), null, false), { name: 'Ada', channelId: 'general', muted: false, deafened: false });
  assert.equal(beginning(link('channel=general'), last, false).channelId, 'general');
  assert.equal(beginning(link('channel=general'), last, true).channelId, 'lounge');
  assert.equal(beginning(link('name=Ada&channel=general'), last, true).channelId, 'lounge');
});

test('a user that has left stays out after a reload', () => {
  assert.equal(beginning(link('channel=general'), { ...last, channelId: null }, true).channelId, null);
});

test('mute outlives a reload and a new invitation', () => {
  for (const isReload of [true, false]) assert.equal(beginning(link('channel=general'), last, isReload).muted, true);
});

test('a link with another name begins as another user', () => {
  assert.deepEqual(beginning(link('name=Bea'), last, true), { name: 'Bea', channelId: null, muted: false, deafened: false });
});

test('without a name the page asks for one', () => {
  assert.equal(beginning(link('channel=general'), null, false), null);
  assert.equal(beginning(link('name=%20'), null, false), null);
});

test('the address shows the channel and no name', () => {
  const address = (query, channelId) => addressOf(`https://voice.example.org/path/${query}`, channelId).slice(31);
  assert.equal(address('?name=Ada&channel=general&relay=1', 'lounge'), '?channel=lounge&relay=1');
  assert.equal(address('?name=Ada&channel=general', null), '');
  assert.equal(address('', 'a b'), '?channel=a+b');
});
