//! One connection without its socket: it makes all decisions, and waits only for the directory.

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
    Codec, Disconnect, Frame, Now, QueueStream, Signal, SignalSink, Step, UserId, VoiceConnection,
    VoiceDirectory, VoiceServer,
    connection::{close::Ending, open::OpenConnection},
    outbound_queue,
    rooms::registry::DrainGuard,
};

/// One connection of an authenticated user, for a host that reads and writes its socket itself.
///
/// The machine has no socket, no timer and no task, and reads no clock. The host tells it what the
/// client sent and what time it is, and does the [`Step`]s that the machine asks for. The machine
/// does the rest. It limits the rate and refuses messages in the wrong encoding. It takes one
/// request at a time while a join asks the directory, for at most [`Limits::directory_timeout`],
/// and no further request while the client does not read its answers. It pings, notices silence,
/// and renews TURN credentials. It does the closing handshake, and answers a client's close frame.
/// [`drive`](crate::drive) is such a host.
///
/// [`Limits::directory_timeout`]: crate::Limits::directory_timeout
///
/// A loop around it has two branches, the machine's next step and the client's next frame:
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
/// async fn run<D: VoiceDirectory>(
///     mut machine: ConnectionMachine<D>,
///     mut socket: Socket,
/// ) -> Disconnect {
///     loop {
///         let wants_input = machine.wants_input();
///         tokio::select! {
///             step = machine.step(true, Now::read, sleep_until) => match step {
///                 Step::Signal(signal) => {
///                     let frame = machine.encode(signal);
///                     socket.write(frame).await;
///                 }
///                 Step::Ping => socket.write(Frame::Ping(bytes::Bytes::new())).await,
///                 Step::Close(close) => socket.write(Frame::Close(close)).await,
///                 Step::End(disconnect) => return disconnect,
///                 // `Step::Read`, for which the loop begins again.
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
/// If the client does not read, `write` waits, and so does this loop. The machine then does not
/// learn that the client has stalled, and takes it for one that reads slowly. A host can keep pings,
/// the detection of silence and of stalled clients, and the time limit of the close frame going
/// meanwhile: it keeps the frame that it is writing, and passes `writable` as `false` until the
/// frame is written.
///
/// Dropping the machine is the disconnect. [`VoiceServer::drained`] waits for that.
pub struct ConnectionMachine<D> {
    pub(super) server: VoiceServer<D>,
    pub(super) phase: Phase,
    /// The connection's own guard ends with its seat. This one also covers the closing handshake.
    _drain_guard: DrainGuard,
}

#[allow(
    clippy::large_enum_variant,
    reason = "a connection is open for nearly all its life"
)]
pub(super) enum Phase {
    Open(OpenConnection),
    Ending(Ending),
}

impl<D: VoiceDirectory> ConnectionMachine<D> {
    /// Registers a connection of `user` with a queue of the machine's own. Its signals come out of
    /// the queue as [`Step::Signal`].
    ///
    /// `codec` is the encoding that the WebSocket subprotocol names. If it is `None`, the kind of
    /// the first message decides. If the server refuses the connection, the machine's first step is
    /// the close frame that says so.
    pub fn open(server: &VoiceServer<D>, user: &UserId, codec: Option<Codec>, now: Now) -> Self {
        let limits = server.limits();
        let (sink, signals) = outbound_queue(limits.outbound_queue, limits.outbound_queue_bytes);
        Self::with(server, user, sink.into(), Some(signals), codec, now)
    }

    /// Registers a connection of `user` whose signals go to the host's own sink. There they keep
    /// their order with the host's own messages. [`Step::Signal`] never comes.
    ///
    /// The host then has two duties. It reads no requests while its queue is over its limit, and
    /// [`SignalSink`] says what the queue takes beyond that. If the
    /// registry closes the sink ([`SignalSink::close`]), the host ends the machine, or it drops the
    /// machine and closes the socket itself. If pings go into the same queue, the machine
    /// may be told that the socket is writable until it asks for the close frame.
    ///
    /// # Locking
    ///
    /// The methods of the machine deliver to the sink while they hold the registry's locks. So call
    /// them, and drop the machine, without any lock that the sink takes.
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
        let drain_guard = server.registry().drain_guard();
        let phase = match server.connect(user, sink) {
            Ok(connection) => {
                Phase::Open(OpenConnection::new(connection, signals, codec, limits, now))
            }
            Err(error) => {
                let disconnect = Disconnect::from(error);
                server.registry().counters().ended(disconnect.label());
                Phase::Ending(Ending::new(disconnect, limits, now.monotonic))
            }
        };
        Self {
            server: server.clone(),
            phase,
            _drain_guard: drain_guard,
        }
    }

    /// Whether the host should read the socket. If not, a message waits for a join to be decided,
    /// or for the client to read its answers.
    ///
    /// While a message waits, the host does not read the signs of life behind it. So silence does
    /// not count while the message waits for a join. It counts while the message waits for the
    /// client to read, because the client can end that wait itself.
    pub fn wants_input(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => open.wants_input(),
            Phase::Ending(ending) => ending.lingers(),
        }
    }

    /// Takes a frame of the client. Call it only if [`wants_input`](Self::wants_input) is true: a
    /// message that comes all the same ends the connection with 1008. Pings, pongs and fragments
    /// may come at any time; they count in the rate, except for a pong that answers a
    /// [`Step::Ping`]. After the connection has ended, frames are dropped.
    #[inline]
    pub fn receive(&mut self, frame: Frame, now: Now) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        open.heard(now);
        let received = match frame {
            Frame::Ping(_) | Frame::Pong(_) | Frame::Fragment => open.receive_control(&frame, now),
            Frame::Close(close) => {
                let limits = self.server.limits();
                return self.end_as(Ending::answering(close.as_ref(), limits, now.monotonic));
            }
            message => open.receive(&self.server, message, now),
        };
        self.end_on_error(received, now);
    }

    /// Takes an envelope that the host has decoded, for example as a part of a message of its own.
    /// It does what [`receive`](Self::receive) does, except that the host checks the size and the
    /// encoding. `bytes` is the size of the message as it came. The message counts in the rate once
    /// for each started 16 KiB.
    ///
    /// An envelope without a payload is answered `UNSUPPORTED`, since decoders drop payloads that
    /// this version does not know. If the host cannot decode a message, it gives the frame to
    /// `receive`, which answers it, with its request id if that can be read.
    pub fn receive_envelope(&mut self, envelope: Envelope, bytes: usize, now: Now) {
        let Phase::Open(open) = &mut self.phase else {
            return;
        };
        open.heard(now);
        let received = open.receive_typed(&self.server, envelope, bytes, now);
        self.end_on_error(received, now);
    }

    /// Takes a payload that the client sent in an envelope of the host's. Otherwise this is like
    /// [`receive_envelope`](Self::receive_envelope).
    pub fn receive_payload(
        &mut self,
        request_id: String,
        payload: Payload,
        bytes: usize,
        now: Now,
    ) {
        let envelope = Envelope {
            request_id,
            payload: Some(payload),
        };
        self.receive_envelope(envelope, bytes, now);
    }

    /// Counts a message of `bytes` bytes that is not voice in the client's rate. Returns whether
    /// the host may handle the message.
    ///
    /// If not, the message was answered `RATE_LIMITED` under `request_id`, or not at all if
    /// `request_id` is empty; or the connection has ended, perhaps because of this message.
    pub fn receive_other(&mut self, request_id: &str, bytes: usize, now: Now) -> bool {
        let Phase::Open(open) = &mut self.phase else {
            return false;
        };
        open.heard(now);
        let passes = open.receive_other(request_id, bytes, now);
        self.end_on_error(passes, now) == Some(true)
    }

    /// Notes a sign of life that the machine does not see otherwise. It counts in no rate.
    pub fn heard(&mut self, now: Now) {
        if let Phase::Open(open) = &mut self.phase {
            open.heard(now);
        }
    }

    /// Ends the connection, unless it has ended. The reason is [`Disconnect::Lost`] if the socket
    /// is gone, and otherwise a [`TransportError`](crate::TransportError), a
    /// [`CloseReason`](crate::CloseReason) or a [`Disconnect`] of the host's choice.
    ///
    /// If the closing handshake is under way, `Lost` ends it at once, and any other reason changes
    /// nothing.
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

    /// Notes that the close frame was sent, if the host has it.
    pub(crate) fn close_sent(&mut self, now: Now) {
        if let Phase::Ending(ending) = &mut self.phase {
            ending.sent(self.server.limits(), now.monotonic);
        }
    }

    /// Returns the next thing to do, if there is one. If there is none, the task is woken when a
    /// signal, the close of the queue or the directory's answer comes. It is not woken by time or
    /// by calls of other methods. So call this again at [`deadline`](Self::deadline), and after
    /// each call that told the machine something.
    ///
    /// `writable` says whether the socket has taken all that was written, and can take something
    /// more. If it cannot, the only step is [`Step::End`]. Requests, joins and time limits go on,
    /// and the client [has stalled](Self::has_stalled) if this lasts for a second without a call of
    /// [`wrote`](Self::wrote).
    pub fn poll_step(&mut self, cx: &mut Context<'_>, now: Now, writable: bool) -> Poll<Step> {
        if writable {
            self.close_sent(now);
            self.unblocked();
        } else {
            self.blocked(now);
        }
        self.poll_events(cx, now);
        if let Some(step) = self.next_step(writable) {
            return Poll::Ready(step);
        }
        self.count();
        Poll::Pending
    }

    /// Waits for the next thing to do, as [`poll_step`](Self::poll_step) gives it, and for the
    /// [`deadline`](Self::deadline) too. `sleep` makes the runtime's timer, for example
    /// `|at| tokio::time::sleep_until(at.into())`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a step is taken only when it is returned, and a join under way goes on with the
    /// next call.
    pub async fn step<S: Future<Output = ()>>(
        &mut self,
        writable: bool,
        now: impl Fn() -> Now,
        sleep: impl Fn(Instant) -> S,
    ) -> Step {
        let mut timer = pin!(None);
        let mut set_to = None;
        let wanted_input = self.wants_input();
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(step) = self.poll_step(cx, now(), writable) {
                    return Poll::Ready(step);
                }
                if !wanted_input && self.wants_input() {
                    return Poll::Ready(Step::Read);
                }
                let deadline = self.deadline();
                if set_to.replace(deadline) != Some(deadline) {
                    timer.set(Some(sleep(deadline)));
                }
                if let Some(timer) = timer.as_mut().as_pin_mut() {
                    ready!(timer.poll(cx));
                    // A timer may fire a little too early. Another one is then set for the rest.
                    set_to = None;
                }
            }
        })
        .await
    }

    /// When something is due next: call [`poll_step`](Self::poll_step) then.
    pub fn deadline(&self) -> Instant {
        match &self.phase {
            Phase::Open(open) => open.deadline(self.server.limits()),
            Phase::Ending(ending) => ending.deadline(),
        }
    }

    /// Encodes a signal as the connection speaks: in protobuf until an encoding is settled.
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

    /// Dropping the open connection gives up the seat, before the client is told anything.
    fn end_as(&mut self, ending: Ending) {
        let counters = self.server.registry().counters();
        counters.ended(ending.disconnect().label());
        self.phase = Phase::Ending(ending);
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
