//! The client's side of the protocol, without socket or clock: commands and envelopes go in, envelopes and events come
//! out. Who drives it is [`driver`](crate::driver).

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;
use united_voice_proto::{
    voice::VoiceJoinRequest,
    ws::{Envelope, envelope::Payload},
};

use crate::{
    Event, ExitReason, JoinError, Refusal, RequestError, Snapshot,
    command::{Reply, State},
    pending::{Pending, Waiter},
};

mod commands;
mod incoming;
#[cfg(test)]
mod tests;

/// The pause before a rejoin is tried again that the server could not carry out.
const REJOIN_DELAY: Duration = Duration::from_secs(2);

/// Requests that may wait for an answer. Beyond it no command is taken.
const MAX_PENDING: usize = 1024;

/// Where the server has us, on the present connection.
#[derive(Debug)]
struct Seat {
    channel: String,
    session: String,
}

#[derive(Debug)]
pub(crate) struct Call {
    online: bool,
    next_id: u64,
    pending: Pending,
    seat: Option<Seat>,
    /// Where the application wants to be: what is joined after a reconnection.
    intent: Option<String>,
    /// Where the application was last told it is. Unlike the seat it outlives the connection.
    channel: Option<String>,
    state: State,
    /// Who waits for a connection, to join `intent`.
    waiter: Option<Reply<Snapshot, JoinError>>,
    rejoin_at: Option<Instant>,
    unresponsive: bool,
    outgoing: VecDeque<Envelope>,
    events: VecDeque<Event>,
}

impl Call {
    pub(crate) const fn new(request_timeout: Duration) -> Self {
        Self {
            online: false,
            next_id: 1,
            pending: Pending::new(request_timeout),
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
            outgoing: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The next envelope to send.
    pub(crate) fn pop_outgoing(&mut self) -> Option<Envelope> {
        self.outgoing.pop_front()
    }

    /// The next event to tell.
    pub(crate) fn pop_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Whether another command may be taken.
    pub(crate) fn has_room(&self) -> bool {
        self.pending.len() < MAX_PENDING
    }

    /// Whether the server left a join unanswered, so that the connection should be given up.
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

    // --- the connection ---------------------------------------------------------------------------------------------

    /// There is a connection: back to where one was, or wanted to be.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.online = true;
        self.unresponsive = false;
        self.rejoin(now);
    }

    /// The connection is gone. What was asked of it fails, but for what the next can do as well.
    pub(crate) fn lost(&mut self) {
        self.online = false;
        self.seat = None;
        self.rejoin_at = None;
        self.outgoing.clear();
        for waiter in self.pending.drain() {
            match waiter {
                Waiter::Join { channel, reply } => self.join_cut(&channel, reply),
                // The seat went with the connection.
                Waiter::Leave { reply } => answer(reply, Ok(())),
                // It is told again at the next join.
                Waiter::State { reply } => answer(reply, Ok(())),
                Waiter::IceServers { reply } => answer(reply, Err(RequestError::Offline)),
            }
        }
        if self.intent.is_none() {
            self.exit(ExitReason::Left);
        }
    }

    /// A join whose fate is not known: the last one is repeated on the next connection.
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

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) {
        while let Some(waiter) = self.pending.take_expired(now) {
            self.expire(waiter);
        }
        if self.rejoin_at.is_some_and(|at| at <= now) {
            self.rejoin(now);
        }
    }

    fn expire(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Join { channel, reply } => self.join_timed_out(&channel, reply),
            Waiter::Leave { reply } => answer(reply, Err(RequestError::TimedOut)),
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

    // --- bookkeeping ------------------------------------------------------------------------------------------------

    fn request_join(
        &mut self,
        channel: String,
        reply: Option<Reply<Snapshot, JoinError>>,
        now: Instant,
    ) {
        let request = VoiceJoinRequest {
            channel_id: channel.clone(),
        };
        let waiter = Waiter::Join { channel, reply };
        self.request(Payload::VoiceJoinRequest(request), waiter, now);
    }

    fn request(&mut self, payload: Payload, waiter: Waiter, now: Instant) {
        let id = self.send(payload);
        self.pending.insert(id, waiter, now);
    }

    fn send(&mut self, payload: Payload) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.outgoing.push_back(Envelope {
            request_id: id.to_string(),
            payload: Some(payload),
        });
        id
    }

    /// The last join came to nothing: one stays where one is, or is nowhere.
    fn stay(&mut self, error: JoinError) {
        self.intent = self.seat.as_ref().map(|seat| seat.channel.clone());
        if self.seat.is_none() {
            self.exit(ExitReason::Refused(error));
        }
    }

    fn supersede(&mut self) {
        answer(self.waiter.take(), Err(JoinError::Superseded));
    }

    fn exit(&mut self, reason: ExitReason) {
        self.seat = None;
        if let Some(channel_id) = self.channel.take() {
            self.events.push_back(Event::Exited { channel_id, reason });
        }
    }

    fn refused(
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

/// Answers whoever asked, if anybody did and still wants to know.
fn answer<T, E>(reply: impl Into<Option<Reply<T, E>>>, result: Result<T, E>) {
    if let Some(reply) = reply.into() {
        // An error says that the asker is gone.
        let _ = reply.send(result);
    }
}
