/** The audio settings: devices, sensitivity, and push-to-talk. */

import { byId, icon, make, setText } from './dom.js';
import { microphoneText } from './messages.js';
import { preferences, setPreferences } from './preferences.js';

const METER_MIN_DB = -80;
const METER_MAX_DB = -10;

/** The place of a level on a meter, from 0 to 1. */
export function meterShare(db) {
  return Math.min(1, Math.max(0, (db - METER_MIN_DB) / (METER_MAX_DB - METER_MIN_DB)));
}

/**
 * @param {import('./united-voice-web/index.js').Microphone} microphone
 * @param {import('./united-voice-web/index.js').AudioOutput} output
 * @param {object} actions `pickMicrophone(deviceId)`, `pickSpeaker(deviceId)`, `modeChanged()`,
 *   `suppressNoise(isOn)`, `beginTest()`, `endTest()`
 */
export function setUpSettings(microphone, output, actions) {
  const dialog = byId('settings');
  byId('settings-close').append(icon('close'));
  byId('settings-open').addEventListener('click', () => {
    listDevices(microphone, output);
    byId('microphone-test').hidden = microphone.present;
    dialog.showModal();
  });
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  navigator.mediaDevices?.addEventListener('devicechange', () => listDevices(microphone, output));
  byId('microphone').addEventListener('change', ({ target }) => {
    setPreferences({ microphone: target.value });
    actions.pickMicrophone(target.value);
  });
  byId('speaker').addEventListener('change', ({ target }) => {
    setPreferences({ speaker: target.value });
    actions.pickSpeaker(target.value);
  });
  setUpTest(microphone, output, dialog, actions);
  setUpSwitch('noise-suppression', 'noiseSuppression', actions.suppressNoise);
  setUpSwitch('sounds', 'sounds');
  setUpModes(microphone, actions);
  setUpThreshold(microphone, dialog);
  setUpPushKey(dialog, actions);
}

/** The level shows only while the microphone runs. Outside a call it runs on request. */
function setUpTest(microphone, output, dialog, { beginTest, endTest }) {
  const problem = byId('microphone-test-problem');
  byId('microphone-test').addEventListener('click', async () => {
    const failure = await beginTest().then(() => '', microphoneText);
    problem.hidden = !failure;
    setText(problem, failure);
    byId('microphone-test').hidden = microphone.present;
    listDevices(microphone, output); // devices have names now
  });
  dialog.addEventListener('close', () => {
    problem.hidden = true;
    endTest();
  });
}

function setUpSwitch(id, preference, changed = () => {}) {
  const box = byId(id);
  box.checked = preferences[preference];
  box.addEventListener('change', () => {
    setPreferences({ [preference]: box.checked });
    changed(box.checked);
  });
  changed(box.checked);
}

async function listDevices(microphone, output) {
  const devices = await navigator.mediaDevices?.enumerateDevices().catch(() => []) ?? [];
  fill(byId('microphone'), devices.filter(({ kind }) => kind === 'audioinput'), microphone.deviceId || preferences.microphone, 'Microphone');
  fill(byId('speaker'), devices.filter(({ kind }) => kind === 'audiooutput'), preferences.speaker, 'Speaker');
  byId('speaker').disabled = !output.canPickSink;
  byId('speaker-note').hidden = output.canPickSink;
}

/**
 * Before the user allows the microphone, devices have no ids. Then only the system's choice is
 * offered.
 */
function fill(select, devices, chosen, kind) {
  const known = devices.filter(({ deviceId }) => deviceId && deviceId !== 'default');
  const options = known.map(({ deviceId, label }, index) => make('option', { value: deviceId }, label || `${kind} ${index + 1}`));
  select.replaceChildren(make('option', { value: '' }, 'System default'), ...options);
  select.value = known.some(({ deviceId }) => deviceId === chosen) ? chosen : '';
}

function setUpModes(microphone, actions) {
  const show = () => {
    byId('activity-settings').hidden = preferences.mode !== 'activity';
    byId('push-settings').hidden = preferences.mode !== 'push';
  };
  for (const radio of document.querySelectorAll('input[name="mode"]')) {
    radio.checked = radio.value === preferences.mode;
    radio.addEventListener('change', () => {
      setPreferences({ mode: radio.value });
      microphone.mode = radio.value;
      show();
      actions.modeChanged();
    });
  }
  microphone.mode = preferences.mode;
  show();
}

function setUpThreshold(microphone, dialog) {
  const slider = byId('threshold');
  const meter = byId('meter-fill');
  const apply = () => {
    const thresholdDb = Number(slider.value);
    microphone.thresholdDb = thresholdDb;
    setText(byId('threshold-value'), `${thresholdDb} dB`.replace('-', '−'));
    setPreferences({ thresholdDb });
  };
  slider.value = String(preferences.thresholdDb);
  slider.addEventListener('input', apply);
  apply();
  microphone.addEventListener('level', ({ detail }) => {
    if (!dialog.open) return;
    meter.style.setProperty('--level', meterShare(detail.db).toFixed(2));
    meter.dataset.over = String(detail.db >= preferences.thresholdDb);
  });
}

function setUpPushKey(dialog, actions) {
  const button = byId('push-key');
  let listening = false;
  const show = () => {
    setText(button, listening ? 'Press a key…' : preferences.pushKeyName);
    dialog.dataset.choosingKey = String(listening);
  };
  button.addEventListener('click', () => {
    listening = true;
    show();
  });
  button.addEventListener('blur', () => {
    listening = false;
    show();
  });
  button.addEventListener('keydown', (event) => {
    if (!listening || event.key === 'Tab') return;
    event.preventDefault();
    event.stopPropagation();
    listening = false;
    if (event.key !== 'Escape') setPreferences({ pushKey: event.code, pushKeyName: keyName(event) });
    show();
    actions.modeChanged();
  });
  show();
}

function keyName({ key, code }) {
  if (key === ' ') return 'Space';
  return key.length === 1 ? key.toUpperCase() : code;
}
