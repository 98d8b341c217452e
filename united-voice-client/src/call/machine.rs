//! The state of a call, and what connections and time do to it.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use united_voice_proto::{
    voice::VoiceJoinRequest,
    ws::{Envelope, envelope::Payload},
};

use super::outgoing::Outgoing;
use crate::{
    command::{Reply, State},
    error::{JoinError, Refusal, RequestError},
    event::{Event, ExitReason, Snapshot},
    pace::Rate,
    pending::{Pending, Waiter},
};

/// The pause before the client repeats a rejoin that the server could not carry out.
pub(super) const REJOIN_DELAY: Duration = Duration::from_secs(2);

/// Requests that may wait for an answer. If so many wait, the client takes no command.
const MAX_PENDING: usize = 1024;

/// The channel and session that the server gave this client on the present connection.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) channel: String,
    pub(super) session: String,
}

/// The state of a client: its connection, its channel, and what waits to be sent and told.
#[derive(Debug)]
pub(crate) struct Call {
    pub(super) online: bool,
    next_id: u64,
    pub(super) pending: Pending,
    pub(super) seat: Option<Seat>,
    /// The channel that the application wants to be in. The client joins it after a reconnection.
    pub(super) intent: Option<String>,
    /// The channel that the application was last told it is in. Unlike the seat, it outlives the
    /// connection.
    pub(super) channel: Option<String>,
    pub(super) state: State,
    /// The reply to a join of `intent` that waits for a connection.
    pub(super) waiter: Option<Reply<Snapshot, JoinError>>,
    /// When to repeat a rejoin that the server could not carry out.
    pub(super) rejoin_at: Option<Instant>,
    /// The server left a join or a leave unanswered, or would not carry a leave out.
    pub(super) unresponsive: bool,
    pub(super) request_timeout: Duration,
    pub(super) outgoing: Outgoing,
    pub(super) events: VecDeque<Event>,
}

impl Call {
    pub(crate) fn new(request_timeout: Duration, rate: Rate) -> Self {
        Self {
            online: false,
            next_id: 1,
            pending: Pending::new(),
            seat: None,
            intent: None,
            channel: None,
            state: State {
                muted: false,
                deafened: false,
            },
            waiter: None,
            rejoin_at: None,
            unresponsive: false,
            request_timeout,
            outgoing: Outgoing::new(rate),
            events: VecDeque::new(),
        }
    }

    /// The next envelope to send, if it may be sent at `now`.
    pub(crate) fn pop_outgoing(&mut self, now: Instant) -> Option<Envelope> {
        self.outgoing.pop(now)
    }

    /// When to ask for the next envelope again, if one has to wait.
    pub(crate) fn send_at(&self) -> Option<Instant> {
        self.outgoing.ready_at()
    }

    /// The next event to tell.
    pub(crate) fn pop_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether another command may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING && self.outgoing.has_room()
    }

    /// Whether the server left a join or a leave unanswered, or would not carry a leave out, so
    /// that the connection should be given up.
    pub(crate) const fn is_unresponsive(&self) -> bool {
        self.unresponsive
    }

    /// When to call [`tick`](Self::tick).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending
            .deadline()
            .into_iter()
            .chain(self.rejoin_at)
            .min()
    }

    /// Notes that there is a connection, and joins the channel that the application wants to be in.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.online = true;
        self.unresponsive = false;
        self.rejoin(now);
    }

    /// Notes that the connection is gone. Its requests fail, except those that the next connection
    /// can do as well.
    pub(crate) fn lost(&mut self) {
        self.online = false;
        self.seat = None;
        self.rejoin_at = None;
        self.outgoing.clear();
        for waiter in self.pending.drain() {
            match waiter {
                Waiter::Join { channel, reply } => self.join_cut(&channel, reply),
                // The seat went with the connection.
                Waiter::Leave { reply, .. } => answer(reply, Ok(())),
                // The state is told again at the next join.
                Waiter::State { reply } => answer(reply, Ok(())),
                Waiter::IceServers { reply } => answer(reply, Err(RequestError::Offline)),
            }
        }
        if self.intent.is_none() {
            self.exit(ExitReason::Left);
        }
    }

    /// Handles a join that was cut off, so that nobody knows what became of it. The next connection
    /// repeats the last join.
    fn join_cut(&mut self, channel: &str, reply: Option<Reply<Snapshot, JoinError>>) {
        if self.intent.as_deref() != Some(channel) {
            return answer(reply, Err(JoinError::Superseded));
        }
        if reply.is_some() {
            self.supersede();
            self.waiter = reply;
        }
    }

    fn rejoin(&mut self, now: Instant) {
        self.rejoin_at = None;
        if let Some(channel) = self.intent.clone() {
            let reply = self.waiter.take();
            self.request_join(channel, reply, now);
        }
    }

    /// Does what is due at `now`.
    pub(crate) fn tick(&mut self, now: Instant) {
        while let Some(waiter) = self.pending.take_expired(now) {
            self.expire(waiter);
        }
        if self.rejoin_at.is_some_and(|at| at <= now) {
            self.rejoin(now);
        }
    }

    /// Fails a request that got no answer.
    pub(super) fn expire(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Join { channel, reply } => self.join_timed_out(&channel, reply),
            Waiter::Leave { reply, .. } => self.give_up(reply),
            Waiter::State { reply } => answer(reply, Err(RequestError::TimedOut)),
            Waiter::IceServers { reply } => answer(reply, Err(RequestError::TimedOut)),
        }
    }

    fn join_timed_out(&mut self, channel: &str, reply: Option<Reply<Snapshot, JoinError>>) {
        self.unresponsive = true;
        if reply.is_some() && self.intent.as_deref() == Some(channel) {
            self.stay(JoinError::TimedOut);
        }
        answer(reply, Err(JoinError::TimedOut));
    }

    /// Sends a join.
    pub(super) fn request_join(
        &mut self,
        channel: String,
        reply: Option<Reply<Snapshot, JoinError>>,
        now: Instant,
    ) {
        let request = join_request(channel.clone());
        self.request(request, Waiter::Join { channel, reply }, now);
    }

    /// Gives the connection up to make sure of a leave: the seat goes with the connection.
    pub(super) fn give_up(&mut self, leave: Reply<(), RequestError>) {
        self.unresponsive = true;
        answer(leave, Ok(()));
    }

    /// Sends a request and waits for its answer.
    pub(super) fn request(&mut self, payload: Payload, waiter: Waiter, now: Instant) {
        let id = self.send(payload);
        self.pending.insert(id, waiter, now + self.request_timeout);
    }

    /// Sends a request again that the server refused for the moment.
    pub(super) fn request_again(&mut self, payload: Payload, waiter: Waiter, deadline: Instant) {
        let (id, envelope) = self.envelope(payload);
        self.outgoing.push_again(id, envelope);
        self.pending.insert(id, waiter, deadline);
    }

    /// Sends a message with an id of its own, and returns the id.
    pub(super) fn send(&mut self, payload: Payload) -> u64 {
        let (id, envelope) = self.envelope(payload);
        self.outgoing.push(id, envelope);
        id
    }

    fn envelope(&mut self, payload: Payload) -> (u64, Envelope) {
        let id = self.next_id;
        self.next_id += 1;
        let envelope = Envelope {
            request_id: id.to_string(),
            payload: Some(payload),
        };
        (id, envelope)
    }

    /// Handles a last join that failed: the client stays in its channel, or is in none.
    fn stay(&mut self, error: JoinError) {
        self.intent = self.seat.as_ref().map(|seat| seat.channel.clone());
        if self.seat.is_none() {
            self.exit(ExitReason::Refused(error));
        }
    }

    /// Fails a join that waits for a connection, because a later command replaces it.
    pub(super) fn supersede(&mut self) {
        answer(self.waiter.take(), Err(JoinError::Superseded));
    }

    /// Tells the application that it is in no channel any more.
    pub(super) fn exit(&mut self, reason: ExitReason) {
        self.seat = None;
        self.outgoing.keep_only(None);
        if let Some(channel_id) = self.channel.take() {
            self.events.push_back(Event::Exited { channel_id, reason });
        }
    }

    /// Handles a join that the server refused.
    pub(super) fn refused(
        &mut self,
        channel: &str,
        refusal: Refusal,
        reply: Option<Reply<Snapshot, JoinError>>,
        now: Instant,
    ) {
        let nobody_waits = reply.is_none();
        if self.intent.as_deref() == Some(channel) {
            if self.seat.is_none() && nobody_waits && refusal.is_retryable() {
                self.rejoin_at = Some(now + REJOIN_DELAY);
                return;
            }
            self.stay(JoinError::Refused(refusal.clone()));
        }
        answer(reply, Err(JoinError::Refused(refusal)));
    }
}

pub(super) const fn join_request(channel_id: String) -> Payload {
    Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id })
}

/// Sends the result to the asker, if there is one that still waits.
pub(super) fn answer<T, E>(reply: impl Into<Option<Reply<T, E>>>, result: Result<T, E>) {
    if let Some(reply) = reply.into() {
        // An error means that the asker is gone.
        let _ = reply.send(result);
    }
}
