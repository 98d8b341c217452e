//! An open connection: its rate limit, its encoding, its signs of life, and one request at a time
//! while a join waits.

use std::{
    task::{Context, Poll},
    time::Instant,
};

use united_voice_proto::{
    DecodeError, Incoming,
    ws::{Envelope, envelope::Payload},
};

use crate::{
    Codec, Disconnect, Frame, Limits, Now, QueueStream, RequestError, Step, VoiceConnection,
    VoiceDirectory, VoiceServer,
    connection::clock::{Timers, after},
    connection::join::JoinUnderWay,
    connection::rate::{RateLimiter, Verdict, weight},
    connection::stall::Blocked,
    rooms::snapshot::Joined,
    signaling::{decode_error, dispatch_now, reply_error},
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
    /// The connection has joined a channel, now or earlier.
    has_joined: bool,
    timers: Timers,
    /// Set while the socket takes no more. Boxed, because it is rare.
    pub(super) blocked: Option<Box<Blocked>>,
    /// Nothing is due before this time. If a deadline moves to later, this stays as it is. So a
    /// sign of life costs only a note, and in return one look finds nothing due.
    pub(super) look_at: Instant,
    /// All connections share the server's counters, so each adds to them only once for each
    /// wake-up.
    pub(super) tally: Tally,
}

enum Held {
    Frame(Frame),
    Typed {
        /// Boxed, because it is rare and larger than the rest of the connection.
        envelope: Box<Envelope>,
        /// The size of the message that it came in.
        bytes: usize,
    },
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
            has_joined: false,
            look_at: timers.deadline(limits),
            timers,
            blocked: None,
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
                Some(Held::Typed { envelope, bytes }) => {
                    self.handle_typed(server, *envelope, bytes, now)?;
                }
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
        bytes: usize,
        now: Now,
    ) -> Result<(), Disconnect> {
        if self.held.is_none() && !self.is_blocked() {
            return self.handle_typed(server, envelope, bytes, now);
        }
        let envelope = Box::new(envelope);
        self.hold(Held::Typed { envelope, bytes })
    }

    /// Takes a frame that is no message, which never has to wait. An error ends the connection.
    pub(super) fn receive_control(&mut self, frame: &Frame, now: Now) -> Result<(), Disconnect> {
        // The server asked for this one.
        if matches!(frame, Frame::Pong(_)) && self.timers.take_pong() {
            return Ok(());
        }
        self.is_within_rate(1, now).map(drop)
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
        self.tally.receive();
        let limit = server.limits().max_message_bytes;
        let (decoded, kind_fits, bytes) = match frame {
            Frame::Binary(bytes) => {
                let decoded = Incoming::decode(Codec::Protobuf, bytes, limit);
                (decoded, self.is_spoken(Codec::Protobuf), bytes.len())
            }
            #[cfg(feature = "json")]
            Frame::Text(text) => {
                let decoded = Incoming::decode_text(text, limit);
                (decoded, self.is_spoken(Codec::Json), text.len())
            }
            _ => {
                let request_id = String::new();
                (Err(DecodeError::Empty { request_id }), false, 0)
            }
        };
        if matches!(decoded, Err(DecodeError::TooLarge { .. })) {
            return Err(Disconnect::MessageTooLarge);
        }
        if !self.is_within_rate(weight(bytes), now)? && !decoded.as_ref().is_ok_and(is_leave) {
            self.tally.rate_limited += 1;
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
        bytes: usize,
        now: Now,
    ) -> Result<(), Disconnect> {
        self.tally.receive();
        let is_within_rate = self.is_within_rate(weight(bytes), now)?;
        let unknown = envelope.payload.is_none();
        let message = Incoming::Envelope(envelope);
        if !is_within_rate && !is_leave(&message) {
            self.tally.rate_limited += 1;
            if !message.request_id().is_empty() {
                self.refuse(&Ok(message), RequestError::rate_limited());
            }
        } else if unknown {
            // The host's decoder has dropped a payload that this version does not know.
            self.refuse(&Ok(message), RequestError::unknown_payload());
        } else {
            self.dispatch(server, message, now);
        }
        Ok(())
    }

    /// Counts a message of the host's own protocol in the rate. If it is over the rate, it is
    /// answered, if it asks for an answer, and the host drops it.
    pub(super) fn receive_other(
        &mut self,
        request_id: &str,
        bytes: usize,
        now: Now,
    ) -> Result<bool, Disconnect> {
        self.tally.receive();
        let is_within_rate = self.is_within_rate(weight(bytes), now)?;
        if !is_within_rate {
            self.tally.rate_limited += 1;
            if !request_id.is_empty() {
                reply_error(&self.connection, request_id, &RequestError::rate_limited());
            }
        }
        Ok(is_within_rate)
    }

    fn is_within_rate(&mut self, weight: u32, now: Now) -> Result<bool, Disconnect> {
        match self.rate.check(now.monotonic, weight) {
            Verdict::Pass => Ok(true),
            Verdict::Drop => Ok(false),
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
        let Some(mut request) = dispatch_now(server, &self.connection, message, now.wall) else {
            self.watch_credentials(server, now);
            return;
        };
        request.is_charged = self.has_joined;
        let deadline = after(now.monotonic, server.limits().directory_timeout);
        self.look_at = self.look_at.min(deadline);
        let join = JoinUnderWay::new(server, &self.connection, request, now.monotonic, deadline);
        self.join = Some(Box::new(join));
    }

    /// Joins once the directory has answered. It is also called right after a join came: if the
    /// directory answers without waiting, the join delays no later message.
    pub(super) fn poll_join<D: VoiceDirectory>(
        &mut self,
        server: &VoiceServer<D>,
        cx: &mut Context<'_>,
        now: Now,
    ) {
        if let Some(join) = &mut self.join
            && let Poll::Ready(joined) = join.poll(server, &self.connection, cx, now)
        {
            match joined {
                Ok(joined) => self.charge_join(joined, now),
                Err(error) => reply_error(&self.connection, &join.request.request_id, &error),
            }
            self.join = None;
            self.watch_credentials(server, now);
        }
    }

    /// Counts the snapshot that a join brought. Few bytes may ask for a large one, so a client must
    /// not get it again and again for the price of a request. The first one is free.
    fn charge_join(&mut self, joined: Joined, now: Now) {
        self.has_joined = true;
        if let Some(bytes) = joined.response_bytes {
            // The request has counted once. A rejoin counts on top of that, as the protocol says.
            let counted = u32::from(!joined.is_rejoin);
            let weight = weight(bytes) - counted;
            self.rate.charge(now.monotonic, weight);
        }
    }

    /// If the connection was given fresh TURN credentials, for any reason, sets the time of their
    /// renewal.
    fn watch_credentials<D: VoiceDirectory>(&mut self, server: &VoiceServer<D>, now: Now) {
        let delay = || server.ice_refresh_after();
        let grants = self.connection.ice_grants();
        if let Some(deadline) = self.timers.granted_ice(grants, delay, now) {
            self.look_at = self.look_at.min(deadline);
        }
    }

    /// Never later than the deadline, and cheaper: it compares nothing.
    #[cfg(feature = "connection")]
    pub(super) fn look_at(&self) -> Instant {
        self.look_at
    }

    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let join = self.join.as_ref().map(|join| join.deadline);
        let others = [join, self.stall_deadline()].into_iter().flatten();
        others.fold(self.timers.deadline(limits), Instant::min)
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
            late.give_up(&self.connection, now);
        }
        if self.timers.take_renewal(now) {
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
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.count();
    }
}

/// A leave is carried out even over the rate. Otherwise its sender would stay in the channel.
fn is_leave(message: &Incoming<'_>) -> bool {
    matches!(message, Incoming::Envelope(envelope)
        if matches!(envelope.payload, Some(Payload::VoiceLeaveRequest(_))))
}

/// The request id to answer with. It is empty if the client's is too long to be given back.
fn request_id_of<'a>(decoded: &'a Decoded<'_>) -> &'a str {
    match decoded {
        Ok(message) if message.request_id().len() > crate::MAX_ID_BYTES => "",
        Ok(message) => message.request_id(),
        Err(error) => error.request_id(),
    }
}
