/**
 * Reads `RTCPeerConnection.getStats()`: the few numbers that tell whether audio flows, and how
 * well.
 */

const EMPTY = {
  packetsReceived: 0, packetsLost: 0, packetsSent: 0, totalAudioEnergy: 0, roundTripTimeMs: null,
  localCandidateType: '', remoteCandidateType: '', relayProtocol: '',
};

/**
 * The numbers of one report, which is read like a `Map`. Candidate fields are empty if no pair is
 * in use.
 */
export function summarize(report) {
  const summary = { ...EMPTY };
  for (const entry of report.values()) {
    if (entry.type === 'inbound-rtp' && entry.kind === 'audio') {
      summary.packetsReceived += entry.packetsReceived ?? 0;
      summary.packetsLost += entry.packetsLost ?? 0;
      summary.totalAudioEnergy += entry.totalAudioEnergy ?? 0;
    } else if (entry.type === 'outbound-rtp' && entry.kind === 'audio') {
      summary.packetsSent += entry.packetsSent ?? 0;
    }
  }
  const pair = selectedPair(report);
  if (!pair) return summary;
  const local = report.get(pair.localCandidateId);
  const remote = report.get(pair.remoteCandidateId);
  return {
    ...summary,
    roundTripTimeMs: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    localCandidateType: local?.candidateType ?? '',
    remoteCandidateType: remote?.candidateType ?? '',
    relayProtocol: local?.relayProtocol ?? '',
  };
}

function selectedPair(report) {
  const entries = [...report.values()];
  const transport = entries.find((entry) => entry.type === 'transport' && entry.selectedCandidatePairId);
  if (transport) return report.get(transport.selectedCandidatePairId);
  // Firefox has no transport entry. It marks the pair instead.
  return entries.find((entry) => entry.type === 'candidate-pair' && entry.selected);
}

/**
 * How good a connection was between two summaries of it: `good`, `fair` or `poor`. The worse of two
 * measures counts: the round-trip time (limits 200 and 400 ms), and the share of incoming packets
 * that were lost (limits 3 and 8 %).
 */
export function quality(now, before = EMPTY) {
  const lost = Math.max(0, now.packetsLost - before.packetsLost);
  const received = Math.max(0, now.packetsReceived - before.packetsReceived);
  const loss = lost + received === 0 ? 0 : lost / (lost + received);
  const rtt = now.roundTripTimeMs ?? 0;
  if (loss > 0.08 || rtt > 400) return 'poor';
  if (loss > 0.03 || rtt > 200) return 'fair';
  return 'good';
}
