import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

const page = new EventTarget();
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.document = Object.assign(new EventTarget(), { hidden: false });
const { setUpPushToTalk } = await import('../push-to-talk.js');
const { setPreferences } = await import('../preferences.js');

const button = Object.assign(new EventTarget(), { dataset: {}, setPointerCapture() {} });
let pressed = false;
setUpPushToTalk(button, (now) => { pressed = now; });
setPreferences({ mode: 'push', pushKey: 'KeyV' });

const keyEvent = (type, key, code = key) => Object.assign(new Event(type, { cancelable: true }), { key, code });
const hold = () => {
  page.dispatchEvent(keyEvent('keydown', 'v', 'KeyV'));
  assert.equal(pressed, true);
};

beforeEach(() => page.dispatchEvent(keyEvent('keyup', 'v', 'KeyV')));

test('a key is released with its own release', () => {
  hold();
  page.dispatchEvent(keyEvent('keyup', 'b', 'KeyB'));
  assert.equal(pressed, true);
  page.dispatchEvent(keyEvent('keyup', 'v', 'KeyV'));
  assert.equal(pressed, false);
});

test('a key is released at the latest with Cmd, since macOS may not report its own release', () => {
  hold();
  page.dispatchEvent(keyEvent('keyup', 'Meta', 'MetaLeft'));
  assert.equal(pressed, false);
});

test('a key is released if the page loses the focus or is hidden', () => {
  hold();
  page.dispatchEvent(new Event('blur'));
  assert.equal(pressed, false);
  hold();
  document.hidden = true;
  document.dispatchEvent(new Event('visibilitychange'));
  document.hidden = false;
  assert.equal(pressed, false);
});

test('Enter and Space hold the button', () => {
  for (const key of ['Enter', ' ']) {
    button.dispatchEvent(keyEvent('keydown', key));
    assert.equal(pressed, true, key);
    button.dispatchEvent(keyEvent('keyup', key));
    assert.equal(pressed, false, key);
  }
  button.dispatchEvent(keyEvent('keydown', 'Enter'));
  button.dispatchEvent(new Event('blur'));
  assert.equal(pressed, false);
});
