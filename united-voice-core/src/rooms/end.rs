//! The one way out of a room, for every reason. A stay may end alone or together with its
//! connection.

use std::sync::Arc;

use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    CloseReason, UserId, VoiceRoomRegistry,
    rooms::{
        change::{Answer, Change, Locked},
        fanout::Fanout,
        user::{ConnectionEntry, Seat, User, UserCell},
    },
};

impl VoiceRoomRegistry {
    /// Ends the stay that has this seat. The caller holds the user's lock.
    pub(crate) fn end_stay(
        &self,
        user: &UserId,
        connections: &mut UserCell,
        Seat { room, session }: Seat,
        reason: VoiceLeaveReason,
        answer: Answer<'_>,
        fanout: &mut Fanout,
    ) {
        #[cfg(feature = "cluster")]
        if let Some(link) = self.inner.link() {
            let seat = Seat {
                room: Arc::clone(&room),
                session,
            };
            let holder = connections.seat().map(|(holder, _)| holder.number);
            let from = (holder.unwrap_or_default(), &seat);
            if link.propose_leave(user, from, reason, answer) {
                // The connection has no seat from now on. The room lists it until the engine has
                // decided.
                connections.take_seat(session);
                return;
            }
        }
        let mut cell = room.state.lock();
        match cell.open_mut() {
            Some(members) => {
                let mut locked = Locked {
                    registry: &self.inner,
                    user,
                    connections: Some(connections),
                    room: &room,
                    members,
                    old: None,
                };
                locked.apply(Change::Leave { session, reason }, answer, fanout);
            }
            // A dead room has no members to tell.
            None => drop(connections.take_seat(session)),
        }
        self.inner.release(&room, cell, None);
    }

    /// Removes the first connection of a user that `is_meant`, and ends its stay.
    pub(crate) fn end_connection(
        &self,
        user: &User,
        is_meant: impl Fn(&ConnectionEntry) -> bool,
        reason: VoiceLeaveReason,
        fanout: &mut Fanout,
    ) -> Option<ConnectionEntry> {
        let mut connections = user.state.lock();
        let mut connection = connections.remove(is_meant)?;
        if let Some(seat) = connection.seat.take() {
            let answer = Answer::None;
            self.end_stay(&user.id, &mut connections, seat, reason, answer, fanout);
        }
        Some(connection)
    }

    /// Ends the connections of members that could not take an event. The caller holds no lock.
    ///
    /// What one eviction tells the others may find more of them too slow, so it goes on until there
    /// are none.
    #[inline]
    pub(crate) fn evict_all(&self, fanout: Fanout) {
        if !fanout.reached_all() {
            self.evict_each(fanout);
        }
    }

    #[cold]
    fn evict_each(&self, mut fanout: Fanout) {
        self.inner.counters.speaking_dropped(fanout.take_dropped());
        while let Some((user, sink)) = fanout.pop_too_slow() {
            if let Some(user) = self.inner.user(&user) {
                // A host may serve several connections of a user by one sink. Its end is the end of
                // all of them.
                let is_meant = |connection: &ConnectionEntry| Arc::ptr_eq(&connection.sink, &sink);
                while self.evict(&user, is_meant, &mut fanout) {}
            }
        }
    }

    /// Ends a connection as too slow. Returns false if there is none: it may have been evicted or
    /// closed meanwhile.
    pub(crate) fn evict(
        &self,
        user: &User,
        is_meant: impl Fn(&ConnectionEntry) -> bool,
        fanout: &mut Fanout,
    ) -> bool {
        let reason = VoiceLeaveReason::Evicted;
        let Some(connection) = self.end_connection(user, is_meant, reason, fanout) else {
            return false;
        };
        self.inner.counters.evicted();
        connection.sink.close(CloseReason::SlowConsumer);
        true
    }
}
