//! Joins: a seat in a room, under the host's limits.
//!
//! A join has three parts. Before any lock, [`VoiceRoomRegistry::begin_join`] makes the session's
//! id and notes the policy, and the directory is asked. Under the locks, [`decide`] says what
//! happens, and `change.rs` applies it.

use std::sync::Arc;

use crate::{
    Admission, ChannelId, JoinError, SessionId, Signal, Urgency, VoiceRoomRegistry,
    rooms::{
        cell::{Members, Room, RoomCell, lock_both},
        change::{Answer, Change, Locked},
        fanout::Fanout,
        registry::PolicyEpoch,
        snapshot::JoinSnapshot,
        user::UserCell,
        voice_connection::VoiceConnection,
    },
};

/// What is settled before the directory is asked about a join.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JoinTicket {
    pub(super) session: SessionId,
    pub(super) policy: PolicyEpoch,
}

/// What a join does.
enum Decision {
    /// The connection sits in this room already and keeps its session.
    Stay(SessionId),
    /// The connection takes a seat.
    Sit {
        session: SessionId,
        ends: Option<SessionId>,
    },
}

/// The seat that a user has when a join is decided.
struct PresentSeat {
    session: SessionId,
    /// The joining connection has it.
    is_mine: bool,
    /// It is in the room to join.
    is_here: bool,
}

/// Decides a join. It changes nothing.
///
/// # Errors
///
/// [`JoinError::ChannelFull`].
fn decide(
    room: &Members,
    user: &str,
    present: Option<&PresentSeat>,
    session: SessionId,
    admission: &Admission,
) -> Result<Decision, JoinError> {
    room.check_seat(user, admission.max_participants)
        .map_err(|_| JoinError::ChannelFull)?;
    Ok(match present {
        Some(seat) if seat.is_mine && seat.is_here => Decision::Stay(seat.session),
        present => Decision::Sit {
            session,
            ends: present.map(|seat| seat.session),
        },
    })
}

impl VoiceRoomRegistry {
    /// Begins a join. Call it before the directory is asked: the ticket notes the policy under
    /// which the directory answers. It also gives the session its id before anybody decides about
    /// it.
    pub(crate) fn begin_join(&self) -> JoinTicket {
        JoinTicket {
            session: self.inner.next_session(),
            policy: self.inner.policy_epoch(),
        }
    }
}

impl VoiceConnection {
    /// Joins a channel, moves there, takes the seat over from another connection of the same user,
    /// or takes a fresh snapshot if this connection sits there already.
    ///
    /// `respond` makes the response out of the snapshot. It is delivered before any event of the
    /// channel. It runs under locks, so it must be quick and must not call the registry.
    ///
    /// # Errors
    ///
    /// [`JoinError`]; nothing has changed.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's, or both rooms' in the order of their addresses. The locks
    /// of members that turn out to be too slow follow.
    pub(crate) fn join(
        &self,
        channel: &ChannelId,
        ticket: JoinTicket,
        admission: Admission,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
    ) -> Result<SessionId, JoinError> {
        let mut fanout = Fanout::default();
        let result = self.join_under_lock(channel, ticket, admission, respond, &mut fanout);
        self.registry.evict_all(fanout);
        result
    }

    fn join_under_lock(
        &self,
        channel: &ChannelId,
        ticket: JoinTicket,
        admission: Admission,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
        fanout: &mut Fanout,
    ) -> Result<SessionId, JoinError> {
        let inner = &*self.registry.inner;
        // Held over all attempts, so that the user's seat, and with it the old room, cannot change.
        let mut connections = self.user.state.lock();
        loop {
            let room = inner.room_or_new(channel);
            let old_room = connections
                .seat()
                .map(|(_, seat)| Arc::clone(&seat.room))
                .filter(|old| !Arc::ptr_eq(old, &room));
            let (mut cell, mut old_cell) = lock_both(&room, old_room.as_ref());
            let Some(members) = cell.open_mut() else {
                // The last member left between the look-up and the lock.
                drop((cell, old_cell));
                inner.remove_room(&room);
                continue;
            };
            let old = old_room
                .as_deref()
                .zip(old_cell.as_deref_mut().and_then(RoomCell::open_mut));
            let locked = Locked {
                registry: inner,
                user: &self.user.id,
                connections: Some(&mut connections),
                room: &room,
                members,
                old,
            };
            let result = self.join_locked(locked, ticket, admission, respond, fanout);
            // A refused join may have made the room, and a move may have emptied the old one.
            inner.release(&room, cell, old_room.as_ref().zip(old_cell));
            return result;
        }
    }

    /// The critical section of a join: checked first, then answered, then changed and told.
    fn join_locked(
        &self,
        mut locked: Locked<'_>,
        ticket: JoinTicket,
        admission: Admission,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
        fanout: &mut Fanout,
    ) -> Result<SessionId, JoinError> {
        let Some(connections) = locked.connections.as_deref() else {
            return Err(JoinError::ConnectionClosed);
        };
        let mine = connections.connection(self.number);
        let sink = Arc::clone(&mine.ok_or(JoinError::ConnectionClosed)?.sink);
        // Read under the room's lock: `policy_changed` takes it after it has raised the epoch, so
        // when that returns, no join under an older policy is on its way to a seat.
        if ticket.policy != locked.registry.policy_epoch() {
            return Err(JoinError::PolicyChanged);
        }
        let user = self.user.id.as_str();
        let present = self.present_seat(connections, locked.room);
        let decision = decide(
            locked.members,
            user,
            present.as_ref(),
            ticket.session,
            &admission,
        )?;
        let (Decision::Stay(session) | Decision::Sit { session, .. }) = decision;

        let is_rejoin = matches!(decision, Decision::Stay(_));
        let snapshot = JoinSnapshot::of(locked.members, user, session, is_rejoin);
        let mut response = respond(snapshot);
        response.set_urgency(Urgency::Reply);
        // Before anything changes: a response that cannot be delivered refuses the join.
        sink.deliver_owned(response)
            .map_err(JoinError::Undeliverable)?;

        if let Decision::Sit { session, ends } = decision {
            let change = Change::Join {
                session,
                connection: self.number,
                profile: admission.profile,
                ends,
            };
            // The response was the answer.
            locked.apply(change, Answer::None, fanout);
        }
        Ok(session)
    }

    fn present_seat(&self, connections: &UserCell, room: &Arc<Room>) -> Option<PresentSeat> {
        connections.seat().map(|(connection, seat)| PresentSeat {
            session: seat.session,
            is_mine: connection.number == self.number,
            is_here: Arc::ptr_eq(&seat.room, room),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{Profile, UserId, rooms::room::Member, test_util::RecordingSink};

    /// A room with one member for each name.
    fn room(names: &[&str]) -> Members {
        let mut room = Members::default();
        for (number, name) in names.iter().enumerate() {
            let user = UserId::new(name).expect("an id");
            let session = SessionId::new(number as u64);
            let sink = Arc::new(RecordingSink::default());
            room.seat(Member::new(user, session, Profile::default(), sink));
        }
        room
    }

    /// The session that the joiner has afterwards, and the one that ends.
    fn outcome(
        room: &Members,
        seat: Option<(u64, bool, bool)>,
        limit: u32,
    ) -> Result<(u64, Option<u64>), JoinError> {
        let present = seat.map(|(session, is_mine, is_here)| PresentSeat {
            session: SessionId::new(session),
            is_mine,
            is_here,
        });
        let admission =
            Admission::new(Profile::default()).with_max_participants(NonZeroU32::new(limit));
        let new = SessionId::new(9);
        let number = |session: SessionId| {
            u64::from_str_radix(&session.to_string(), 16).expect("hexadecimal digits")
        };
        decide(room, "alice", present.as_ref(), new, &admission).map(|decision| match decision {
            Decision::Stay(session) => (number(session), None),
            Decision::Sit { session, ends } => (number(session), ends.map(number)),
        })
    }

    #[test]
    fn every_case_of_a_join_is_decided() {
        let without = room(&["bob"]);
        let with = room(&["alice", "bob"]);
        assert_eq!(outcome(&without, None, 0), Ok((9, None)), "a join");
        let moved = outcome(&without, Some((5, true, false)), 0);
        assert_eq!(moved, Ok((9, Some(5))), "a move");
        let moved = outcome(&without, Some((5, false, false)), 0);
        assert_eq!(moved, Ok((9, Some(5))), "a move by another connection");
        let rejoined = outcome(&with, Some((0, true, true)), 0);
        assert_eq!(rejoined, Ok((0, None)), "a rejoin");
        let taken_over = outcome(&with, Some((0, false, true)), 0);
        assert_eq!(taken_over, Ok((9, Some(0))), "a take-over");
    }

    #[test]
    fn a_limit_counts_for_newcomers_alone() {
        let full = Err(JoinError::ChannelFull);
        let with = room(&["alice", "bob"]);
        assert_eq!(outcome(&room(&["bob"]), None, 1), full);
        assert_eq!(outcome(&room(&["bob"]), None, 2), Ok((9, None)));
        assert_eq!(outcome(&room(&["bob"]), Some((5, true, false)), 1), full);
        assert_eq!(outcome(&with, Some((0, true, true)), 1), Ok((0, None)));
        assert_eq!(outcome(&with, Some((0, false, true)), 1), Ok((9, Some(0))));
    }
}
