import assert from 'node:assert/strict';
import { test } from 'node:test';

/** Elements by id, as far as the settings need them. */
class FakeElement extends EventTarget {
  dataset = {};
  style = { setProperty() {} };
  setAttribute() {}
  append() {}
}

const elements = new Map();
const element = (id) => {
  if (!elements.has(id)) elements.set(id, new FakeElement());
  return elements.get(id);
};
globalThis.navigator ??= {};
globalThis.document = { getElementById: element, createElementNS: () => new FakeElement(), querySelectorAll: () => [] };
const { setUpSettings } = await import('../settings-dialog.js');
const { preferences, setPreferences } = await import('../preferences.js');

/** Sets up the dialog. Returns what the switch of noise suppression asked for. */
function suppressions() {
  elements.clear();
  const asked = [];
  setUpSettings(new EventTarget(), {}, { suppressNoise: (isOn) => asked.push(isOn) });
  return asked;
}

function set(id, checked) {
  element(id).checked = checked;
  element(id).dispatchEvent(new Event('change'));
}

test('the switch of noise suppression applies at once and in later visits', () => {
  const asked = suppressions();
  assert.deepEqual([element('noise-suppression').checked, asked], [true, [true]]);
  set('noise-suppression', false);
  assert.deepEqual([asked, preferences.noiseSuppression], [[true, false], false]);
  assert.deepEqual([suppressions(), element('noise-suppression').checked], [[false], false]);
});

test('the switch of sounds shows the preference and changes it', () => {
  setPreferences({ sounds: false });
  suppressions();
  assert.equal(element('sounds').checked, false);
  set('sounds', true);
  assert.equal(preferences.sounds, true);
});
