//! An open connection: its rate limit, its encoding, its signs of life, and one request at a time
//! while a join waits.

use std::{
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use united_voice_proto::{DecodeError, Incoming, ws::Envelope};

use crate::{
    Admission, AdmitError, Codec, Disconnect, Frame, Limits, Now, QueueStream, RequestError, Step,
    VoiceConnection, VoiceDirectory, VoiceServer,
    connection::clock::{Timers, after},
    connection::rate::{RateLimiter, Verdict},
    signaling::{PendingJoin, decode_error, dispatch_now, reply_error},
    stats::{counters::Tally, request::Request},
};

/// The state of an open connection. Dropping it is the disconnect.
pub(super) struct OpenConnection {
    pub(super) connection: VoiceConnection,
    /// `None` if the signals go to the host's own sink.
    pub(super) signals: Option<QueueStream>,
    /// The encoding, once the subprotocol or the first message has settled it.
    pub(super) codec: Option<Codec>,
    rate: RateLimiter,
    /// A message that has to wait: a join before it is not decided yet, or the client has not read
    /// its answers.
    held: Option<Held>,
    join: Option<Box<JoinUnderWay>>,
    timers: Timers,
    /// Nothing is due before this time. If a deadline moves to later, this stays as it is. So a
    /// sign of life costs only a note, and in return one look finds nothing due.
    look_at: Instant,
    /// All connections share the server's counters, so each adds to them only once for each
    /// wake-up.
    pub(super) tally: Tally,
}

enum Held {
    Frame(Frame),
    /// Boxed, because it is rare and larger than the rest of the connection.
    Typed(Box<Envelope>),
}

struct JoinUnderWay {
    request: PendingJoin,
    since: Instant,
    deadline: Instant,
    answer: DirectoryAnswer,
}

type DirectoryAnswer = Pin<Box<dyn Future<Output = Result<Admission, AdmitError>> + Send>>;

impl JoinUnderWay {
    fn count(&self, connection: &VoiceConnection, now: Now) {
        let waited = now.monotonic.saturating_duration_since(self.since);
        connection.registry().counters().join_waited(waited);
    }
}

type Decoded<'f> = Result<Incoming<'f>, DecodeError>;

impl OpenConnection {
    pub(super) fn new(
        connection: VoiceConnection,
        mut signals: Option<QueueStream>,
        codec: Option<Codec>,
        limits: &Limits,
        now: Now,
    ) -> Self {
        // From now on the queue keeps signals in this codec, encoded once for all recipients.
        if let (Some(signals), Some(codec)) = (&mut signals, codec) {
            signals.set_codec(codec);
        }
        let timers = Timers::new(now.monotonic);
        Self {
            connection,
            signals,
            codec,
            rate: RateLimiter::new(limits, now.monotonic),
            held: None,
            join: None,
            look_at: timers.deadline(limits),
            timers,
            tally: Tally::default(),
        }
    }

    pub(super) fn heard(&mut self, now: Now) {
        self.timers.heard(now.monotonic);
    }

    /// Whether one more message can be taken, even if it has to wait.
    pub(super) fn wants_input(&self) -> bool {
        self.held.is_none()
    }

    /// Whether a message is held that may now be handled.
    #[cfg(feature = "connection")]
    pub(super) fn may_go_on(&self) -> bool {
        self.held.is_some() && !self.is_blocked()
    }

    /// Whether the next message has to wait, for a join or for the client to read.
    fn is_blocked(&self) -> bool {
        let over_limit = |signals: &QueueStream| signals.is_over_limit();
        self.join.is_some() || self.signals.as_ref().is_some_and(over_limit)
    }

    /// Does what is due, and handles the held message if nothing blocks it any more.
    pub(super) fn poll<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        cx: &mut Context<'_>,
        now: Now,
    ) -> Result<(), Disconnect> {
        if let Some(signals) = &mut self.signals
            && let Poll::Ready(reason) = signals.poll_closed(cx)
        {
            return Err(reason.into());
        }
        self.poll_join(server, cx, now);
        if self.look_at <= now.monotonic {
            self.do_what_is_due(server, now)?;
        }
        while self.held.is_some() && !self.is_blocked() {
            match self.held.take() {
                Some(Held::Frame(frame)) => self.handle(server, &frame, now)?,
                Some(Held::Typed(envelope)) => self.handle_typed(server, *envelope, now)?,
                None => {}
            }
            self.poll_join(server, cx, now);
        }
        Ok(())
    }

    /// Takes a binary or text message. An error ends the connection.
    #[inline]
    pub(super) fn receive<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        frame: Frame,
        now: Now,
    ) -> Result<(), Disconnect> {
        if self.held.is_none() && !self.is_blocked() {
            return self.handle(server, &frame, now);
        }
        self.hold(Held::Frame(frame))
    }

    pub(super) fn receive_typed<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        envelope: Envelope,
        now: Now,
    ) -> Result<(), Disconnect> {
        if self.held.is_none() && !self.is_blocked() {
            return self.handle_typed(server, envelope, now);
        }
        self.hold(Held::Typed(Box::new(envelope)))
    }

    /// Holds one message at most. A host that ignores `wants_input` must not get a queue without a
    /// limit here.
    fn hold(&mut self, message: Held) -> Result<(), Disconnect> {
        if self.held.is_some() {
            return Err(Disconnect::PolicyViolation);
        }
        self.held = Some(message);
        Ok(())
    }

    fn handle<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        frame: &Frame,
        now: Now,
    ) -> Result<(), Disconnect> {
        let limit = server.limits().max_message_bytes;
        let (decoded, kind_fits) = match frame {
            Frame::Binary(bytes) => {
                let decoded = Incoming::decode(Codec::Protobuf, bytes, limit);
                (decoded, self.is_spoken(Codec::Protobuf))
            }
            #[cfg(feature = "json")]
            Frame::Text(text) => (
                Incoming::decode_text(text, limit),
                self.is_spoken(Codec::Json),
            ),
            _ => (
                Err(DecodeError::Empty {
                    request_id: String::new(),
                }),
                false,
            ),
        };
        if matches!(decoded, Err(DecodeError::TooLarge { .. })) {
            self.tally.received += 1;
            return Err(Disconnect::MessageTooLarge);
        }
        if !self.passes_rate(now)? {
            // A message without a request id asks for no answer, and gets none.
            if !request_id_of(&decoded).is_empty() {
                self.refuse(&decoded, RequestError::rate_limited());
            }
            return Ok(());
        }
        match decoded {
            Ok(message) if kind_fits => self.dispatch(server, message, now),
            Err(error) if kind_fits => {
                reply_error(&self.connection, error.request_id(), &decode_error(&error));
            }
            other => {
                let what = "not in this connection's encoding";
                self.refuse(&other, RequestError::malformed(what));
            }
        }
        Ok(())
    }

    fn handle_typed<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        envelope: Envelope,
        now: Now,
    ) -> Result<(), Disconnect> {
        let passes = self.passes_rate(now)?;
        let unknown = envelope.payload.is_none();
        let asks = !envelope.request_id.is_empty();
        let message = Incoming::Envelope(envelope);
        if passes && !unknown {
            self.dispatch(server, message, now);
        } else if passes {
            // The host's decoder has dropped a payload that this version does not know.
            self.refuse(&Ok(message), RequestError::unknown_payload());
        } else if asks {
            self.refuse(&Ok(message), RequestError::rate_limited());
        }
        Ok(())
    }

    /// Counts a message in the rate. If it returns false, the caller drops the message.
    pub(super) fn passes_rate(&mut self, now: Now) -> Result<bool, Disconnect> {
        self.tally.received += 1;
        self.tally.request = Some(Request::Other);
        match self.rate.check(now.monotonic) {
            Verdict::Pass => Ok(true),
            Verdict::Drop => {
                self.tally.rate_limited += 1;
                Ok(false)
            }
            Verdict::Close => Err(Disconnect::PolicyViolation),
        }
    }

    /// Whether the connection speaks this encoding. If no encoding is settled yet, this one is from
    /// now on.
    fn is_spoken(&mut self, kind: Codec) -> bool {
        let settled = self.codec.get_or_insert_with(|| {
            if let Some(signals) = &mut self.signals {
                signals.set_codec(kind);
            }
            kind
        });
        *settled == kind
    }

    fn refuse(&self, decoded: &Decoded<'_>, mut error: RequestError) {
        if let Ok(message) = decoded {
            error = error.about_message(message);
        }
        reply_error(&self.connection, request_id_of(decoded), &error);
    }

    fn dispatch<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        message: Incoming<'_>,
        now: Now,
    ) {
        self.tally.request = Some(Request::of(&message));
        let Some(request) = dispatch_now(server, &self.connection, message, now.wall) else {
            self.watch_credentials(server, now);
            return;
        };
        let deadline = after(now.monotonic, server.limits().directory_timeout);
        self.look_at = self.look_at.min(deadline);
        self.join = Some(Box::new(JoinUnderWay {
            since: now.monotonic,
            deadline,
            answer: ask(server, &self.connection, &request),
            request,
        }));
    }

    /// Joins once the directory has answered. It is also called right after a join came: if the
    /// directory answers without waiting, the join delays no later message.
    pub(super) fn poll_join<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        cx: &mut Context<'_>,
        now: Now,
    ) {
        while let Some(join) = &mut self.join
            && let Poll::Ready(answer) = join.answer.as_mut().poll(cx)
        {
            let connection = &self.connection;
            match join.request.admitted(server, connection, answer, now.wall) {
                ControlFlow::Continue(()) => {
                    join.answer = ask(server, connection, &join.request);
                }
                ControlFlow::Break(handled) => {
                    join.count(connection, now);
                    if let Err(error) = handled {
                        reply_error(connection, &join.request.request_id, &error);
                    }
                    self.join = None;
                    self.watch_credentials(server, now);
                }
            }
        }
    }

    /// If the connection was given fresh TURN credentials, for any reason, sets the time of their
    /// renewal.
    fn watch_credentials<D: VoiceDirectory>(&mut self, server: &VoiceServer<D>, now: Now) {
        let delay = || server.ice_refresh_after();
        let grants = self.connection.ice_grants();
        if let Some(deadline) = self.timers.granted_ice(grants, delay, now.monotonic) {
            self.look_at = self.look_at.min(deadline);
        }
    }

    /// Never later than the deadline, and cheaper: it compares nothing.
    #[cfg(feature = "connection")]
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let deadline = self.timers.deadline(limits);
        let join = self.join.as_ref().map(|join| join.deadline);
        join.map_or(deadline, |join| join.min(deadline))
    }

    fn do_what_is_due<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        now: Now,
    ) -> Result<(), Disconnect> {
        if self.timers.is_dead(now.monotonic) {
            if self.join.is_none() || self.held.is_none() {
                return Err(Disconnect::TimedOut);
            }
            // A held message waits for the directory, so the signs of life behind it are unread.
            // The silence does not count.
            self.heard(now);
        }
        self.timers.ping_if_silent(server.limits(), now.monotonic);
        if let Some(late) = self.join.take_if(|join| join.deadline <= now.monotonic) {
            late.count(&self.connection, now);
            late.request.give_up(&self.connection);
        }
        if self.timers.take_renewal(now.monotonic) {
            server.push_ice_servers(&self.connection, now.wall);
            self.watch_credentials(server, now);
        }
        // If the ping's time-out is longer than the interval, a pong replaces the deadline of the
        // ping by an earlier one. That cannot be earlier than one interval from now.
        let limits = server.limits();
        let next_ping = after(now.monotonic, limits.ping_interval);
        self.look_at = self.deadline(limits).min(next_ping);
        Ok(())
    }

    /// The next ping or signal.
    #[inline]
    pub(super) fn next_step(&mut self) -> Option<Step> {
        if self.timers.take_ping() {
            return Some(Step::Ping);
        }
        let signal = self.signals.as_mut()?.pop()?;
        self.tally.sent += 1;
        Some(Step::Signal(signal))
    }

    /// Adds the traffic since the last call to the server's counters.
    pub(super) fn count(&mut self) {
        let counters = self.connection.registry().counters();
        counters.traffic(&mut self.tally);
    }

    /// Answers a message of the host's own protocol that exceeds the rate, if it asks for an
    /// answer.
    pub(super) fn refuse_rate(&self, request_id: &str) {
        if !request_id.is_empty() {
            reply_error(&self.connection, request_id, &RequestError::rate_limited());
        }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.count();
    }
}

fn ask<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    connection: &VoiceConnection,
    join: &PendingJoin,
) -> DirectoryAnswer {
    // The future is kept beside the connection, so it owns what it needs. Each clone copies a
    // pointer.
    let (server, user) = (server.clone(), connection.user().clone());
    let channel = join.channel.clone();
    Box::pin(async move { server.directory().admit(&user, &channel).await })
}

/// The request id to answer with. It is empty if the client's is too long to be given back.
fn request_id_of<'a>(decoded: &'a Decoded<'_>) -> &'a str {
    match decoded {
        Ok(message) if message.request_id().len() > crate::MAX_ID_BYTES => "",
        Ok(message) => message.request_id(),
        Err(error) => error.request_id(),
    }
}
