import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Microphone } from '../src/microphone.js';
import { FakeAudioContext, FakeAudioTrack, FakeAudioWorkletNode } from '../testing/audio-fakes.js';
import { settle } from '../testing/fakes.js';

let captured;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'] });
  mock.method(performance, 'now', () => Date.now());
  captured = new FakeAudioTrack();
  const stream = { getAudioTracks: () => [captured] };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { mediaDevices: { getUserMedia: async () => stream } } });
  globalThis.AudioWorkletNode = FakeAudioWorkletNode;
});
afterEach(() => {
  mock.restoreAll();
  mock.timers.reset();
});

async function start(context) {
  const microphone = new Microphone(context);
  const told = [];
  for (const type of ['open', 'interrupted', 'track', 'lost']) {
    microphone.addEventListener(type, ({ detail }) => told.push([type, detail.open ?? detail.interrupted]));
  }
  await microphone.start();
  const opened = () => told.filter(([type]) => type === 'open').map(([, open]) => open);
  return { microphone, told, opened, sent: captured.copy };
}

async function pass(ms, each = () => {}) {
  for (let passed = 0; passed < ms; passed += 50) {
    mock.timers.tick(50);
    each();
    await settle();
  }
}

test('with a meter the microphone is open while the user speaks', async () => {
  const { opened, sent } = await start(new FakeAudioContext());
  await pass(1_000, () => FakeAudioWorkletNode.last.report(-80));
  assert.deepEqual([opened(), sent.enabled], [[], false]);
  await pass(500, () => FakeAudioWorkletNode.last.report(-20));
  assert.deepEqual([opened(), sent.enabled], [[true], true]);
  await pass(1_000, () => FakeAudioWorkletNode.last.report(-80));
  assert.deepEqual([opened(), sent.enabled], [[true, false], false]);
});

test('whatever is missing of the meter, who is sent is also shown as speaking', async () => {
  const noSource = Object.assign(new FakeAudioContext(), { noSource: true });
  const suspended = Object.assign(new FakeAudioContext(), { state: 'suspended' });
  for (const context of [null, noSource, suspended]) {
    const { microphone, opened, sent } = await start(context);
    assert.equal(sent.enabled, true);
    await pass(1_000);
    assert.deepEqual(opened(), [true]);
    microphone.muted = true;
    assert.deepEqual([opened(), sent.enabled], [[true, false], false]);
    microphone.stop();
  }
});

test('a worklet that is missing or fails gives way to an analyser', async () => {
  const missing = Object.assign(new FakeAudioContext(), { noWorklet: true });
  const failing = new FakeAudioContext();
  for (const context of [missing, failing]) {
    const { microphone, opened } = await start(context);
    if (context === failing) FakeAudioWorkletNode.last.onprocessorerror();
    await pass(1_000);
    assert.deepEqual(opened(), []);
    context.amplitude = 0.1;
    await pass(500);
    assert.deepEqual(opened(), [true]);
    context.amplitude = 0;
    await pass(1_000);
    assert.deepEqual(opened(), [true, false]);
    microphone.stop();
  }
});

test('a meter that stops in a pause of speech does not silence the user', async () => {
  const { opened, sent } = await start(new FakeAudioContext());
  await pass(1_000, () => FakeAudioWorkletNode.last.report(-80));
  assert.equal(sent.enabled, false);
  await pass(1_000);
  assert.deepEqual([opened(), sent.enabled], [[true], true]);
});

test('a microphone that the system mutes is silent meanwhile, and comes back by itself', async () => {
  const { microphone, told, opened, sent } = await start(null);
  await pass(1_000);
  captured.become(true);
  assert.equal(microphone.interrupted, true);
  assert.deepEqual([opened(), sent.enabled], [[true, false], false]);
  captured.become(false);
  assert.equal(microphone.interrupted, false);
  assert.deepEqual([opened(), sent.enabled], [[true, false, true], true]);
  assert.deepEqual(told.filter(([type]) => type === 'interrupted').map(([, of]) => of), [true, false]);
});

test('an audio graph that an interruption left suspended goes on', async () => {
  const context = new FakeAudioContext();
  await start(context);
  context.become('suspended');
  assert.equal(context.resumed, 0, 'the host did that');
  context.become('running');
  context.become('interrupted');
  context.become('suspended');
  assert.equal(context.resumed, 1);
});

test('push-to-talk needs no meter and is told at once', async () => {
  const { microphone, opened } = await start(null);
  microphone.mode = 'push';
  assert.deepEqual(opened(), []);
  microphone.pressed = true;
  microphone.pressed = false;
  assert.deepEqual(opened(), [true, false]);
});

test('noise suppression changes a capture that runs, and one that ignores the change is replaced', async () => {
  for (const obeys of [true, false]) {
    captured = new FakeAudioTrack();
    const asked = [];
    captured.applyConstraints = async ({ noiseSuppression }) => { asked.push(noiseSuppression); };
    captured.getSettings = () => ({ deviceId: 'mic', noiseSuppression: !obeys });
    const { microphone, told } = await start(null);
    const tracks = () => told.filter(([type]) => type === 'track').length;
    const before = tracks();
    microphone.noiseSuppression = false;
    await settle();
    assert.deepEqual(asked, [false]);
    assert.equal(tracks() > before, !obeys);
    microphone.stop();
  }
});

test('a capture that begins after a stop is given back', async () => {
  const microphone = new Microphone(null);
  const starting = microphone.start();
  microphone.stop();
  await starting;
  assert.deepEqual([microphone.present, captured.readyState], [false, 'ended']);
});

test('of two starts the later one counts, whichever device comes first', async () => {
  const { microphone } = await start(null);
  const tracks = { slow: new FakeAudioTrack(), fast: new FakeAudioTrack() };
  let answer;
  const asked = new Promise((resolve) => { answer = resolve; });
  navigator.mediaDevices.getUserMedia = async ({ audio }) => {
    const device = audio.deviceId.ideal;
    if (device === 'slow') await asked;
    return { getAudioTracks: () => [tracks[device]] };
  };
  const slow = microphone.start('slow');
  await microphone.start('fast');
  answer();
  await slow;
  assert.deepEqual([tracks.slow.readyState, tracks.fast.readyState], ['ended', 'live']);
});

test('a device that is lost does not keep the next one from starting', async () => {
  const { microphone, told } = await start(null);
  const lost = captured;
  captured = new FakeAudioTrack();
  const starting = microphone.start('other');
  lost.onended();
  await starting;
  assert.equal(microphone.present, true);
  assert.ok(told.some(([type]) => type === 'lost'));
});
