import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iceErrorText } from '../messages.js';

test('a relay that refuses is told with what it means, and a server out of reach is not', () => {
  for (const code of [400, 401, 441]) {
    assert.match(iceErrorText({ code }), /refused our credentials.*strict firewalls/);
    assert.match(iceErrorText({ code }, { relayOnly: true }), /refused our credentials.*Nobody can be heard/);
  }
  assert.match(iceErrorText({ code: 486 }), /at its limit/);
  assert.equal(iceErrorText({ code: 701 }), '');
});
