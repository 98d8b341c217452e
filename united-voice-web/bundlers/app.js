// An application that uses the package as any other would. It reports what works in this build.
import { AudioOutput, Microphone, VoiceClient } from 'united-voice-web';

const PATIENCE_MS = 20_000;

run().catch((error) => ({ error: String(error) })).then((result) => {
  fetch(`/result/${document.title}`, { method: 'POST', body: JSON.stringify(result) });
});

async function run() {
  const client = new VoiceClient({ transport: serverInThePage });
  client.connect();
  const { channelId } = await client.join('general');
  const participants = client.participants.map(({ userId }) => userId);
  client.close();
  return { channelId, participants, meter: await meter() };
}

/** A server that lets everybody in. */
function serverInThePage() {
  const transport = {
    state: 'open',
    send({ requestId, voiceJoinRequest }) {
      if (!voiceJoinRequest) return;
      const { channelId } = voiceJoinRequest;
      const bob = { userId: 'bob', displayName: 'Bob', sessionId: 's2', muted: true };
      const voiceJoinResponse = { channelId, sessionId: 's1', participants: [bob], iceServers: [] };
      queueMicrotask(() => transport.onmessage({ requestId, voiceJoinResponse }));
    },
    close() {},
  };
  return transport;
}

/** Starts the microphone. Returns what measures its level. */
async function meter() {
  let kind = 'analyser';
  globalThis.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(...options) {
      super(...options);
      kind = 'worklet';
    }
  };
  const context = new AudioContext();
  new AudioOutput(context);
  const microphone = new Microphone(context);
  const measured = new Promise((resolve, reject) => {
    microphone.addEventListener('level', resolve, { once: true });
    setTimeout(() => reject(new Error('no level was measured')), PATIENCE_MS);
  });
  await microphone.start();
  await measured;
  microphone.stop();
  return kind;
}
