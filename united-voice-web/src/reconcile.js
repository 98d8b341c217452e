/** What becomes of the audio connections if participants come, go or come back. */

/** After these leave reasons the user is likely to be back in a moment. */
const MAY_RETURN = new Set(['DISCONNECTED', 'REPLACED', 'EVICTED']);

/** Whether audio may go on for a while with a user that left for this `VoiceLeaveReason`. */
export function mayReturn(reason) {
  return MAY_RETURN.has(String(reason ?? '').replace('VOICE_LEAVE_REASON_', ''));
}

/**
 * What to do about each user after a snapshot.
 *
 * @param {Map<string, {sessionId: string, healthy: boolean}>} peers the present connections
 * @param {{userId: string, sessionId: string}[]} participants the snapshot
 * @param {boolean} sameSession whether the connections were made in our present session, as after a
 *   second join over one signaling connection. Then a connection that is coming up is as good as a
 *   new one
 * @returns {{ keep: string[], offer: string[], linger: string[], close: string[] }} user ids.
 *   `keep`: keep the connection, under the session of the snapshot. `offer`: make a new one and
 *   offer. `linger`: keep it for a user that is not back yet. `close`: close it
 */
export function reconcile(peers, participants, sameSession = false) {
  const plan = { keep: [], offer: [], linger: [], close: [] };
  const present = new Set();
  for (const { userId, sessionId } of participants) {
    present.add(userId);
    const peer = peers.get(userId);
    const keep = peer && (peer.healthy || (sameSession && peer.sessionId === sessionId));
    plan[keep ? 'keep' : 'offer'].push(userId);
  }
  for (const [userId, peer] of peers) {
    if (!present.has(userId)) plan[peer.healthy ? 'linger' : 'close'].push(userId);
  }
  return plan;
}
