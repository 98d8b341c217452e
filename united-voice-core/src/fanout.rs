//! Telling a room: one signal to many, and what becomes of those who can't take it.

use std::sync::{Arc, atomic::Ordering};

use smallvec::SmallVec;
use united_voice_proto::{
    voice::{VoiceLeaveEvent, VoiceLeaveReason, VoiceParticipantJoinedEvent},
    ws::envelope::Payload,
};

use crate::{
    CloseReason, Signal, SinkError, Urgency, UserId, VoiceRoomRegistry,
    events::VoiceEvent,
    registry::{Inner, Link, Room, RoomCell, User, UserCell},
    room::{Member, Participant},
};

/// Members that could not take an event: noted under the locks, evicted after them.
#[derive(Default)]
pub(crate) struct Overflow(SmallVec<[(UserId, u64); 1]>);

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
    pub(crate) fn deliver(&mut self, user: &UserId, link: &Link, signal: &Signal) -> bool {
        let delivered = link.sink.deliver(signal);
        if let Err(error) = delivered {
            self.refused(error, user, link, signal);
        }
        delivered.is_ok()
    }

    /// Out of the way of those who are not refused, which is nearly everybody.
    #[cold]
    fn refused(&mut self, error: SinkError, user: &UserId, link: &Link, signal: &Signal) {
        match error {
            // The connection is on its way out by itself.
            SinkError::Closed => {}
            SinkError::Full if signal.urgency() == Urgency::Droppable => {}
            SinkError::Full => self.0.push((user.clone(), link.connection)),
        }
    }

    /// Delivers to all members, and the answer to the connection that caused it.
    pub(crate) fn broadcast(
        &mut self,
        cell: &RoomCell,
        mut signal: Signal,
        cause: u64,
        answer: &Answer,
    ) {
        let urgency = signal.urgency();
        for member in cell.members.members() {
            let (user, link) = (&member.participant.user, &member.handle);
            if link.connection != cause {
                self.deliver(user, link, &signal);
                continue;
            }
            match answer {
                Answer::None => {}
                Answer::Other(answer) => {
                    self.deliver(user, link, answer);
                }
                Answer::Same => {
                    signal.set_urgency(Urgency::Reply);
                    self.deliver(user, link, &signal);
                    signal.set_urgency(urgency);
                }
            }
        }
    }

    /// Delivers to all members.
    pub(crate) fn tell_all(&mut self, cell: &RoomCell, signal: &Signal) {
        for member in cell.members.members() {
            self.deliver(&member.participant.user, &member.handle, signal);
        }
    }
}

/// Somebody's stay ended.
pub(crate) fn left_signal(
    room: &Room,
    who: &Participant,
    reason: VoiceLeaveReason,
    request_id: &str,
    urgency: Urgency,
) -> Signal {
    let event = VoiceLeaveEvent {
        channel_id: room.id.as_str().into(),
        user_id: who.user.as_str().into(),
        display_name: who.profile.display_name.clone(),
        reason: reason.into(),
        session_id: who.session.to_text(),
    };
    Signal::new(request_id, Payload::VoiceLeaveEvent(event), urgency)
}

/// Somebody took a seat.
pub(crate) fn joined_signal(room: &Room, who: &Participant) -> Signal {
    let event = VoiceParticipantJoinedEvent {
        channel_id: room.id.as_str().into(),
        participant: Some(who.to_proto()),
    };
    let payload = Payload::VoiceParticipantJoinedEvent(event);
    Signal::new("", payload, Urgency::Event)
}

impl Inner {
    /// Tells the host that a stay ended.
    pub(crate) fn publish_left(&self, room: &Room, who: &Participant, reason: VoiceLeaveReason) {
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
    /// Takes the user's present session out of its room and tells those who remain. Hands back the room and who went,
    /// who was told nothing. The user's lock is held by the caller.
    pub(crate) fn vacate(
        &self,
        user: &User,
        cell: &mut UserCell,
        reason: VoiceLeaveReason,
        overflow: &mut Overflow,
    ) -> Option<(Arc<Room>, Member<Link>)> {
        let seat = cell.seat.take()?;
        let hash = self.inner.hash(user.id.as_str());
        let mut room = seat.room.state.lock();
        let gone = room
            .members
            .unseat(hash, user.id.as_str(), seat.session)
            .expect("a seat and its room's list change together");
        self.tell_left(&seat.room, &room, &gone, reason, overflow);
        let dead = Inner::retire_if_empty(&mut room);
        drop(room);
        if dead {
            self.inner.remove_room(&seat.room);
        }
        Some((seat.room, gone))
    }

    /// Tells the members of a room (and the host) that somebody is no longer in it.
    pub(crate) fn tell_left(
        &self,
        room: &Room,
        cell: &RoomCell,
        gone: &Member<Link>,
        reason: VoiceLeaveReason,
        overflow: &mut Overflow,
    ) {
        let who = &gone.participant;
        if !cell.members.is_empty() {
            let signal = left_signal(room, who, reason, "", Urgency::Event);
            overflow.tell_all(cell, &signal);
        }
        self.inner.publish_left(room, who, reason);
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
        while let Some((user, connection)) = overflow.0.pop() {
            if let Some(user) = self.inner.user(&user) {
                self.evict(&user, connection, &mut overflow);
            }
        }
    }

    /// Ends one connection as too slow. No lock is held by the caller.
    pub(crate) fn evict_connection(&self, user: &User, connection: u64) {
        let mut overflow = Overflow::default();
        self.evict(user, connection, &mut overflow);
        self.evict_all(overflow);
    }

    fn evict(&self, user: &User, connection: u64, overflow: &mut Overflow) {
        let mut cell = user.state.lock();
        let position = cell
            .connections
            .iter()
            .position(|link| link.connection == connection);
        let Some(position) = position else {
            return; // Evicted already, or gone by itself.
        };
        let link = cell.connections.remove(position);
        if cell.sits_with(connection) {
            self.vacate(user, &mut cell, VoiceLeaveReason::Evicted, overflow);
        }
        drop(cell);
        self.inner.counters.evicted();
        link.sink.close(CloseReason::SlowConsumer);
    }
}

impl UserCell {
    /// Whether the user's seat is this connection's.
    pub(crate) fn sits_with(&self, connection: u64) -> bool {
        let seat = self.seat.as_ref();
        seat.is_some_and(|seat| seat.connection == connection)
    }
}
