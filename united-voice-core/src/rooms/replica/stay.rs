//! What the engine decided about one stay: its end, its state, or that there is none.

use united_voice_proto::{
    voice::{VoiceError, VoiceLeaveReason},
    ws::envelope::Payload,
};

use crate::{
    ChannelId, JoinError, NotInChannel, RequestError, SessionId, Signal, Urgency, UserId,
    VoiceRoomRegistry,
    cluster::{AskedBy, Refusal, Wanted, WantedChange},
    events::VoiceEvent,
    rooms::{
        change::{Answer, Change, Locked},
        fanout::Fanout,
    },
};

impl VoiceRoomRegistry {
    /// Tells a connection of this node that its request was refused. If the connection is gone,
    /// nothing happens.
    pub(super) fn answer(
        &self,
        (user, connection): (&UserId, u64),
        request_id: &str,
        channel: &ChannelId,
        error: &RequestError,
    ) {
        let Some(who) = self.inner.user(user) else {
            return;
        };
        self.inner.counters.error(error.code());
        let payload = Payload::VoiceError(VoiceError {
            code: error.code().into(),
            message: error.message().into(),
            channel_id: channel.as_str().into(),
        });
        let signal = Signal::new(request_id, payload, Urgency::Reply);
        let mut fanout = Fanout::default();
        if let Some(connection) = who.state.lock().connection(connection) {
            fanout.deliver_only(user, &connection.sink, signal);
        }
        self.evict_all(fanout);
    }

    pub(super) fn refused(&self, asked: AskedBy, refusal: Refusal) {
        match asked {
            AskedBy::Join(asked) => {
                // If the join was given up, its client has its answer.
                let _ = asked.answer.send(Err(refusal.into()));
            }
            // The engine does not know the stay. If this node still lists it, the engine has lost
            // it, and no outcome will end it.
            AskedBy::Change(wanted) => match wanted.change {
                WantedChange::Leave(_) => self.tell_now(&wanted),
                WantedChange::State { .. } => self.answer_not_in_channel(&wanted),
            },
            AskedBy::Nobody | AskedBy::Told => {}
        }
    }

    /// Applies and tells what a member of this node wants, without an outcome.
    pub(super) fn tell_now(&self, wanted: &Wanted) {
        let (channel, session) = (&wanted.channel, wanted.session);
        let answer = answer_to(wanted);
        let done = match wanted.change {
            WantedChange::Leave(reason) => {
                let left = self.end(channel, &wanted.user, (session, reason), answer);
                left.is_some()
            }
            WantedChange::State { muted, deafened } => {
                self.change(channel, session, state(session, (muted, deafened)), answer)
            }
        };
        if !done {
            self.answer_not_in_channel(wanted);
        }
    }

    /// Ends a stay. The host hears of it from the node that has its connection, or else from the
    /// node that `reaped` it.
    pub(super) fn left(
        &self,
        asked: &AskedBy,
        channel: &ChannelId,
        user: &UserId,
        (session, reason): (SessionId, VoiceLeaveReason),
        reaped: bool,
    ) {
        let answer = match asked {
            AskedBy::Change(wanted) => answer_to(wanted),
            AskedBy::Nobody | AskedBy::Told | AskedBy::Join(_) => Answer::Event,
        };
        let was_here = self.end(channel, user, (session, reason), answer);
        if was_here.is_none()
            && let AskedBy::Change(wanted) = asked
        {
            self.answer_not_in_channel(wanted);
        }
        if reaped && was_here != Some(true) {
            self.inner.publish(|| VoiceEvent::Left {
                channel: channel.clone(),
                user: user.clone(),
                session,
                reason,
            });
        }
    }

    /// Applies a state.
    pub(super) fn stated(
        &self,
        asked: &AskedBy,
        channel: &ChannelId,
        session: SessionId,
        said: (bool, bool),
    ) {
        let answer = match asked {
            // A later state of this member may have been told already, too.
            AskedBy::Told => return,
            AskedBy::Change(wanted) => answer_to(wanted),
            AskedBy::Nobody | AskedBy::Join(_) => Answer::Event,
        };
        let done = self.change(channel, session, state(session, said), answer);
        if !done && let AskedBy::Change(wanted) = asked {
            self.answer_not_in_channel(wanted);
        }
    }

    /// Ends a stay, and says whether its connection was to this node. `None` if no copy lists it.
    fn end(
        &self,
        channel: &ChannelId,
        user: &UserId,
        (session, reason): (SessionId, VoiceLeaveReason),
        answer: Answer<'_>,
    ) -> Option<bool> {
        let room = self.inner.room(channel)?;
        let who = self.inner.user(user);
        let mut connections = who.as_ref().map(|who| who.state.lock());
        let mut fanout = Fanout::default();
        let mut cell = room.state.lock();
        let mut was_here = None;
        if let Some(members) = cell.open_mut() {
            let position = members.position_of(session);
            was_here = position.map(|position| members.is_here(position));
            let mut locked = Locked {
                registry: &self.inner,
                user,
                connections: connections.as_deref_mut(),
                room: &room,
                members,
                old: None,
            };
            locked.apply(Change::Leave { session, reason }, answer, &mut fanout);
        }
        self.inner.release(&room, cell, None);
        drop(connections);
        self.evict_all(fanout);
        was_here
    }

    /// Applies what a member says about itself. Returns false if no copy lists the session.
    pub(super) fn change(
        &self,
        channel: &ChannelId,
        session: SessionId,
        change: Change,
        answer: Answer<'_>,
    ) -> bool {
        let Some(room) = self.inner.room(channel) else {
            return false;
        };
        let mut fanout = Fanout::default();
        {
            let mut cell = room.state.lock();
            let Some(members) = cell.open_mut() else {
                return false;
            };
            let position = members.position_of(session);
            let Some(user) = position
                .and_then(|position| members.user_at(position))
                .cloned()
            else {
                return false;
            };
            let mut locked = Locked {
                registry: &self.inner,
                user: &user,
                connections: None,
                room: &room,
                members,
                old: None,
            };
            locked.apply(change, answer, &mut fanout);
        }
        self.evict_all(fanout);
        true
    }

    fn answer_not_in_channel(&self, wanted: &Wanted) {
        if let Some(request_id) = &wanted.request_id {
            let channel = &wanted.channel;
            let error = RequestError::from(NotInChannel).in_channel(channel.as_str());
            let to = (&wanted.user, wanted.connection);
            self.answer(to, request_id, channel, &error);
        }
    }
}

impl From<Refusal> for JoinError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::ChannelFull,
            Refusal::PolicyChanged => Self::PolicyChanged,
            Refusal::Unavailable | Refusal::NotInChannel => Self::Undecided,
        }
    }
}

/// How the member that wants this is told.
fn answer_to(wanted: &Wanted) -> Answer<'_> {
    let request_id = wanted.request_id.as_deref();
    request_id.map_or(Answer::Event, Answer::Reply)
}

fn state(session: SessionId, (muted, deafened): (bool, bool)) -> Change {
    Change::State {
        session,
        muted,
        deafened,
    }
}
