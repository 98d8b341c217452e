import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { AudioOutput } from '../src/audio-output.js';
import { FakeAudio, FakeAudioContext } from '../testing/audio-fakes.js';
import { settle } from '../testing/fakes.js';

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout'] });
  FakeAudio.made = [];
  globalThis.Audio = FakeAudio;
  globalThis.MediaStream = class {};
});
afterEach(() => mock.timers.reset());

async function pass(ms) {
  for (let passed = 0; passed < ms; passed += 250) {
    mock.timers.tick(250);
    await settle();
  }
}

test('playback that is paused from outside is started again until it plays', async () => {
  const output = new AudioOutput(null);
  output.play('u', {});
  await settle();
  const [element] = FakeAudio.made;
  element.refused = true;
  element.pauseFromOutside();
  await pass(10_000);
  assert.equal(output.blocked, true);
  assert.ok(element.plays > 3 && element.plays < 12, String(element.plays));
  element.refused = false;
  await pass(2_500);
  assert.equal(element.paused, false);
  assert.equal(output.blocked, false);
  const { plays } = element;
  await pass(10_000);
  assert.equal(element.plays, plays);
});

test('what was stopped on purpose is not started again', async () => {
  const output = new AudioOutput(null);
  output.play('u', {});
  await settle();
  const [element] = FakeAudio.made;
  output.stop('u');
  element.pauseFromOutside();
  await pass(10_000);
  assert.equal(element.plays, 1);
});

test('without an audio graph, or with one that refuses, a person is as loud as the element allows', () => {
  for (const context of [null, Object.assign(new FakeAudioContext(), { noSource: true })]) {
    const output = new AudioOutput(context);
    output.play('__proto__', {});
    output.setVolume('__proto__', 2);
    const element = FakeAudio.made.at(-1);
    assert.deepEqual([element.volume, element.muted], [1, false]);
  }
});
