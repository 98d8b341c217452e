//! Requests in a cluster: what a connection may do by itself, and what it asks the engine.

use tokio::sync::oneshot;

use crate::{
    Admission, ChannelId, JoinError, NotInChannel, RelayFailure, SessionId, Urgency, UserId,
    VoiceConnection,
    cluster::{Asked, AskedBy, Forward, ForwardedBy, JoinAsked, NodeId, Operation, Respond},
    rooms::{
        change::Answer,
        join::JoinTicket,
        link::{ClusterLink, Proposed},
        relayed::Relayed,
        snapshot::{JoinSnapshot, Joined},
        user::Seat,
    },
};

/// What became of a join for now.
pub(crate) enum Entering {
    /// The connection sat in the channel already.
    Stays(Joined),
    /// The engine decides.
    Waits(Proposed),
}

impl VoiceConnection {
    /// The cluster that decides about this connection's requests, if there is one.
    pub(crate) fn link(&self) -> Option<&ClusterLink> {
        self.registry.inner.link()
    }

    /// Joins a channel as [`join`](Self::join) does, but by the engine's decision.
    ///
    /// # Errors
    ///
    /// [`JoinError`]; nothing has changed and nothing was asked.
    pub(crate) fn enter(
        &self,
        link: &ClusterLink,
        channel: &ChannelId,
        ticket: JoinTicket,
        admission: Admission,
        respond: Respond,
    ) -> Result<Entering, JoinError> {
        let connections = self.user.state.lock();
        let mine = connections.connection(self.number);
        let mine = mine.ok_or(JoinError::ConnectionClosed)?;
        if let Some(seat) = mine.seat.as_ref().filter(|seat| seat.room.id == *channel) {
            // The copy has the roster, and nobody else learns of a rejoin.
            return self.stay(seat, respond).map(Entering::Stays);
        }
        let (answer, proposed) = oneshot::channel();
        let asked = JoinAsked {
            connection: self.number,
            limit: admission.max_participants,
            respond,
            answer,
        };
        let operation = Operation::Join {
            session: ticket.session,
            user: self.user.id.clone(),
            channel: channel.clone(),
            profile: admission.profile,
            limit: admission.max_participants,
            policy: ticket.policy.number(),
            asked: Asked(AskedBy::Join(Box::new(asked))),
        };
        // The user's lock is held, so that a leave of this user cannot overtake the join.
        link.backend
            .propose(operation)
            .map_err(|_| JoinError::Undecided)?;
        Ok(Entering::Waits(Proposed(proposed)))
    }

    /// Answers a rejoin with a fresh snapshot. The caller holds the user's lock.
    fn stay(&self, seat: &Seat, respond: Respond) -> Result<Joined, JoinError> {
        let cell = seat.room.state.lock();
        let members = cell.open().ok_or(JoinError::Undecided)?;
        let me = members.position_of(seat.session);
        let me = me.and_then(|position| members.at(position));
        let me = me.ok_or(JoinError::Undecided)?;
        let user = self.user.id.as_str();
        let snapshot = JoinSnapshot::of(members, user, seat.session, true);
        let (mut signal, response_bytes) = respond(snapshot);
        signal.set_urgency(Urgency::Reply);
        me.handle
            .deliver_owned(signal)
            .map_err(JoinError::Undeliverable)?;
        Ok(Joined {
            session: seat.session,
            is_rejoin: true,
            response_bytes,
        })
    }

    /// Asks the engine for a new state. Returns false if the caller has to apply it now: without a
    /// cluster, or while the node is cut off.
    pub(super) fn proposed_state(
        &self,
        channel: &str,
        state: (bool, bool),
        request_id: &str,
    ) -> Result<bool, NotInChannel> {
        let Some(link) = self.link() else {
            return Ok(false);
        };
        let connections = self.user.state.lock();
        let seat = self.seat_in(&connections, channel)?;
        let answer = Answer::Reply(request_id);
        Ok(link.propose_state(&self.user.id, (self.number, seat), state, answer))
    }

    /// Passes a message to the node of its target. The caller holds the locks of the user and the
    /// room.
    pub(super) fn forward(
        &self,
        node: NodeId,
        target: (&UserId, SessionId),
        seat: &Seat,
        request_id: &str,
        message: impl Relayed,
    ) -> Result<(), RelayFailure> {
        let Some(link) = self.link() else {
            return Err(RelayFailure::Unreachable);
        };
        let named = !message.target_session_id().is_empty();
        let signal = message.into_signal(&self.user.id, seat.session);
        let (codec, frame) = signal.into_frame();
        let message = Forward {
            sender: ForwardedBy {
                user: self.user.id.clone(),
                session: seat.session,
                connection: self.number,
                request_id: request_id.into(),
            },
            target_user: target.0.clone(),
            target: target.1,
            named,
            channel: seat.room.id.clone(),
            codec,
            frame,
        };
        let forwarded = link.backend.forward(node, message);
        forwarded.map_err(|_| RelayFailure::Unreachable)
    }
}
