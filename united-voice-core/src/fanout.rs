//! Telling a room: one signal to many, and what becomes of those who can't take it.

use std::sync::{Arc, atomic::Ordering};

use smallvec::SmallVec;
use united_voice_proto::{
    voice::{VoiceLeaveEvent, VoiceLeaveReason, VoiceParticipantJoinedEvent},
    ws::envelope::Payload,
};

use crate::{
    CloseReason, Member, SessionId, Signal, SignalSink, SinkError, Urgency, UserId,
    VoiceRoomRegistry,
    events::VoiceEvent,
    registry::{Inner, Room, RoomCell},
    user::{Connection, Seat, User},
};

/// A member as the registry seats them: with the sink of their connection.
pub(crate) type Seated = Member<Arc<dyn SignalSink>>;

/// The sinks that could not take an event, and whose they are: noted under the locks, evicted after them.
#[derive(Default)]
pub(crate) struct Overflow(SmallVec<[(UserId, Arc<dyn SignalSink>); 1]>);

/// What the one who caused a broadcast is told.
pub(crate) enum Answer {
    None,
    /// The same as everybody, as a reply.
    Same,
    Other(Signal),
}

impl Overflow {
    /// Delivers to one member; says whether the signal was taken.
    #[inline]
    pub(crate) fn deliver(&mut self, member: &Seated, signal: &Signal) -> bool {
        self.deliver_to(&member.user, &member.handle, signal)
    }

    /// Delivers to a user who need not be a member; says whether the signal was taken.
    #[inline]
    pub(crate) fn deliver_to(
        &mut self,
        user: &UserId,
        sink: &Arc<dyn SignalSink>,
        signal: &Signal,
    ) -> bool {
        let delivered = sink.deliver(signal);
        if let Err(error) = delivered {
            self.refused(error, user, sink, signal);
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
        signal: &Signal,
    ) {
        match error {
            // The connection is on its way out by itself.
            SinkError::Closed => {}
            SinkError::Full if signal.urgency() == Urgency::Droppable => {}
            SinkError::Full => self.0.push((user.clone(), Arc::clone(sink))),
        }
    }

    /// Delivers to all members, and the answer to the member who caused it.
    pub(crate) fn broadcast(
        &mut self,
        cell: &RoomCell,
        mut signal: Signal,
        cause: SessionId,
        answer: &Answer,
    ) {
        for member in cell.members.members() {
            if member.session == cause {
                self.answer(member, &mut signal, answer);
            } else {
                self.deliver(member, &signal);
            }
        }
    }

    /// Out of line, since the loop is for the others.
    #[inline(never)]
    fn answer(&mut self, member: &Seated, signal: &mut Signal, answer: &Answer) {
        match answer {
            Answer::None => {}
            Answer::Other(answer) => {
                self.deliver(member, answer);
            }
            Answer::Same => {
                let urgency = signal.urgency();
                signal.set_urgency(Urgency::Reply);
                self.deliver(member, signal);
                signal.set_urgency(urgency);
            }
        }
    }

    /// Delivers to all members.
    pub(crate) fn tell_all(&mut self, cell: &RoomCell, signal: &Signal) {
        for member in cell.members.members() {
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
    pub(crate) fn tell(self, overflow: &mut Overflow, request_id: &str, urgency: Urgency) {
        let signal = match self.told {
            Some(told) if request_id.is_empty() => told.with_urgency(urgency),
            _ => left_signal(&self.room, &self.member, self.reason, request_id, urgency),
        };
        overflow.deliver(&self.member, &signal);
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
        user_id: who.user.as_str().into(),
        display_name: who.profile.display_name().into(),
        reason: reason.into(),
        session_id: who.session.to_text(),
    };
    Signal::new(request_id, Payload::VoiceLeaveEvent(event), urgency)
}

/// Somebody took a seat.
pub(crate) fn joined_signal(room: &Room, who: &Seated) -> Signal {
    let event = VoiceParticipantJoinedEvent {
        channel_id: room.id.as_str().into(),
        participant: Some(who.to_proto()),
    };
    let payload = Payload::VoiceParticipantJoinedEvent(event);
    Signal::new("", payload, Urgency::Event)
}

impl Inner {
    /// Tells the host that a stay ended.
    pub(crate) fn publish_left(&self, room: &Room, who: &Seated, reason: VoiceLeaveReason) {
        self.counters.left();
        self.publish(|| VoiceEvent::Left {
            channel: room.id.clone(),
            user: who.user.clone(),
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
    pub(crate) fn vacate(
        &self,
        seat: Seat,
        reason: VoiceLeaveReason,
        overflow: &mut Overflow,
    ) -> Gone {
        let Seat { room, session } = seat;
        let mut cell = room.state.lock();
        let member = cell
            .members
            .unseat(session)
            .expect("a seat and its room's list change together");
        let told = self.tell_left(&room, &cell, &member, reason, overflow);
        let dead = Inner::retire_if_empty(&mut cell);
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
        cell: &RoomCell,
        who: &Seated,
        reason: VoiceLeaveReason,
        overflow: &mut Overflow,
    ) -> Option<Signal> {
        let told = (!cell.members.is_empty()).then(|| {
            let signal = left_signal(room, who, reason, "", Urgency::Event);
            overflow.tell_all(cell, &signal);
            signal
        });
        self.inner.publish_left(room, who, reason);
        told
    }

    /// Ends the connections of members that could not take an event. No lock is held by the caller.
    #[inline]
    pub(crate) fn evict_all(&self, overflow: Overflow) {
        if !overflow.0.is_empty() {
            self.evict_each(overflow);
        }
    }

    #[cold]
    fn evict_each(&self, mut overflow: Overflow) {
        while let Some((user, sink)) = overflow.0.pop() {
            if let Some(user) = self.inner.user(&user) {
                // A host may serve several connections of a user by one sink, whose end is the end of all.
                let meant = |connection: &Connection| Arc::ptr_eq(&connection.sink, &sink);
                while self.evict(&user, meant, &mut overflow) {}
            }
        }
    }

    /// Ends one connection as too slow. No lock is held by the caller.
    pub(crate) fn evict_connection(&self, user: &User, number: u64) {
        let mut overflow = Overflow::default();
        self.evict(
            user,
            |connection| connection.number == number,
            &mut overflow,
        );
        self.evict_all(overflow);
    }

    /// Says whether there was such a connection; it may have been evicted already, or gone by itself.
    fn evict(
        &self,
        user: &User,
        meant: impl Fn(&Connection) -> bool,
        overflow: &mut Overflow,
    ) -> bool {
        let mut cell = user.state.lock();
        let Some(connection) = cell.remove(meant) else {
            return false;
        };
        if let Some(seat) = connection.seat {
            self.vacate(seat, VoiceLeaveReason::Evicted, overflow);
        }
        drop(cell);
        self.inner.counters.evicted();
        connection.sink.close(CloseReason::SlowConsumer);
        true
    }
}
