import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quality, summarize } from '../src/peer-stats.js';
import { HOLD_MS, VoiceActivity } from '../src/voice-activity.js';

test('speech begins at the threshold and lasts through short pauses', () => {
  const activity = new VoiceActivity(-50);
  assert.equal(activity.update(-51, 0), false);
  assert.equal(activity.update(-50, 20), true);
  assert.equal(activity.update(-90, 20 + HOLD_MS - 1), true);
  assert.equal(activity.update(-90, 20 + HOLD_MS), false);
});

test('a voice just below the threshold keeps speech going but does not begin it', () => {
  const activity = new VoiceActivity(-50);
  assert.equal(activity.update(-54, 0), false);
  activity.update(-40, 20);
  activity.update(-54, 300);
  assert.equal(activity.update(-90, 500), true);
});

test('reports of Chromium and of Firefox give the same numbers', () => {
  const common = [
    ['in', { type: 'inbound-rtp', kind: 'audio', packetsReceived: 50, packetsLost: 2, totalAudioEnergy: 0.5 }],
    ['out', { type: 'outbound-rtp', kind: 'audio', packetsSent: 60 }],
    ['l', { type: 'local-candidate', candidateType: 'relay', relayProtocol: 'tcp' }],
    ['r', { type: 'remote-candidate', candidateType: 'host' }],
  ];
  const pair = { type: 'candidate-pair', localCandidateId: 'l', remoteCandidateId: 'r', currentRoundTripTime: 0.05 };
  const chromium = new Map([...common, ['p', pair], ['t', { type: 'transport', selectedCandidatePairId: 'p' }]]);
  const firefox = new Map([...common, ['p', { ...pair, selected: true }]]);
  for (const report of [chromium, firefox]) {
    assert.deepEqual(summarize(report), {
      packetsReceived: 50, packetsLost: 2, packetsSent: 60, totalAudioEnergy: 0.5, roundTripTimeMs: 50,
      localCandidateType: 'relay', remoteCandidateType: 'host', relayProtocol: 'tcp',
    });
  }
  assert.equal(summarize(new Map(common)).localCandidateType, '');
});

test('quality is the worse of delay and loss, and loss counts since the last reading', () => {
  const at = (packetsReceived, packetsLost, roundTripTimeMs) => ({ packetsReceived, packetsLost, roundTripTimeMs });
  assert.equal(quality(at(100, 0, 20)), 'good');
  assert.equal(quality(at(100, 0, 250)), 'fair');
  assert.equal(quality(at(100, 0, 500)), 'poor');
  assert.equal(quality(at(95, 5, 20)), 'fair');
  assert.equal(quality(at(80, 20, 20)), 'poor');
  assert.equal(quality(at(180, 20, 20), at(80, 20, 20)), 'good');
});
