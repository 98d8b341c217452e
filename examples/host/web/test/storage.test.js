import assert from 'node:assert/strict';
import { test } from 'node:test';

for (const area of ['localStorage', 'sessionStorage']) {
  Object.defineProperty(globalThis, area, { configurable: true, get() { throw new DOMException('cookies are blocked', 'SecurityError'); } });
}
const { browserStore, tabStore } = await import('../storage.js');
const { preferences, setPreferences, setVolume, volumeOf } = await import('../preferences.js');

test('without storage the page remembers as long as it lives', () => {
  for (const store of [browserStore, tabStore]) {
    assert.equal(store.get('key'), null);
    store.set('key', { a: 1 });
    assert.deepEqual(store.get('key'), { a: 1 });
    store.set('key', null);
    assert.equal(store.get('key'), null);
  }
});

test('preferences work without storage', () => {
  assert.equal(preferences.mode, 'activity');
  setPreferences({ mode: 'push' });
  assert.equal(preferences.mode, 'push');
});

test('the id of a user may be a word that objects know', () => {
  for (const id of ['__proto__', 'constructor']) {
    assert.equal(volumeOf(id), 1);
    setVolume(id, 0.5);
    assert.equal(volumeOf(id), 0.5);
  }
});

test('the oldest of too many volumes is forgotten', () => {
  setVolume('first', 0.5);
  for (let nth = 0; nth < 500; nth += 1) setVolume(`user-${nth}`, 0.5);
  assert.equal(volumeOf('first'), 1);
  assert.equal(volumeOf('user-499'), 0.5);
});
