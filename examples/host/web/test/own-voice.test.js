import assert from 'node:assert/strict';
import { test } from 'node:test';

globalThis.localStorage ??= { getItem: () => null, setItem() {} };
const { OwnVoice } = await import('../own-voice.js');

class FakeMicrophone extends EventTarget {
  present = false;
  muted = false;
  interrupted = false;
  refusal = null;

  /** The user takes a moment to answer the browser's question. */
  async start() {
    await undefined;
    if (this.refusal) throw this.refusal;
    this.present = true;
  }

  stop() { this.present = false; }

  /** The system mutes the device, or gives it back. */
  become(interrupted) {
    this.interrupted = interrupted;
    this.dispatchEvent(new CustomEvent('interrupted', { detail: { interrupted } }));
  }
}

function makeVoice() {
  const client = {
    muted: false, deafened: false, speaking: false,
    setMuted(muted) { this.muted = muted; },
    setDeafened(deafened) { this.deafened = deafened; },
    setSpeaking(speaking) { this.speaking = speaking; },
  };
  const [microphone, output] = [new FakeMicrophone(), { deafened: false }];
  const voice = new OwnVoice(client, microphone, output);
  const problems = [];
  voice.addEventListener('problem', ({ detail }) => problems.push(detail));
  return { voice, client, microphone, output, problems };
}

async function inCall() {
  const made = makeVoice();
  made.voice.begin();
  await made.voice.start('');
  return made;
}

test('the mute button mutes and unmutes', async () => {
  const { voice, client, microphone } = await inCall();
  await voice.toggleMute();
  assert.deepEqual([client.muted, microphone.muted, voice.muted], [true, true, true]);
  await voice.toggleMute();
  assert.deepEqual([client.muted, microphone.muted, voice.muted], [false, false, false]);
});

test('deafening mutes the microphone, and the mute button undoes both', async () => {
  const { voice, client, microphone, output } = await inCall();
  voice.setDeafened(true);
  assert.deepEqual([client.deafened, output.deafened, microphone.muted], [true, true, true]);
  await voice.toggleMute();
  assert.deepEqual([client.deafened, output.deafened, microphone.muted], [false, false, false]);
  assert.equal(voice.muted, false);
});

test('a user without a microphone is muted, and can try again', async () => {
  const { voice, client, microphone, problems } = makeVoice();
  microphone.refusal = new DOMException('', 'NotAllowedError');
  voice.begin();
  await voice.start('');
  assert.equal(client.muted, true);
  assert.match(problems.at(-1).text, /blocked/);
  microphone.refusal = null;
  await problems.at(-1).retry();
  assert.equal(client.muted, false);
  assert.equal(problems.at(-1).text, '');
});

test('a user that leaves before the microphone starts does not hold it', async () => {
  const { voice, microphone } = makeVoice();
  voice.begin();
  voice.end();
  await new Promise(setImmediate);
  assert.equal(microphone.present, false);
});

test('a lost microphone mutes the user and is a problem', async () => {
  const { client, microphone, problems } = await inCall();
  microphone.stop();
  microphone.dispatchEvent(new CustomEvent('lost'));
  assert.equal(client.muted, true);
  assert.match(problems.at(-1).text, /unplugged/);
});

test('while the system mutes the microphone, the user is seen as muted, and the mute button is free', async () => {
  const { voice, client, microphone } = await inCall();
  const seen = [];
  voice.addEventListener('change', () => seen.push([voice.seenMuted, voice.muted]));
  microphone.become(true);
  microphone.become(false);
  assert.deepEqual(seen, [[true, false], [false, false]]);
  microphone.become(true);
  await voice.toggleMute();
  microphone.become(false);
  assert.deepEqual([voice.seenMuted, voice.muted, client.muted], [true, true, true], 'a wish of that time counts');
});
