/** A mesh among stand-ins: a test plays the server and the other side. */

import { Mesh } from '../src/mesh.js';
import { FakePeerConnection, sdpOf, settle } from './fakes.js';

/** The number of the other side's connection. */
export const THEIRS = 1;

/** A mesh with a roster, and a record of what it sent and told. The clock is `Date`. */
export function makeMesh({ RTCPeerConnection = FakePeerConnection } = {}) {
  const world = { sent: [], roster: new Map(), online: true, errors: [], events: [] };
  world.mesh = new Mesh({
    RTCPeerConnection,
    relay: (name, payload, onError) => {
      if (!world.online) return false;
      world.sent.push([name, payload]);
      world.errors.push(onError);
      return true;
    },
    online: () => world.online,
    sessionId: () => 'own',
    participant: (userId) => world.roster.get(userId),
    emit: (type, detail) => world.events.push([type, detail]),
    trouble() {},
    now: () => Date.now(),
  });
  world.join = (userId, sessionId) => {
    world.roster.set(userId, { userId, sessionId });
    world.mesh.joined({ userId, sessionId });
  };
  world.snapshot = (...participants) => {
    world.roster = new Map(participants.map(([userId, sessionId]) => [userId, { userId, sessionId }]));
    world.mesh.snapshot([...world.roster.values()], false);
  };
  world.all = (wanted) => world.sent.filter(([name]) => name === wanted).map(([, payload]) => payload);
  world.offers = () => world.all('voiceSdpOffer');
  world.told = (wanted) => world.events.filter(([type]) => type === wanted).map(([, detail]) => detail);
  /** Completes a connection that we offered. */
  world.connect = async (userId, sdp = sdpOf(THEIRS)) => {
    await settle();
    world.mesh.answer(userId, sdp);
    await settle();
    FakePeerConnection.last.become('connected');
  };
  /** Lets time pass in small steps, so that all that waits for a promise happens in its turn. */
  world.pass = async (ms, tick, step = 500) => {
    for (let passed = 0; passed < ms; passed += step) {
      tick(Math.min(step, ms - passed));
      await settle();
    }
  };
  return world;
}
