//! The critical section of a join: check, change, tell, with all locks held.

use std::sync::Arc;

use united_voice_proto::{
    voice::{VoiceError, VoiceErrorCode, VoiceLeaveReason},
    ws::envelope::Payload,
};

use crate::{
    JoinError, Member, SessionId, Signal, SignalSink, Urgency, VoiceConnection,
    events::VoiceEvent,
    rooms::fanout::{Fanout, Seated, joined_signal},
    rooms::registry::{Members, Room},
    rooms::room::SOFT_CAP,
    rooms::user::{Seat, UserCell},
    rooms::voice_connection::{JoinSnapshot, JoinTerms},
};

/// A join with the user's lock, the room's lock and that of the room to leave held.
pub(crate) struct Join<'a> {
    pub(crate) session: &'a VoiceConnection,
    pub(crate) room: &'a Arc<Room>,
    pub(crate) members: &'a mut Members,
    /// Those of the room in which the user sits, where it is another one.
    pub(crate) old_members: Option<&'a mut Members>,
    pub(crate) user: &'a mut UserCell,
    pub(crate) fanout: &'a mut Fanout,
}

impl Join<'_> {
    pub(crate) fn run(
        &mut self,
        sink: &Arc<dyn SignalSink>,
        terms: JoinTerms,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
    ) -> Result<SessionId, JoinError> {
        let me = self.session.user();
        let hash = self.session.registry().inner.hash(me.as_str());
        if !self.session.registry().is_current(terms.policy) {
            return Err(JoinError::PolicyChanged);
        }
        self.members
            .check_seat(hash, me.as_str(), terms.max_participants)
            .map_err(|_| JoinError::ChannelFull)?;

        let rejoined = self.rejoined_session();
        let session = rejoined.unwrap_or_else(|| self.session.registry().inner.next_session());
        let participants = self.members.others(me.as_str());
        let snapshot = JoinSnapshot {
            quality_warning: participants.len() >= SOFT_CAP,
            participants,
            session,
        };
        // Before anything changes: a response that can't be delivered refuses the join.
        let mut response = respond(snapshot);
        response.set_urgency(Urgency::Reply);
        sink.deliver_owned(response)
            .map_err(JoinError::Undeliverable)?;
        if rejoined.is_none() {
            let me = me.clone();
            self.change_seats(Member::new(hash, me, session, terms.profile, sink.clone()));
        }
        Ok(session)
    }

    /// The session to keep: the connection sits in this room already.
    fn rejoined_session(&self) -> Option<SessionId> {
        let mine = self.user.connection(self.session.connection)?;
        let seat = mine.seat.as_ref().filter(|_| self.old_members.is_none())?;
        Some(seat.session)
    }

    fn change_seats(&mut self, newcomer: Seated) {
        self.leave_old();
        let session = newcomer.session;
        let mine = self.user.connection_mut(self.session.connection);
        mine.expect("a closed connection can't join").seat = Some(Seat {
            room: Arc::clone(self.room),
            session,
        });
        // Told to those who are there already, hence before the newcomer is seated.
        if !self.members.is_empty() {
            let joined = joined_signal(self.room, &newcomer);
            self.fanout.tell_all(self.members, &joined);
        }
        let replaced = self.members.seat(newcomer);
        debug_assert!(replaced.is_none(), "the old seat was given up before");
        let inner = &self.session.registry().inner;
        inner.counters.joined();
        inner.publish(|| VoiceEvent::Joined {
            channel: self.room.id.clone(),
            user: self.session.user().clone(),
            session,
        });
    }

    /// Gives up the seat that the user has by this connection or another.
    fn leave_old(&mut self) {
        let mine = self.user.connection(self.session.connection);
        let is_mine = mine.is_some_and(|mine| mine.seat.is_some());
        let Some(old) = self.user.take_seat(|_| true) else {
            return;
        };
        let (members, reason) = match &mut self.old_members {
            Some(members) => (&mut **members, VoiceLeaveReason::Moved),
            None => (&mut *self.members, VoiceLeaveReason::Replaced),
        };
        let gone = members
            .unseat(old.session)
            .expect("a seat and its room's list change together");
        if !is_mine {
            let lost = Payload::VoiceError(VoiceError {
                code: VoiceErrorCode::SessionReplaced.into(),
                message: "another connection of this user took the seat".into(),
                channel_id: old.room.id.as_str().into(),
            });
            let signal = Signal::new("", lost, Urgency::Event);
            let user = &gone.participant.user;
            self.fanout.deliver_owned(user, &gone.handle, signal);
        }
        let registry = self.session.registry();
        registry.tell_left(&old.room, members, &gone, reason, self.fanout);
    }
}
