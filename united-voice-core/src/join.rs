//! The critical section of a join: check, change, tell, with all locks held.

use std::sync::Arc;

use united_voice_proto::{
    voice::{VoiceError, VoiceErrorCode, VoiceLeaveReason},
    ws::envelope::Payload,
};

use crate::{
    JoinError, SessionId, Signal, Urgency, VoiceSession,
    events::VoiceEvent,
    fanout::{Overflow, joined_signal},
    registry::{Link, Room, RoomCell, Seat, UserCell},
    room::{Member, Participant, SOFT_CAP},
    session::{JoinSnapshot, JoinTerms},
};

/// A join with the user's lock, the room's lock and that of the room to leave held.
pub(crate) struct Join<'a> {
    pub(crate) session: &'a VoiceSession,
    pub(crate) room: &'a Arc<Room>,
    pub(crate) cell: &'a mut RoomCell,
    /// The room in which the user sits, where it is another one.
    pub(crate) old_cell: Option<&'a mut RoomCell>,
    pub(crate) user: &'a mut UserCell,
    pub(crate) overflow: &'a mut Overflow,
}

impl Join<'_> {
    pub(crate) fn run(
        &mut self,
        link: &Link,
        terms: &JoinTerms,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
    ) -> Result<SessionId, JoinError> {
        let me = self.session.user();
        let hash = self.session.user_hash();
        if !self.session.registry().is_current(terms.policy) {
            return Err(JoinError::PolicyChanged);
        }
        self.cell
            .members
            .check_seat(hash, me.as_str(), terms.max_participants)
            .map_err(|_| JoinError::ChannelFull)?;

        let rejoined = self.rejoined_session(link);
        let session = rejoined.unwrap_or_else(|| self.session.registry().inner.next_session());
        let participants = self.cell.members.others(me.as_str());
        let snapshot = JoinSnapshot {
            quality_warning: participants.len() >= SOFT_CAP,
            participants,
            session,
        };
        // Before anything changes: a response that can't be delivered refuses the join.
        let response = respond(snapshot).with_urgency(Urgency::Reply);
        link.sink
            .deliver(&response)
            .map_err(JoinError::Undeliverable)?;
        if rejoined.is_none() {
            self.change_seats(session, link, terms);
        }
        Ok(session)
    }

    /// The session to keep: the connection sits in this room already.
    fn rejoined_session(&self, link: &Link) -> Option<SessionId> {
        let seat = self.user.seat.as_ref()?;
        let same = self.old_cell.is_none() && seat.connection == link.connection;
        same.then_some(seat.session)
    }

    fn change_seats(&mut self, session: SessionId, link: &Link, terms: &JoinTerms) {
        let me = self.session.user();
        let participant = Participant::new(me.clone(), session, Arc::clone(&terms.profile));
        let new_seat = Seat {
            room: Arc::clone(self.room),
            session,
            connection: link.connection,
        };
        if let Some(old_seat) = self.user.seat.replace(new_seat) {
            self.leave_old(&old_seat, link);
        }
        // Told to those who are there already, hence before the newcomer is seated.
        if !self.cell.members.is_empty() {
            let joined = joined_signal(self.room, &participant);
            self.overflow.tell_all(self.cell, &joined);
        }
        let replaced = self.cell.members.seat(Member {
            hash: self.session.user_hash(),
            participant,
            handle: link.clone(),
        });
        debug_assert!(replaced.is_none(), "the old seat was given up before");
        let inner = &self.session.registry().inner;
        inner.counters.joined();
        inner.publish(|| VoiceEvent::Joined {
            channel: self.room.id.clone(),
            user: me.clone(),
            session,
        });
    }

    fn leave_old(&mut self, old: &Seat, link: &Link) {
        let me = self.session.user();
        let hash = self.session.user_hash();
        let (cell, reason) = match &mut self.old_cell {
            Some(cell) => (&mut **cell, VoiceLeaveReason::Moved),
            None => (&mut *self.cell, VoiceLeaveReason::Replaced),
        };
        let gone = cell
            .members
            .unseat(hash, me.as_str(), old.session)
            .expect("a seat and its room's list change together");
        if gone.handle.connection != link.connection {
            let lost = Payload::VoiceError(VoiceError {
                code: VoiceErrorCode::SessionReplaced.into(),
                message: "another connection of this user took the seat".into(),
                channel_id: old.room.id.as_str().into(),
            });
            let signal = Signal::new("", lost, Urgency::Event);
            self.overflow.deliver(me, &gone.handle, &signal);
        }
        let registry = self.session.registry();
        registry.tell_left(&old.room, cell, &gone, reason, self.overflow);
    }
}
