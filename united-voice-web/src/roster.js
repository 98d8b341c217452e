/**
 * The other participants of the channel, in the order they joined, and their names.
 *
 * Names outlive their participants: while audio goes on with a user that lost the server, the user
 * is no participant, and is still called by name.
 */
export class Roster {
  #participants = new Map();
  #names = new Map();

  /** The participants without their audio connections. */
  get participants() {
    return [...this.#participants.values()];
  }

  /** The participant with this user id, or `undefined`. */
  get(userId) {
    return this.#participants.get(userId);
  }

  /** The last known display name of a user, `''` if there is none. */
  nameOf(userId) {
    return this.#names.get(userId) ?? '';
  }

  /**
   * Takes the snapshot of a join: it has all participants but the user itself. It does not say who
   * speaks, so that stays as it was in sessions that go on.
   */
  replace(participants) {
    const before = this.#participants;
    this.#participants = new Map();
    for (const wire of participants) {
      const added = this.add(wire);
      const known = before.get(added.userId);
      if (known?.sessionId === added.sessionId) added.speaking = known.speaking;
    }
  }

  /** Puts a participant, in its form on the wire, at the end. Returns the participant. */
  add(wire) {
    const participant = fromWire(wire);
    // If the event of the last leave was missed, the user is still here. The server has it at the
    // end.
    this.#participants.delete(participant.userId);
    this.#participants.set(participant.userId, participant);
    this.#names.set(participant.userId, participant.displayName);
    return participant;
  }

  /** Removes a participant and keeps the name. */
  remove(userId) {
    this.#participants.delete(userId);
  }

  /** Forgets participants and names. */
  clear() {
    this.#participants.clear();
    this.#names.clear();
  }
}

function fromWire({ userId, displayName = '', pubkey = '', muted = false, deafened = false, sessionId = '' }) {
  return { userId, displayName, pubkey, muted, deafened, sessionId, speaking: false };
}
