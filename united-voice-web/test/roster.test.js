import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Roster } from '../src/roster.js';

const ADA = { userId: 'ada', displayName: 'Ada', sessionId: 'ada-1' };
const BEA = { userId: 'bea', displayName: 'Bea', sessionId: 'bea-1' };

function makeRoster() {
  const roster = new Roster();
  roster.replace([ADA, BEA]);
  return roster;
}

test('a participant that joins again without a leave moves to the end', () => {
  const roster = makeRoster();
  roster.add({ ...ADA, sessionId: 'ada-2' });
  assert.deepEqual(roster.participants.map(({ sessionId }) => sessionId), ['bea-1', 'ada-2']);
});

test('a snapshot replaces the participants', () => {
  const roster = makeRoster();
  roster.replace([BEA]);
  assert.deepEqual(roster.participants.map(({ userId }) => userId), ['bea']);
  assert.equal(roster.get('ada'), undefined);
});

test('a name outlives its participant until the roster is cleared', () => {
  const roster = makeRoster();
  roster.remove('ada');
  assert.equal(roster.nameOf('ada'), 'Ada');
  roster.clear();
  assert.equal(roster.nameOf('ada'), '');
  assert.deepEqual(roster.participants, []);
});
