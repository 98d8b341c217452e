//! A whole connection over a transport, from the first frame to the last: the shell around a
//! [`ConnectionMachine`].

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{
    Codec, ConnectionMachine, Disconnect, Frame, Now, QueueStream, Step, TransportError, UserId,
    VoiceDirectory, VoiceServer,
    connection::{clock::after, sampler::Sampler},
    stats::{counters::Counters, request::Request},
};

/// How many frames one poll reads, and how many signals it writes, before other tasks get a turn.
const BUDGET: usize = 64;

/// Runs one connection of an authenticated user to its end.
///
/// `transport` is the framework's socket as a `Stream` and `Sink` of [`Frame`]s. It must answer
/// pings, hand out whole messages and refuse those over
/// [`Limits::max_message_bytes`](crate::Limits::max_message_bytes). `codec` is the encoding that
/// the WebSocket subprotocol names. If it is `None`, the kind of the first message decides: binary
/// is protobuf, and text is JSON.
///
/// If the client sends a close frame, `drive` answers it. A transport that answers close frames by
/// itself may refuse this answer. It is flushed in any case.
///
/// After an error the transport should go on reading as far as it can, and drop what it reads. If a
/// socket is closed with unread data, the connection is reset, and the close frame may not arrive.
///
/// One task does everything: it reads, answers, writes what the queue holds, and flushes once for
/// each wake-up. It gives up the seat as soon as it knows that the connection will end, before the
/// closing handshake.
///
/// # On axum
///
/// The crate `united-voice-axum` calls this for you. These are all the lines that voice takes in
/// its example, `united-voice-axum/examples/voice_on_axum.rs`:
///
/// ```ignore
/// use united_voice_axum::{VoiceUpgrade, upgrade};
/// use united_voice_core::{OpenDirectory, VoiceServer};
///
/// type Voice = VoiceServer<OpenDirectory>;
///
/// async fn ws(voice: State<Voice>, user: User, request: VoiceUpgrade) -> Result<Response> {
///     let user = user.0.parse().map_err(|_| StatusCode::FORBIDDEN)?;
///     Ok(upgrade(&voice, user, request))
/// }
///
/// // At the start.
/// let voice = VoiceServer::builder(OpenDirectory).build()?;
///
/// // On the router.
/// .route("/voice", get(ws))
/// .with_state(voice.clone());
///
/// // In the future of `with_graceful_shutdown`.
/// voice.shutdown();
/// voice.drained().await;
/// ```
///
/// # On Actix Web
///
/// So does `united-voice-actix`, with its example `united-voice-actix/examples/voice_on_actix.rs`:
///
/// ```ignore
/// use united_voice_actix::upgrade;
/// use united_voice_core::{OpenDirectory, VoiceServer};
///
/// type Voice = Data<VoiceServer<OpenDirectory>>;
///
/// async fn ws(voice: Voice, user: User, req: HttpRequest, body: Payload) -> Result<HttpResponse> {
///     upgrade(&voice, user.0.parse().map_err(ErrorForbidden)?, &req, body)
/// }
///
/// // At the start.
/// let voice = VoiceServer::builder(OpenDirectory).build()?;
/// let data = Data::new(voice.clone());
///
/// // On the app.
/// .app_data(data.clone())
/// .route("/voice", web::get().to(ws))
///
/// // In the future of `shutdown_signal`.
/// voice.shutdown();
/// voice.drained().await;
/// ```
///
/// On another framework, `united-voice-websocket` has the WebSocket over any stream of bytes.
///
/// # Cancel safety
///
/// Dropping the future ends the connection without a close frame. The seat is given up, and the
/// others are told `DISCONNECTED`.
///
/// # Panics
///
/// If it is polled outside a Tokio runtime with time enabled.
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
    let (clocks, now) = Clocks::read();
    let opened = server.registry().counters().connections_opened();
    let mut shell = Shell {
        server,
        // The machine is made in its final place. If it were moved there, the future would keep
        // room for both places.
        machine: ConnectionMachine::open(server, &user, codec, now),
        timer: pin!(sleep_until(
            after(now.monotonic, server.limits().ping_interval).into()
        )),
        transport: &mut transport,
        clocks,
        unflushed: false,
        goodbye: Goodbye::Unsaid,
        batched: false,
        yielded: false,
        stalled: false,
        messages: Sampler::new(opened),
        wake_ups: Sampler::new(opened),
    };
    poll_fn(|cx| shell.poll(cx)).await
}

struct Shell<'a, D, T> {
    server: &'a VoiceServer<D>,
    machine: ConnectionMachine<D>,
    transport: &'a mut T,
    /// Reset only to an earlier time, or after it has fired. Deadlines mostly move to later. A
    /// timer that fires too early costs less than a reset for each message.
    timer: Pin<&'a mut Sleep>,
    clocks: Clocks,
    /// Something was written that is not flushed yet.
    unflushed: bool,
    goodbye: Goodbye,
    /// The last poll that wrote anything wrote several signals.
    batched: bool,
    /// Other tasks have had a turn before what waits now is written.
    yielded: bool,
    /// The transport could take no more at the last attempt.
    stalled: bool,
    messages: Sampler,
    wake_ups: Sampler,
}

/// What became of the server's close frame.
#[derive(PartialEq)]
enum Goodbye {
    Unsaid,
    Written,
    /// Nothing may be written after the close frame. A transport may answer an attempt with an
    /// error, which would mean nothing.
    Flushed,
}

impl<D, T> Shell<'_, D, T>
where
    D: VoiceDirectory,
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    /// Does all that can be done now. If the result is pending, the task is woken as soon as there
    /// is more to do.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
        let now = self.clocks.now();
        let polled = self.poll_all(cx, now);
        self.machine.count();
        match polled {
            ControlFlow::Continue(()) => Poll::Pending,
            ControlFlow::Break(disconnect) => Poll::Ready(disconnect),
        }
    }

    fn poll_all(&mut self, cx: &mut Context<'_>, now: Now) -> ControlFlow<Disconnect> {
        loop {
            // First, because this handles the held message, and the machine wants input only after
            // that.
            self.machine.poll_events(cx, now);
            let spent = self.poll_read(cx, now);
            let goes_on = self.poll_write(cx, now)?;
            // There may be more to read. The task comes back after others had their turn.
            if spent {
                cx.waker().wake_by_ref();
                return ControlFlow::Continue(());
            }
            if !goes_on && !self.poll_deadline(cx, now) {
                return ControlFlow::Continue(());
            }
        }
    }

    /// Reads and handles messages until there are none, or one has to wait. Returns whether the
    /// budget was spent.
    fn poll_read(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        for _ in 0..BUDGET {
            if !self.machine.wants_input() {
                return false;
            }
            match self.transport.poll_next_unpin(cx) {
                Poll::Pending => return false,
                Poll::Ready(None) => self.machine.end(Disconnect::Lost, now),
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "transport failed");
                    self.machine.end(&error, now);
                }
                Poll::Ready(Some(Ok(frame))) if self.messages.chooses() => {
                    self.receive_timed(frame, cx, now);
                }
                Poll::Ready(Some(Ok(frame))) => self.receive(frame, cx, now),
            }
        }
        true
    }

    #[inline]
    fn receive(&mut self, frame: Frame, cx: &mut Context<'_>, now: Now) {
        self.machine.receive(frame, now);
        // Polled at once: if the directory answers without waiting, the join delays no later
        // message.
        self.machine.poll_join(cx, now);
    }

    #[cold]
    fn receive_timed(&mut self, frame: Frame, cx: &mut Context<'_>, now: Now) {
        // Forgets the message before this one: this may be a pong, or a message that has to wait.
        self.take_request();
        // Not Tokio's clock: a test that pauses it would measure nothing.
        let begun = std::time::Instant::now();
        self.receive(frame, cx, now);
        if let Some(request) = self.take_request() {
            self.counters().handled(request, begun.elapsed());
        }
    }

    fn take_request(&mut self) -> Option<Request> {
        self.machine.open_mut()?.tally.request.take()
    }

    fn counters(&self) -> &Counters {
        self.server.registry().counters()
    }

    /// Writes what waits and flushes once. Returns whether there is more to do now. If the
    /// connection is over, it breaks with the reason.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Now) -> ControlFlow<Disconnect, bool> {
        if self.yields(cx) {
            return ControlFlow::Continue(false);
        }
        self.sample_queue();
        let mut written = 0;
        // The machine is first asked without the transport, which may be gone: `Step::End` needs
        // none.
        let mut writable = false;
        loop {
            match self.machine.next_step(writable) {
                Some(Step::End(disconnect)) => return ControlFlow::Break(disconnect),
                Some(step) => {
                    written += 1;
                    if self.write(step).is_err() {
                        self.machine.end(Disconnect::Lost, now);
                        writable = false;
                        continue;
                    }
                }
                None if writable => break,
                None => {}
            }
            if self.goodbye != Goodbye::Unsaid {
                break;
            }
            if written == BUDGET {
                cx.waker().wake_by_ref();
                break;
            }
            match self.transport.poll_ready_unpin(cx) {
                Poll::Pending => {
                    if !std::mem::replace(&mut self.stalled, true) {
                        self.counters().write_stalled();
                    }
                    break;
                }
                Poll::Ready(Ok(())) => writable = true,
                Poll::Ready(Err(_)) => {
                    self.machine.end(Disconnect::Lost, now);
                    writable = false;
                    continue;
                }
            }
            // The transport took no more before, and now it does. So the client has read something.
            if std::mem::take(&mut self.stalled) {
                self.machine.wrote(now);
            }
        }
        if written > 0 {
            self.batched = written > 1;
        }
        let closed = self.poll_flush(cx, now);
        ControlFlow::Continue(closed || (written > 0 && self.machine.may_go_on()))
    }

    fn sample_queue(&mut self) {
        if self.wake_ups.chooses() {
            let open = self.machine.open_mut();
            let signals = open.and_then(|open| open.signals.as_ref());
            match signals.map_or(0, QueueStream::waiting) {
                0 => {}
                waiting => self.counters().queued(waiting),
            }
        }
    }

    #[inline]
    fn write(&mut self, step: Step) -> Result<(), T::Error> {
        self.unflushed = true;
        let frame = match step {
            Step::Signal(signal) => self.machine.encode(signal),
            Step::Ping => Frame::Ping(Bytes::new()),
            Step::Close(close) => {
                self.goodbye = Goodbye::Written;
                // A transport that has answered the client's close frame by itself refuses this
                // one. That is no failure, and its own frame still needs the flush.
                let _ = self.transport.start_send_unpin(Frame::Close(close));
                return Ok(());
            }
            Step::Read | Step::End(_) => return Ok(()),
        };
        self.transport.start_send_unpin(frame)
    }

    /// Flushes what was written. Returns whether the connection is in another stage after that:
    /// lost, or closing with its close frame sent.
    fn poll_flush(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        if !self.unflushed {
            return false;
        }
        let flushed = match self.transport.poll_flush_unpin(cx) {
            Poll::Pending => return false,
            Poll::Ready(flushed) => flushed,
        };
        self.unflushed = false;
        if flushed.is_err() {
            self.machine.end(Disconnect::Lost, now);
        } else if self.goodbye == Goodbye::Written {
            self.goodbye = Goodbye::Flushed;
            self.machine.close_sent(now);
        } else {
            return false;
        }
        true
    }

    /// Lets other tasks run once before a broadcast is written, if several signals went out
    /// together the last time. Those tasks may add signals to the queue, and the costly part of
    /// sending is the write, not the number of signals in it. If the server has nothing else to do,
    /// it writes at once.
    fn yields(&mut self, cx: &Context<'_>) -> bool {
        let may_yield = self.batched && !self.yielded && !self.stalled;
        self.yielded = may_yield && self.machine.begins_with_broadcast();
        if self.yielded {
            cx.waker().wake_by_ref();
        }
        self.yielded
    }

    /// Returns whether the machine's deadline has passed. If it has not, the task is woken when it
    /// does.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, now: Now) -> bool {
        let deadline = self.machine.look_at();
        if deadline <= now.monotonic {
            return true;
        }
        let deadline = Instant::from_std(deadline);
        if deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            self.timer.as_mut().reset(deadline);
            if self.timer.as_mut().poll(cx).is_ready() {
                // The deadline has passed since `now` was read.
                cx.waker().wake_by_ref();
            }
        }
        false
    }
}

/// Reads the clocks. The monotonic one is Tokio's, which a test can pause. Only TURN credentials
/// need the wall clock, and they count in seconds. So it is read at most once a second, and not at
/// each wake-up.
struct Clocks {
    wall: SystemTime,
    /// When to read the wall clock again.
    stale_at: Instant,
}

impl Clocks {
    fn read() -> (Self, Now) {
        let (monotonic, wall) = (Instant::now(), SystemTime::now());
        let clocks = Self {
            wall,
            stale_at: monotonic + Duration::from_secs(1),
        };
        let monotonic = monotonic.into_std();
        (clocks, Now { monotonic, wall })
    }

    fn now(&mut self) -> Now {
        let monotonic = Instant::now();
        if monotonic >= self.stale_at {
            let (clocks, now) = Self::read();
            *self = clocks;
            return now;
        }
        Now {
            monotonic: monotonic.into_std(),
            wall: self.wall,
        }
    }
}
