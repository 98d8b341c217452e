import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callText, iceErrorText } from '../messages.js';

test('a text explains the refusal of a relay, and a server out of reach has no text', () => {
  for (const code of [400, 401, 441]) {
    assert.match(iceErrorText({ code }), /refused our credentials.*strict firewalls/);
    assert.match(iceErrorText({ code }, { relayOnly: true }), /refused our credentials.*Nobody can be heard/);
  }
  assert.match(iceErrorText({ code: 486 }), /at its limit/);
  assert.equal(iceErrorText({ code: 701 }), '');
});

test('the most important thing about a call is told', () => {
  const fine = { offline: false, lingering: [], relayMissing: false, crowded: false };
  const all = { offline: true, lingering: ['Ada', 'Bea'], relayMissing: true, crowded: true };
  assert.equal(callText(fine), '');
  assert.match(callText(all), /cannot be reached/);
  assert.match(callText({ ...all, offline: false }), /^Ada, Bea: no connection/);
  assert.match(callText({ ...fine, relayMissing: true, crowded: true }), /server offers none/);
  assert.match(callText({ ...fine, crowded: true }), /More than eight/);
});
