import assert from 'node:assert/strict';
import { test } from 'node:test';
import { audioUnavailableText, callText, comingAndGoing, connectionStatus, detailsText, errorText, iceErrorText, invitationText } from '../messages.js';

/** The characters that isolate a name are not seen. */
const seen = (text) => text.replaceAll(/[\u2068\u2069]/g, '');

test('a text explains each refusal of a relay, and a STUN server out of reach has no text', () => {
  const words = [[400, /understand/], [401, /credentials/], [403, /does not relay/], [437, /lost track/], [441, /credentials/], [486, /limit/], [508, /capacity/], [701, /does not answer/]];
  for (const [code, pattern] of words) {
    const url = 'turn:relay.example.org:3478';
    assert.match(iceErrorText({ code, url }), pattern);
    assert.match(iceErrorText({ code, url }), /strict firewalls/);
    assert.match(iceErrorText({ code, url }, { relayOnly: true }), /Nobody can be heard/);
  }
  assert.equal(iceErrorText({ code: 701, url: 'stun:stun.example.org' }), '');
  assert.equal(iceErrorText({ code: 300, url: 'turn:relay.example.org' }), '');
});

test('names are isolated within sentences', () => {
  const name = '\u05d0\u05d3\u05d4';
  const texts = [
    errorText({ code: 'CHANNEL_FULL' }, name), invitationText(name), comingAndGoing({ joined: [name], left: [] }),
    callText({ offline: false, lingering: [name], relayMissing: false, crowded: false }),
    audioUnavailableText({ reason: 'failed' }, name),
  ];
  for (const text of texts) assert.ok(text.includes(`\u2068${name}\u2069`), text);
});

test('a refusal names the channel', () => {
  assert.match(seen(errorText({ code: 'CHANNEL_FULL' }, 'lounge')), /^“lounge” is full/);
  assert.match(errorText({ code: 'CHANNEL_FULL' }), /^This channel is full/);
  assert.equal(invitationText(null), '');
});

test('comings and goings are one sentence each, and a crowd is counted', () => {
  const said = (joined, left = []) => seen(comingAndGoing({ joined, left }));
  assert.equal(said(['Ada']), 'Ada joined.');
  assert.equal(said(['Ada', 'Bea'], ['Cem']), 'Ada and Bea joined. Cem left.');
  assert.equal(said(['a', 'b', 'c', 'd']), '4 people joined.');
  assert.equal(said([]), '');
});

test('a connection in numbers', () => {
  const direct = { roundTripTimeMs: 23.4, loss: 0.0123, relayed: false, relayProtocol: '' };
  assert.equal(detailsText(direct), 'Round trip 23 ms · Loss 1.2 % · Path direct');
  assert.match(detailsText({ ...direct, roundTripTimeMs: null, relayed: true, relayProtocol: 'tls' }), /^Loss .* Path by a relay \(TLS\)$/);
  assert.equal(detailsText(undefined), '');
});

test('silence is not called good', () => {
  assert.match(connectionStatus('silent', 'good').words, /^No sound/);
  assert.match(connectionStatus('unavailable').words, /^No audio/);
});

test('the most important thing about a call is told', () => {
  const fine = { offline: false, lingering: [], relayMissing: false, crowded: false };
  const all = { offline: true, lingering: ['Ada', 'Bea'], relayMissing: true, crowded: true };
  assert.equal(callText(fine), '');
  assert.match(callText(all), /cannot be reached/);
  assert.match(seen(callText({ ...all, offline: false })), /^Ada, Bea: no connection/);
  assert.match(callText({ ...fine, relayMissing: true, crowded: true }), /server offers none/);
  assert.match(callText({ ...fine, crowded: true }), /More than eight/);
});
