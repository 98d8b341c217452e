//! One connection without a socket: it decides all, and waits for nothing but the directory.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use united_voice_proto::ws::{Envelope, envelope::Payload};

use crate::{
    CloseFrame, Codec, Disconnect, Frame, Now, QueueStream, Signal, SignalSink, UserId,
    VoiceConnection, VoiceDirectory, VoiceServer,
    connection::{close::Ending, open::OpenConnection},
    outbound_queue,
    rooms::registry::DrainGuard,
};

/// What a [`ConnectionMachine`] wants done with its socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum Step {
    /// Write this signal: [`ConnectionMachine::encode`] makes a frame of it. Only if the machine has the queue.
    Signal(Signal),
    /// Send a ping. Whatever the client sends next counts as its answer.
    Ping,
    /// Send this close frame; then call [`ConnectionMachine::close_sent`], and go on with the machine until [`Step::End`].
    ///
    /// The seat is free already. A transport that answers close frames by itself may refuse this one after a client's.
    Close(Option<CloseFrame>),
    /// It is over: drop the socket. Every later step is this one again.
    End(Disconnect),
}

/// One connection of an authenticated user, for a host that reads and writes its socket itself.
///
/// The machine has no socket, no timer and no task, and reads no clock: the host tells it what the client sent and what
/// time it is, and does the [`Step`]s that it is given. The machine does everything between: the rate limit, the kind of
/// message, one request at a time while a join asks the directory, [`Limits::directory_timeout`], backpressure, pings and
/// silence, the renewal of TURN credentials, and the closing handshake with the answer to a client's close frame.
/// [`drive`](crate::drive) is such a host.
///
/// [`Limits::directory_timeout`]: crate::Limits::directory_timeout
///
/// A loop around it has three branches:
///
/// ```
/// # use std::{future::{Future, pending}, time::Instant};
/// # use united_voice_core::{ConnectionMachine, Disconnect, Frame, Now, Step, VoiceDirectory};
/// # struct Socket;
/// # impl Socket {
/// #     async fn read(&mut self) -> Option<Frame> { pending().await }
/// #     async fn write(&mut self, frame: Frame) {}
/// # }
/// # async fn sleep_until(at: Instant) {}
/// async fn run<D: VoiceDirectory>(mut machine: ConnectionMachine<D>, mut socket: Socket) -> Disconnect {
///     loop {
///         let wants_input = machine.wants_input();
///         tokio::select! {
///             step = machine.step(true, Now::read, sleep_until) => match step {
///                 Step::Signal(signal) => {
///                     let frame = machine.encode(signal);
///                     socket.write(frame).await;
///                 }
///                 Step::Ping => socket.write(Frame::Ping(bytes::Bytes::new())).await,
///                 Step::Close(close) => {
///                     socket.write(Frame::Close(close)).await;
///                     machine.close_sent(Now::read());
///                 }
///                 Step::End(disconnect) => return disconnect,
///                 _ => {}
///             },
///             read = socket.read(), if wants_input => match read {
///                 Some(frame) => machine.receive(frame, Now::read()),
///                 None => machine.end(Disconnect::Lost, Now::read()),
///             },
///         }
///     }
/// }
/// ```
///
/// A `write` that waits for a client that does not read would stop this loop. A host that wants pings, silence and the
/// time limit of the close frame to hold meanwhile keeps the frame, and asks with `writable` as `false` until it is written.
///
/// Dropping the machine is the disconnect. It holds [`VoiceServer::drained`] up as long as it lives.
pub struct ConnectionMachine<D> {
    server: VoiceServer<D>,
    phase: Phase,
    _drain_guard: DrainGuard,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a connection is open for nearly all its life"
)]
enum Phase {
    Open(OpenConnection),
    Ending(Ending),
}

impl<D: VoiceDirectory> ConnectionMachine<D> {
    /// Registers a connection of `user`. Its signals come as [`Step::Signal`] out of a queue of the machine's.
    ///
    /// `codec` is what the subprotocol settled; without one, the kind of the first message does. If the server lets no
    /// connection in, the machine begins with the close frame that says so.
    pub fn open(server: &VoiceServer<D>, user: &UserId, codec: Option<Codec>, now: Now) -> Self {
        let limits = server.limits();
        let (sink, signals) = outbound_queue(limits.outbound_queue, limits.outbound_queue_bytes);
        Self::with(server, user, sink.into(), Some(signals), codec, now)
    }

    /// Registers a connection of `user` whose signals go to a sink of the host's, where they keep their order with the
    /// host's own messages. [`Step::Signal`] does not come.
    ///
    /// Two things are then the host's: it reads no requests while its queue is over its limit, and it ends the machine when
    /// the registry closes the sink ([`SignalSink::close`]), or drops it and closes the socket itself.
    pub fn open_with_sink(
        server: &VoiceServer<D>,
        user: &UserId,
        sink: Arc<dyn SignalSink>,
        now: Now,
    ) -> Self {
        Self::with(server, user, sink, None, None, now)
    }

    fn with(
        server: &VoiceServer<D>,
        user: &UserId,
        sink: Arc<dyn SignalSink>,
        signals: Option<QueueStream>,
        codec: Option<Codec>,
        now: Now,
    ) -> Self {
        let limits = server.limits();
        let drain_guard = server.registry().inner.drain_guard();
        let phase = match server.connect(user, sink) {
            Ok(connection) => {
                Phase::Open(OpenConnection::new(connection, signals, codec, limits, now))
            }
            Err(error) => Phase::Ending(Ending::new(error.into(), limits, now.monotonic)),
        };
        Self {
            server: server.clone(),
            phase,
            _drain_guard: drain_guard,
        }
    }

    /// Whether to read on. If not, a message waits behind a join, or until the client has read its answers.
    ///
    /// While a message waits, signs of life behind it are unread. So a client is not taken for dead then because of silence,
    /// but only if its join is under way; a client that does not read has to read.
    pub fn wants_input(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => open.wants_input(),
            Phase::Ending(ending) => ending.lingers(),
        }
    }

    /// The client sent `frame`. Call it if [`wants_input`](Self::wants_input) says so; a message that comes all the same
    /// ends the connection with 1008. After the end frames are dropped.
    #[inline]
    pub fn receive(&mut self, frame: Frame, now: Now) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        open.heard(now);
        let received = match frame {
            Frame::Ping(_) | Frame::Pong(_) => return,
            Frame::Close(close) => {
                let limits = self.server.limits();
                return self.end_as(Ending::answering(close.as_ref(), limits, now.monotonic));
            }
            message => open.receive(&self.server, message, now),
        };
        self.end_on_error(received, now);
    }

    /// The client sent `payload` in an envelope of the host's. As [`receive`](Self::receive), but for the size and the
    /// encoding, which are the host's to check.
    pub fn receive_payload(&mut self, request_id: String, payload: Payload, now: Now) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        open.heard(now);
        let envelope = Envelope {
            request_id,
            payload: Some(payload),
        };
        let received = open.receive_typed(&self.server, envelope, now);
        self.end_on_error(received, now);
    }

    /// The client sent something that is not voice. It counts in the rate as any message; says whether to handle it.
    ///
    /// If not, it was answered `RATE_LIMITED` under `request_id`, or not at all if that is empty, or the excess ended the
    /// connection.
    pub fn receive_other(&mut self, request_id: &str, now: Now) -> bool {
        let Phase::Open(open) = &mut self.phase else {
            return false;
        };
        open.heard(now);
        let passes = open.passes_rate(now);
        if matches!(passes, Ok(false)) {
            open.refuse_rate(request_id);
        }
        self.end_on_error(passes, now) == Some(true)
    }

    /// The client gave another sign of life.
    pub fn heard(&mut self, now: Now) {
        if let Phase::Open(open) = &mut self.phase {
            open.heard(now);
        }
    }

    /// A write that had to wait went on: the client has taken something in, which is a sign of life. (One that did not have
    /// to wait is none, since the socket's buffers may have taken it.)
    pub fn wrote(&mut self, now: Now) {
        self.heard(now);
    }

    /// Ends the connection, if it has not ended yet: [`Disconnect::Lost`] if the socket is gone, otherwise what a
    /// [`TransportError`](crate::TransportError), a [`CloseReason`](crate::CloseReason) or the host says.
    ///
    /// If the machine closes already, `Lost` cuts the closing handshake short and anything else changes nothing.
    pub fn end(&mut self, disconnect: impl Into<Disconnect>, now: Now) {
        let disconnect = disconnect.into();
        match &mut self.phase {
            Phase::Open(_) => {
                let limits = self.server.limits();
                self.end_as(Ending::new(disconnect, limits, now.monotonic));
            }
            Phase::Ending(ending) if disconnect == Disconnect::Lost => ending.lost(),
            Phase::Ending(_) => {}
        }
    }

    /// The close frame of [`Step::Close`] has left. What the client still sends is now read and dropped for
    /// [`Limits::linger`](crate::Limits::linger), so that closing the socket does not destroy the frame on its way.
    pub fn close_sent(&mut self, now: Now) {
        if let Phase::Ending(ending) = &mut self.phase {
            ending.sent(self.server.limits(), now.monotonic);
        }
    }

    /// The next thing to do, if there is one. Otherwise the task is woken when there may be one, but for the passing of
    /// time: call it again at [`deadline`](Self::deadline), too, and after each thing that the machine was told.
    ///
    /// `writable` says whether the socket can take something. If it can't, only [`Step::End`] is given out; everything else
    /// goes on.
    pub fn poll_step(&mut self, cx: &mut Context<'_>, now: Now, writable: bool) -> Poll<Step> {
        self.poll_events(cx, now);
        if let Some(step) = self.next_step(writable) {
            return Poll::Ready(step);
        }
        self.count();
        Poll::Pending
    }

    /// Waits for the next thing to do, as [`poll_step`](Self::poll_step) does, and for the [`deadline`](Self::deadline) as
    /// well: `sleep` is the runtime's timer, for example `|at| tokio::time::sleep_until(at.into())`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a step is taken only when it is returned, and a join under way goes on with the next call.
    pub async fn step<S: Future<Output = ()>>(
        &mut self,
        writable: bool,
        now: impl Fn() -> Now,
        sleep: impl Fn(Instant) -> S,
    ) -> Step {
        let mut timer = pin!(None);
        let mut set_to = None;
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(step) = self.poll_step(cx, now(), writable) {
                    return Poll::Ready(step);
                }
                let deadline = self.deadline();
                if set_to.replace(deadline) != Some(deadline) {
                    timer.set(Some(sleep(deadline)));
                }
                if let Some(timer) = timer.as_mut().as_pin_mut() {
                    ready!(timer.poll(cx));
                    // A timer may be early by its resolution: another is set for the rest.
                    set_to = None;
                }
            }
        })
        .await
    }

    /// When time brings about something: call [`poll_step`](Self::poll_step) then.
    pub fn deadline(&self) -> Instant {
        match &self.phase {
            Phase::Open(open) => open.deadline(self.server.limits()),
            Phase::Ending(ending) => ending.deadline(),
        }
    }

    /// A signal in the encoding that the connection speaks.
    #[inline]
    pub fn encode(&self, signal: Signal) -> Frame {
        let codec = match &self.phase {
            Phase::Open(open) => open.codec,
            Phase::Ending(_) => None,
        };
        match codec {
            #[cfg(feature = "json")]
            Some(Codec::Json) => Frame::Text(signal.into_json()),
            _ => Frame::Binary(signal.into_protobuf()),
        }
    }

    /// The connection, unless it has ended.
    pub fn connection(&self) -> Option<&VoiceConnection> {
        match &self.phase {
            Phase::Open(open) => Some(&open.connection),
            Phase::Ending(_) => None,
        }
    }

    pub(crate) fn poll_events(&mut self, cx: &mut Context<'_>, now: Now) {
        match &mut self.phase {
            Phase::Open(open) => {
                let polled = open.poll(&self.server, cx, now);
                self.end_on_error(polled, now);
            }
            Phase::Ending(ending) => ending.check_deadline(now.monotonic),
        }
    }

    #[inline]
    pub(crate) fn next_step(&mut self, writable: bool) -> Option<Step> {
        match &mut self.phase {
            Phase::Open(open) if writable => open.next_step(),
            Phase::Open(_) => None,
            Phase::Ending(ending) => ending.next_step(writable),
        }
    }

    pub(crate) fn count(&mut self) {
        if let Phase::Open(open) = &mut self.phase {
            open.count();
        }
    }

    fn end_on_error<T>(&mut self, result: Result<T, Disconnect>, now: Now) -> Option<T> {
        result.map_err(|disconnect| self.end(disconnect, now)).ok()
    }

    /// The seat is given up here, before anything is said to the client.
    fn end_as(&mut self, ending: Ending) {
        self.phase = Phase::Ending(ending);
    }
}

/// What only `drive` asks.
#[cfg(feature = "connection")]
impl<D: VoiceDirectory> ConnectionMachine<D> {
    /// When to look for what is due: never later than at [`deadline`](Self::deadline).
    pub(crate) fn look_at(&self) -> Instant {
        match &self.phase {
            Phase::Open(open) => open.look_at(),
            Phase::Ending(ending) => ending.deadline(),
        }
    }

    /// Polls a join that has just come.
    #[inline]
    pub(crate) fn poll_join(&mut self, cx: &mut Context<'_>, now: Now) {
        if let Phase::Open(open) = &mut self.phase {
            open.poll_join(&self.server, cx, now);
        }
    }

    /// Whether a message that waited may go on.
    pub(crate) fn may_go_on(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.may_go_on())
    }

    /// Whether what waits to be written is little, and others have the next of it too.
    pub(crate) fn begins_with_broadcast(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => {
                let signals = open.signals.as_ref();
                signals.is_some_and(QueueStream::begins_with_broadcast)
            }
            Phase::Ending(_) => false,
        }
    }
}

impl<D> fmt::Debug for ConnectionMachine<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ConnectionMachine");
        match &self.phase {
            Phase::Open(open) => debug.field("connection", &open.connection),
            Phase::Ending(ending) => debug.field("disconnect", &ending.disconnect()),
        };
        debug.finish_non_exhaustive()
    }
}
