//! A whole connection, from the first frame to the last.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::Instant;
use united_voice_proto::{DecodeError, Incoming};

use crate::{
    Codec, Disconnect, Frame, QueueStream, RateLimiter, RequestError, Signal, TransportError,
    UserId, Verdict, VoiceConnection, VoiceDirectory, VoiceServer,
    connection::clock::{Clock, after},
    connection::close::close,
    outbound_queue,
    signaling::{decode_error, dispatch_now, finish_join, reply_error, unavailable},
};

/// Frames read and signals written before another task gets its turn.
const BUDGET: usize = 64;

/// Runs one connection of an authenticated user to its end.
///
/// `transport` is the framework's socket as a `Stream` and `Sink` of [`Frame`]s. It must answer pings, hand out whole
/// messages and refuse those over [`Limits::max_message_bytes`](crate::Limits::max_message_bytes). `codec` is what the
/// subprotocol settled; without one, the kind of the first message does.
///
/// After an error the transport should go on reading and dropping what comes, as far as it can: a socket that is closed
/// with unread data resets the connection, and the close frame may not arrive.
///
/// One task does all: it reads, answers, writes what the queue holds and flushes once for each wake-up. The seat is given
/// up as soon as the connection is known to end, before the closing handshake.
///
/// # Cancel safety
///
/// Dropping the future cuts the connection; the seat is given up and the others are told `DISCONNECTED`.
///
/// # Panics
///
/// Where it is polled outside a Tokio runtime with time enabled.
pub async fn drive<D, T>(
    server: &VoiceServer<D>,
    mut transport: T,
    user: UserId,
    codec: Option<Codec>,
) -> Disconnect
where
    D: VoiceDirectory,
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    let _lease = server.registry().inner.lease();
    let limits = server.limits();
    let (sink, signals) = outbound_queue(limits.outbound_queue, limits.outbound_queue_bytes);
    let disconnect = match server.connect(&user, Arc::new(sink)) {
        Ok(session) => {
            let mut connection = Connection::new(server, &session, &mut transport, signals, codec);
            poll_fn(|cx| connection.poll(cx)).await
            // The session ends here, the join under way with it.
        }
        Err(error) => error.into(),
    };
    tracing::debug!(?disconnect, "connection ends");
    close(&mut transport, disconnect, limits).await;
    disconnect
}

type Decoded<'f> = Result<Incoming<'f>, DecodeError>;

type JoinUnderWay<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

struct Connection<'a, D, T> {
    server: &'a VoiceServer<D>,
    session: &'a VoiceConnection,
    transport: &'a mut T,
    signals: QueueStream,
    codec: Option<Codec>,
    rate: RateLimiter,
    /// A message that was read while the one before it wasn't done, or its answers didn't fit.
    held: Option<Frame>,
    join: Option<(JoinUnderWay<'a>, PendingReply)>,
    /// Written, but not flushed.
    unflushed: bool,
    /// Several signals were written at once the last time.
    batched: bool,
    /// Others were let run before what waits now is written.
    yielded: bool,
    /// The transport took no more at the last attempt.
    stalled: bool,
    clock: Clock,
    tally: Tally,
}

/// What a join is answered where the directory takes too long.
struct PendingReply {
    request_id: String,
    channel: String,
}

#[derive(Default)]
struct Tally {
    received: u64,
    sent: u64,
    rate_limited: u64,
}

impl<'a, D, T> Connection<'a, D, T>
where
    D: VoiceDirectory,
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    fn new(
        server: &'a VoiceServer<D>,
        session: &'a VoiceConnection,
        transport: &'a mut T,
        mut signals: QueueStream,
        codec: Option<Codec>,
    ) -> Self {
        if let Some(codec) = codec {
            signals.set_codec(codec);
        }
        let now = Instant::now();
        Self {
            rate: RateLimiter::new(server.limits(), now.into_std()),
            clock: Clock::new(server.limits(), now),
            server,
            session,
            transport,
            signals,
            codec,
            held: None,
            join: None,
            unflushed: false,
            batched: false,
            yielded: false,
            stalled: false,
            tally: Tally::default(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        let now = Instant::now();
        let outcome = self.poll_once(cx, now);
        let Tally {
            received,
            sent,
            rate_limited,
        } = std::mem::take(&mut self.tally);
        let counters = &self.server.registry().inner.counters;
        counters.traffic(received, sent, rate_limited);
        match outcome {
            Ok(()) => Poll::Pending,
            Err(disconnect) => Poll::Ready(disconnect),
        }
    }

    /// Does what can be done now. On `Ok` whatever may change that will wake the task.
    fn poll_once(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Disconnect> {
        if let Poll::Ready(reason) = self.signals.poll_closed(cx) {
            return Err(reason.into());
        }
        loop {
            self.poll_join(cx, now);
            let spent = self.poll_read(cx, now)?;
            let room_made = self.poll_write(cx, now)?;
            self.poll_timers(cx, now)?;
            if spent {
                cx.waker().wake_by_ref();
                return Ok(());
            }
            // What was held back for want of room may go on.
            if !(room_made && self.held.is_some() && !self.is_blocked()) {
                return Ok(());
            }
        }
    }

    /// The next message has to wait: for a join, or for the client to read.
    fn is_blocked(&self) -> bool {
        self.join.is_some() || self.signals.is_over_limit()
    }

    fn poll_join(&mut self, cx: &mut Context<'_>, now: Instant) {
        if let Some((join, _)) = &mut self.join
            && join.as_mut().poll(cx).is_ready()
        {
            self.join = None;
            self.clock.join_deadline = None;
            self.watch_ice(now);
        }
    }

    /// Reads and handles messages while there are any and none has to wait; says whether the budget was spent.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Disconnect> {
        for _ in 0..BUDGET {
            if self.held.is_some() && self.is_blocked() {
                return Ok(false);
            }
            if let Some(frame) = self.held.take() {
                self.message(&frame, now)?;
                // Polled at once, so that a directory that needs no waiting holds nothing up.
                self.poll_join(cx, now);
                continue;
            }
            match self.transport.poll_next_unpin(cx) {
                Poll::Pending => return Ok(false),
                Poll::Ready(None) => return Err(Disconnect::Lost),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "transport failed");
                    return Err((&error).into());
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.clock.heard(now);
                    match frame {
                        Frame::Close(_) => return Err(Disconnect::Closed),
                        Frame::Ping(_) | Frame::Pong(_) => {}
                        message => self.held = Some(message),
                    }
                }
            }
        }
        Ok(true)
    }

    fn message(&mut self, frame: &Frame, now: Instant) -> Result<(), Disconnect> {
        self.tally.received += 1;
        let limit = self.server.limits().max_message_bytes;
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
            return Err(Disconnect::MessageTooLarge);
        }
        match self.rate.check(now.into_std()) {
            Verdict::Pass => {}
            Verdict::Drop => {
                self.tally.rate_limited += 1;
                self.refuse_rate(&decoded);
                return Ok(());
            }
            Verdict::Close => return Err(Disconnect::PolicyViolation),
        }
        match decoded {
            Ok(message) if kind_fits => self.dispatch(message, now),
            Err(error) if kind_fits => {
                reply_error(self.session, error.request_id(), &decode_error(&error));
            }
            other => {
                let what = "not in this connection's encoding";
                self.refuse(&other, RequestError::malformed(what));
            }
        }
        Ok(())
    }

    /// Whether a message is of the connection's kind, which the first message settles.
    fn is_spoken(&mut self, kind: Codec) -> bool {
        let settled = self.codec.get_or_insert_with(|| {
            self.signals.set_codec(kind);
            kind
        });
        *settled == kind
    }

    fn refuse_rate(&self, decoded: &Decoded<'_>) {
        // One that asks for no answer gets none.
        if !request_id_of(decoded).is_empty() {
            self.refuse(decoded, RequestError::rate_limited());
        }
    }

    fn refuse(&self, decoded: &Decoded<'_>, mut error: RequestError) {
        if let Ok(message) = decoded {
            error = error.about_message(message);
        }
        reply_error(self.session, request_id_of(decoded), &error);
    }

    fn dispatch(&mut self, message: Incoming<'_>, now: Instant) {
        let Some(join) = dispatch_now(self.server, self.session, message) else {
            self.watch_ice(now);
            return;
        };
        let reply = PendingReply {
            request_id: join.request_id.clone(),
            channel: join.request.channel_id.clone(),
        };
        self.clock.join_deadline = Some(after(now, self.server.limits().directory_timeout));
        let join = finish_join(self.server, self.session, join);
        self.join = Some((Box::pin(join), reply));
    }

    /// Fresh TURN credentials start their clock anew.
    fn watch_ice(&mut self, now: Instant) {
        let grants = self.session.ice_grants();
        if grants != self.clock.ice_grants {
            self.clock.ice_grants = grants;
            let delay = self.server.ice_refresh_after();
            self.clock.ice_deadline = delay.map(|delay| after(now, delay));
        }
    }

    /// Writes what waits and flushes once; says whether anything was written.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Disconnect> {
        if self.yields(cx) {
            return Ok(false);
        }
        let mut written = 0;
        while written < BUDGET {
            match self.transport.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(Disconnect::Lost),
                Poll::Pending => {
                    self.stalled = true;
                    break;
                }
            }
            if std::mem::take(&mut self.stalled) {
                // The client has taken something in.
                self.clock.heard(now);
            }
            let Some(frame) = self.next_frame() else {
                break;
            };
            let sent = self.transport.start_send_unpin(frame);
            sent.map_err(|_| Disconnect::Lost)?;
            self.unflushed = true;
            written += 1;
        }
        if written > 0 {
            self.batched = written > 1;
        }
        if written == BUDGET {
            cx.waker().wake_by_ref();
        }
        if self.unflushed {
            match self.transport.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return Err(Disconnect::Lost),
                Poll::Pending => {}
            }
        }
        Ok(written > 0)
    }

    /// Lets others run once before a broadcast is written, where several signals went out together the last time: others that it
    /// woke may add to it, and sending is what costs. A server with nothing else to do writes at once.
    fn yields(&mut self, cx: &Context<'_>) -> bool {
        let may_yield = self.batched && !self.yielded && !self.stalled;
        self.yielded = may_yield && self.signals.begins_with_broadcast();
        if self.yielded {
            cx.waker().wake_by_ref();
        }
        self.yielded
    }

    fn next_frame(&mut self) -> Option<Frame> {
        if std::mem::take(&mut self.clock.ping_due) {
            return Some(Frame::Ping(bytes::Bytes::new()));
        }
        let signal = self.signals.pop()?;
        self.tally.sent += 1;
        Some(encode(signal, self.codec.unwrap_or(Codec::Protobuf)))
    }

    fn poll_timers(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Disconnect> {
        while self.clock.poll_due(cx, now) {
            if self.clock.is_dead(now) {
                if self.join.is_none() || self.held.is_none() {
                    return Err(Disconnect::TimedOut);
                }
                // A message waits for the directory, and signs of life behind it are unread.
                self.clock.heard(now);
            }
            if self.clock.take_ping(now) {
                self.poll_write(cx, now)?;
            }
            if Clock::take(&mut self.clock.join_deadline, now)
                && let Some((_, reply)) = self.join.take()
            {
                let error = unavailable().in_channel(&reply.channel);
                reply_error(self.session, &reply.request_id, &error);
                cx.waker().wake_by_ref();
            }
            if Clock::take(&mut self.clock.ice_deadline, now) {
                self.server.push_ice_servers(self.session);
                self.watch_ice(now);
                cx.waker().wake_by_ref();
            }
        }
        Ok(())
    }
}

fn encode(signal: Signal, codec: Codec) -> Frame {
    match codec {
        #[cfg(feature = "json")]
        Codec::Json => Frame::Text(signal.into_json()),
        _ => Frame::Binary(signal.into_protobuf()),
    }
}

/// The request id, where it may be given back.
fn request_id_of<'a>(decoded: &'a Decoded<'_>) -> &'a str {
    match decoded {
        Ok(message) if message.request_id().len() > crate::MAX_ID_BYTES => "",
        Ok(message) => message.request_id(),
        Err(error) => error.request_id(),
    }
}
