//! Applies a change to the members of a room and tells it to them, in one critical section.
//!
//! No other file changes a room or tells its members about a change. This file does not know how a
//! change was decided, so the same code serves a server that decides by itself and one that is told
//! by others. The connection, the seat or the member that a change names may be gone already. Then
//! that part of the change is left out, and the rest happens all the same.

use std::sync::Arc;

use united_voice_proto::{
    encode_speaking_event, encode_state_update,
    voice::{
        VoiceError, VoiceErrorCode, VoiceLeaveEvent, VoiceLeaveReason, VoiceParticipantJoinedEvent,
    },
    ws::envelope::Payload,
};

use crate::{
    Profile, SessionId, Signal, SignalSink, SinkError, Urgency, UserId,
    events::VoiceEvent,
    rooms::{
        cell::{Members, Room},
        fanout::Fanout,
        registry::RegistryInner,
        room::Member,
        user::{Seat, UserCell},
    },
};

/// Something that happens to one user in one room.
pub(crate) enum Change {
    /// A session begins.
    Join {
        session: SessionId,
        /// The number of the connection that gets the seat.
        connection: u64,
        profile: Profile,
        /// The session that the user had until now, in this room or in [`Locked::old`]. It ends.
        ends: Option<SessionId>,
    },
    /// A session ends.
    Leave {
        session: SessionId,
        reason: VoiceLeaveReason,
    },
    /// A member says whether its microphone and its headphones are off.
    State {
        session: SessionId,
        muted: bool,
        deafened: bool,
    },
    /// A member says whether it speaks.
    Speaking { session: SessionId, speaking: bool },
}

/// What the member that a change names is told about it.
#[derive(Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// Nothing: its connection has ended, or it did not ask to be told.
    None,
    /// The same as the others, unasked.
    Event,
    /// The same as the others, as the reply to the request with this id.
    Reply(&'a str),
}

/// What is locked while a change is applied.
pub(crate) struct Locked<'a> {
    pub(crate) registry: &'a RegistryInner,
    pub(crate) user: &'a UserId,
    /// The user's connections. `None` for changes that touch none of them: state and speaking.
    pub(crate) connections: Option<&'a mut UserCell>,
    pub(crate) room: &'a Arc<Room>,
    pub(crate) members: &'a mut Members,
    /// The room that a join takes the user away from, if it is another one.
    pub(crate) old: Option<(&'a Room, &'a mut Members)>,
}

/// A member as the registry seats them.
pub(super) type Seated = Member<Arc<dyn SignalSink>>;

impl Locked<'_> {
    /// Applies a change and tells everybody concerned. All members see it at the same place of the
    /// room's order, since the room's lock is held throughout.
    #[inline]
    pub(crate) fn apply(&mut self, change: Change, answer: Answer<'_>, fanout: &mut Fanout) {
        match change {
            Change::Join {
                session,
                connection,
                profile,
                ends,
            } => {
                if let Some(ended) = ends {
                    self.end_earlier(ended, connection, fanout);
                }
                self.begin(session, connection, profile, fanout);
            }
            Change::Leave { session, reason } => self.end(session, reason, answer, fanout),
            Change::State {
                session,
                muted,
                deafened,
            } => self.set_state(session, (muted, deafened), answer, fanout),
            Change::Speaking { session, speaking } => {
                self.set_speaking(session, speaking, answer, fanout);
            }
        }
    }

    /// Ends the session that the user had before `connection` takes a seat.
    pub(super) fn end_earlier(&mut self, session: SessionId, connection: u64, fanout: &mut Fanout) {
        let was_mine = self.connections.as_deref_mut().is_some_and(|connections| {
            let mine = connections.connection(connection);
            let was_mine = mine
                .and_then(|mine| mine.seat.as_ref())
                .is_some_and(|seat| seat.session == session);
            connections.take_seat(session);
            was_mine
        });
        let (room, members, reason) = match &mut self.old {
            Some((room, members)) => (*room, &mut **members, VoiceLeaveReason::Moved),
            None => (&**self.room, &mut *self.members, VoiceLeaveReason::Replaced),
        };
        if let Some(gone) = members.unseat(session) {
            // A connection that joins elsewhere learns from the response that its earlier session
            // ended. Another connection has to be told that it lost the seat.
            if !was_mine {
                tell_seat_lost(room, &gone, fanout);
            }
            tell_left(self.registry, room, members, &gone, reason, fanout);
        }
    }

    fn begin(
        &mut self,
        session: SessionId,
        connection: u64,
        profile: Profile,
        fanout: &mut Fanout,
    ) {
        let connections = self.connections.as_deref_mut();
        let mine = connections.and_then(|connections| connections.connection_mut(connection));
        let sink: Arc<dyn SignalSink> = match mine {
            Some(mine) => {
                mine.seat = Some(Seat {
                    room: Arc::clone(self.room),
                    session,
                });
                Arc::clone(&mine.sink)
            }
            // The decider of the join ends it too, once it learns that the connection is gone.
            None => Arc::new(Gone),
        };
        let newcomer = Member::new(self.user.clone(), session, profile, sink);
        // The others are told before the newcomer is seated, so the newcomer does not get its own
        // join event. Its snapshot says the same.
        if !self.members.is_empty() {
            fanout.tell_all(self.members, &joined_signal(self.room, &newcomer));
        }
        let replaced = self.members.seat(newcomer);
        debug_assert!(replaced.is_none(), "the join did not name the seat to end");
        self.registry.counters.joined();
        self.registry.publish(|| VoiceEvent::Joined {
            channel: self.room.id.clone(),
            user: self.user.clone(),
            session,
        });
    }

    /// Seats a member whose connection is to another process.
    #[cfg(feature = "cluster")]
    pub(super) fn begin_away(&mut self, newcomer: Seated, fanout: &mut Fanout) {
        fanout.tell_all(self.members, &joined_signal(self.room, &newcomer));
        self.members.seat(newcomer);
    }

    fn end(
        &mut self,
        session: SessionId,
        reason: VoiceLeaveReason,
        answer: Answer<'_>,
        fanout: &mut Fanout,
    ) {
        if let Some(connections) = self.connections.as_deref_mut() {
            connections.take_seat(session);
        }
        let Some(gone) = self.members.unseat(session) else {
            return;
        };
        let told = tell_left(
            self.registry,
            self.room,
            self.members,
            &gone,
            reason,
            fanout,
        );
        let signal = match (answer, told) {
            (Answer::None, _) => return,
            (Answer::Event, Some(told)) => told,
            (Answer::Reply(""), Some(mut told)) => {
                told.set_urgency(Urgency::Reply);
                told
            }
            (Answer::Event, None) => left_signal(self.room, &gone, reason, "", Urgency::Event),
            (Answer::Reply(id), _) => left_signal(self.room, &gone, reason, id, Urgency::Reply),
        };
        fanout.deliver_only(self.user, &gone.handle, signal);
    }

    fn set_state(
        &mut self,
        session: SessionId,
        state: (bool, bool),
        answer: Answer<'_>,
        fanout: &mut Fanout,
    ) {
        let Some(position) = self.members.position_of(session) else {
            return;
        };
        self.members.set_state(position, state.0, state.1);
        let signal = |id: &str, urgency| state_signal(id, self.room, self.user, state, urgency);
        self.tell(position, answer, Urgency::Event, fanout, signal);
        if self.members.is_here(position) {
            self.registry.publish(|| VoiceEvent::StateChanged {
                channel: self.room.id.clone(),
                user: self.user.clone(),
                muted: state.0,
                deafened: state.1,
            });
        }
    }

    fn set_speaking(
        &mut self,
        session: SessionId,
        speaking: bool,
        answer: Answer<'_>,
        fanout: &mut Fanout,
    ) {
        let Some(position) = self.members.position_of(session) else {
            return;
        };
        let signal =
            |id: &str, urgency| speaking_signal(id, self.room, self.user, speaking, urgency);
        self.tell(position, answer, Urgency::Droppable, fanout, signal);
    }

    /// Tells the others, and then the member at this position, which caused it.
    #[inline]
    fn tell(
        &self,
        position: usize,
        answer: Answer<'_>,
        urgency: Urgency,
        fanout: &mut Fanout,
        signal: impl Fn(&str, Urgency) -> Signal,
    ) {
        let mut told = signal("", urgency);
        fanout.tell_others(self.members, &told, position);
        let own = match answer {
            Answer::None => return,
            Answer::Event => told,
            Answer::Reply("") => {
                told.set_urgency(Urgency::Reply);
                told
            }
            Answer::Reply(id) => signal(id, Urgency::Reply),
        };
        if let Some(sink) = self.members.handles(position..position + 1).next() {
            fanout.deliver_only(self.user, sink, own);
        }
    }
}

/// Tells the members of a room, and the host, that a member has left. Hands back the signal that
/// the members got, if there are any.
pub(super) fn tell_left(
    registry: &RegistryInner,
    room: &Room,
    members: &Members,
    gone: &Seated,
    reason: VoiceLeaveReason,
    fanout: &mut Fanout,
) -> Option<Signal> {
    let told = tell_members_left(room, members, gone, reason, fanout);
    // The host hears of a member from the process that has the member's connection.
    if gone.participant.is_here() {
        registry.counters.left();
        registry.publish(|| VoiceEvent::Left {
            channel: room.id.clone(),
            user: gone.participant.user.clone(),
            session: gone.session,
            reason,
        });
    }
    told
}

/// Does the same for the members alone.
pub(super) fn tell_members_left(
    room: &Room,
    members: &Members,
    gone: &Seated,
    reason: VoiceLeaveReason,
    fanout: &mut Fanout,
) -> Option<Signal> {
    (!members.is_empty()).then(|| {
        let signal = left_signal(room, gone, reason, "", Urgency::Event);
        fanout.tell_all(members, &signal);
        signal
    })
}

/// The sink of a member whose connection has ended.
pub(super) struct Gone;

impl SignalSink for Gone {
    fn deliver(&self, _signal: &Signal) -> Result<(), SinkError> {
        Err(SinkError::Closed)
    }
}

fn left_signal(
    room: &Room,
    gone: &Seated,
    reason: VoiceLeaveReason,
    request_id: &str,
    urgency: Urgency,
) -> Signal {
    let event = VoiceLeaveEvent {
        channel_id: room.id.as_str().into(),
        user_id: gone.participant.user.as_str().into(),
        display_name: gone.participant.profile.display_name().into(),
        reason: reason.into(),
        session_id: gone.session.to_text(),
    };
    Signal::new(request_id, Payload::VoiceLeaveEvent(event), urgency)
}

fn joined_signal(room: &Room, newcomer: &Seated) -> Signal {
    let event = VoiceParticipantJoinedEvent {
        channel_id: room.id.as_str().into(),
        participant: Some(newcomer.as_ref().to_proto()),
    };
    let payload = Payload::VoiceParticipantJoinedEvent(event);
    Signal::new("", payload, Urgency::Event)
}

/// Tells a connection that another one has taken its seat.
pub(super) fn tell_seat_lost(room: &Room, gone: &Seated, fanout: &mut Fanout) {
    let user = &gone.participant.user;
    fanout.deliver_only(user, &gone.handle, seat_lost_signal(room));
}

fn seat_lost_signal(room: &Room) -> Signal {
    let lost = VoiceError {
        code: VoiceErrorCode::SessionReplaced.into(),
        message: "another connection of this user took the seat".into(),
        channel_id: room.id.as_str().into(),
    };
    Signal::new("", Payload::VoiceError(lost), Urgency::Event)
}

/// Out of line, so that the signal is written straight to its final place. Otherwise the compiler
/// copies it right after it was written piece by piece. The processor then has to wait for those
/// writes, and that takes longer than the encoding.
#[inline(never)]
fn state_signal(
    request_id: &str,
    room: &Room,
    user: &UserId,
    (muted, deafened): (bool, bool),
    urgency: Urgency,
) -> Signal {
    let channel = room.id.as_str();
    let frame = encode_state_update(request_id, channel, user.as_str(), muted, deafened);
    Signal::from_frame(frame, urgency)
}

/// Out of line, as [`state_signal`] is.
#[inline(never)]
fn speaking_signal(
    request_id: &str,
    room: &Room,
    user: &UserId,
    speaking: bool,
    urgency: Urgency,
) -> Signal {
    let channel = room.id.as_str();
    let frame = encode_speaking_event(request_id, channel, user.as_str(), speaking);
    Signal::from_frame(frame, urgency)
}
