//! Telling a room: one signal to many, and what becomes of those who can't take it.

use std::sync::{Arc, atomic::Ordering};

use united_voice_proto::{
    voice::{VoiceLeaveEvent, VoiceLeaveReason, VoiceParticipantJoinedEvent},
    ws::envelope::Payload,
};

use crate::{
    CloseReason, Member, MemberRef, SessionId, Signal, SignalSink, SinkError, Urgency, UserId,
    VoiceRoomRegistry,
    events::VoiceEvent,
    rooms::registry::{Members, RegistryInner, Room},
    rooms::user::{ConnectionEntry, Seat, User},
};

/// A member as the registry seats them: with the sink of their connection.
pub(crate) type Seated = Member<Arc<dyn SignalSink>>;
type SeatedRef<'a> = MemberRef<'a, Arc<dyn SignalSink>>;

/// The sinks that could not take an event, and whose they are: noted under the locks, evicted after them.
#[derive(Default)]
pub(crate) struct Fanout(Vec<(UserId, Arc<dyn SignalSink>)>);

/// What the one who caused a broadcast is told.
pub(crate) enum Answer {
    None,
    /// The same as everybody, as a reply.
    Same,
    Other(Signal),
}

impl Fanout {
    /// Delivers to one member what others may get too.
    #[inline]
    fn deliver(&mut self, member: SeatedRef<'_>, signal: &Signal) {
        if let Err(error) = member.handle.deliver(signal) {
            let user = &member.participant.user;
            self.refused(error, user, member.handle, signal.urgency());
        }
    }

    /// Delivers to one user, who need not be a member, what nobody else gets after them; says whether it was taken.
    #[inline]
    pub(crate) fn deliver_owned(
        &mut self,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        signal: Signal,
    ) -> bool {
        let urgency = signal.urgency();
        let delivered = sink.deliver_owned(signal);
        if let Err(error) = delivered {
            self.refused(error, user, sink, urgency);
        }
        delivered.is_ok()
    }

    /// Out of the way of those who are not refused, which is nearly everybody.
    #[cold]
    fn refused(
        &mut self,
        error: SinkError,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        urgency: Urgency,
    ) {
        match error {
            // The connection is on its way out by itself.
            SinkError::Closed => {}
            SinkError::Full if urgency == Urgency::Droppable => {}
            SinkError::Full => self.0.push((user.clone(), Arc::clone(sink))),
        }
    }

    /// Delivers to all members, and the answer to the member who caused it.
    pub(crate) fn broadcast(
        &mut self,
        members: &Members,
        signal: &mut Signal,
        cause: SessionId,
        answer: &Answer,
    ) {
        for member in members.members() {
            if member.session == cause {
                self.answer(member, signal, answer);
            } else {
                self.deliver(member, signal);
            }
        }
    }

    /// Out of line, since the loop is for the others.
    #[inline(never)]
    fn answer(&mut self, member: SeatedRef<'_>, signal: &mut Signal, answer: &Answer) {
        match answer {
            Answer::None => {}
            Answer::Other(answer) => self.deliver(member, answer),
            Answer::Same => {
                let urgency = signal.urgency();
                signal.set_urgency(Urgency::Reply);
                self.deliver(member, signal);
                signal.set_urgency(urgency);
            }
        }
    }

    /// Delivers to all members.
    pub(crate) fn tell_all(&mut self, members: &Members, signal: &Signal) {
        for member in members.members() {
            self.deliver(member, signal);
        }
    }
}

/// Who has just been taken out of a room.
pub(crate) struct Gone {
    room: Arc<Room>,
    member: Seated,
    reason: VoiceLeaveReason,
    /// What the others were told, where there were any.
    told: Option<Signal>,
}

impl Gone {
    /// Tells the one who went: what the others were told, encoded once more only where it answers a request.
    pub(crate) fn tell(self, fanout: &mut Fanout, request_id: &str, urgency: Urgency) {
        let signal = match self.told {
            Some(told) if request_id.is_empty() => told.with_urgency(urgency),
            _ => left_signal(&self.room, &self.member, self.reason, request_id, urgency),
        };
        let user = &self.member.participant.user;
        fanout.deliver_owned(user, &self.member.handle, signal);
    }
}

/// Somebody's stay ended.
fn left_signal(
    room: &Room,
    who: &Seated,
    reason: VoiceLeaveReason,
    request_id: &str,
    urgency: Urgency,
) -> Signal {
    let event = VoiceLeaveEvent {
        channel_id: room.id.as_str().into(),
        user_id: who.participant.user.as_str().into(),
        display_name: who.participant.display_name().into(),
        reason: reason.into(),
        session_id: who.session.to_text(),
    };
    Signal::new(request_id, Payload::VoiceLeaveEvent(event), urgency)
}

/// Somebody took a seat.
pub(crate) fn joined_signal(room: &Room, who: &Seated) -> Signal {
    let event = VoiceParticipantJoinedEvent {
        channel_id: room.id.as_str().into(),
        participant: Some(who.as_ref().to_proto()),
    };
    let payload = Payload::VoiceParticipantJoinedEvent(event);
    Signal::new("", payload, Urgency::Event)
}

impl RegistryInner {
    /// Tells the host that a stay ended.
    pub(crate) fn publish_left(&self, room: &Room, who: &Seated, reason: VoiceLeaveReason) {
        self.counters.left();
        self.publish(|| VoiceEvent::Left {
            channel: room.id.clone(),
            user: who.participant.user.clone(),
            session: who.session,
            reason,
        });
    }

    /// Makes the event only where somebody listens.
    pub(crate) fn publish(&self, event: impl FnOnce() -> VoiceEvent) {
        if self.observed.load(Ordering::Relaxed) {
            // Fails only where the last listener has just gone.
            let _ = self.events.send(event());
        }
    }
}

impl VoiceRoomRegistry {
    /// Takes out of its room whose seat was just taken from its connection, and tells those who remain. The user's lock
    /// is held by the caller.
    pub(crate) fn vacate(&self, seat: Seat, reason: VoiceLeaveReason, fanout: &mut Fanout) -> Gone {
        let Seat { room, session } = seat;
        let mut cell = room.state.lock();
        let members = cell.seated();
        let member = members
            .unseat(session)
            .expect("a seat and its room's list change together");
        let told = self.tell_left(&room, members, &member, reason, fanout);
        let dead = RegistryInner::retire_if_empty(&mut cell);
        drop(cell);
        if dead {
            self.inner.remove_room(&room);
        }
        Gone {
            room,
            member,
            reason,
            told,
        }
    }

    /// Tells the members of a room (and the host) that somebody is no longer in it. Hands back what they were told.
    pub(crate) fn tell_left(
        &self,
        room: &Room,
        members: &Members,
        who: &Seated,
        reason: VoiceLeaveReason,
        fanout: &mut Fanout,
    ) -> Option<Signal> {
        let told = (!members.is_empty()).then(|| {
            let signal = left_signal(room, who, reason, "", Urgency::Event);
            fanout.tell_all(members, &signal);
            signal
        });
        self.inner.publish_left(room, who, reason);
        told
    }

    /// Ends the connections of members that could not take an event. No lock is held by the caller.
    #[inline]
    pub(crate) fn evict_all(&self, fanout: Fanout) {
        if !fanout.0.is_empty() {
            self.evict_each(fanout);
        }
    }

    #[cold]
    fn evict_each(&self, mut fanout: Fanout) {
        while let Some((user, sink)) = fanout.0.pop() {
            if let Some(user) = self.inner.user(&user) {
                // A host may serve several connections of a user by one sink, whose end is the end of all.
                let meant = |connection: &ConnectionEntry| Arc::ptr_eq(&connection.sink, &sink);
                while self.evict(&user, meant, &mut fanout) {}
            }
        }
    }

    /// Ends one connection as too slow. No lock is held by the caller.
    pub(crate) fn evict_connection(&self, user: &User, number: u64) {
        let mut fanout = Fanout::default();
        self.evict(user, |connection| connection.number == number, &mut fanout);
        self.evict_all(fanout);
    }

    /// Says whether there was such a connection; it may have been evicted already, or gone by itself.
    fn evict(
        &self,
        user: &User,
        meant: impl Fn(&ConnectionEntry) -> bool,
        fanout: &mut Fanout,
    ) -> bool {
        let mut cell = user.state.lock();
        let Some(connection) = cell.remove(meant) else {
            return false;
        };
        if let Some(seat) = connection.seat {
            self.vacate(seat, VoiceLeaveReason::Evicted, fanout);
        }
        drop(cell);
        self.inner.counters.evicted();
        connection.sink.close(CloseReason::SlowConsumer);
        true
    }
}
