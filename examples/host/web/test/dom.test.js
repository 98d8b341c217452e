import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initials } from '../dom.js';

test('initials are what a reader sees as characters', () => {
  assert.equal(initials('Ada Lovelace'), 'AL');
  assert.equal(initials('  ada '), 'A');
  assert.equal(initials('👩‍👩‍👧 Bea'), '👩‍👩‍👧B');
  assert.equal(initials('e\u0301mile'), 'E\u0301');
  assert.equal(initials(''), '?');
});
