//! A whole connection over a transport, from the first frame to the last: the shell around a [`ConnectionMachine`].

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
    Codec, ConnectionMachine, Disconnect, Frame, Now, Step, TransportError, UserId, VoiceDirectory,
    VoiceServer, connection::clock::after,
};

/// Frames read and signals written before another task gets its turn.
const BUDGET: usize = 64;

/// Runs one connection of an authenticated user to its end.
///
/// `transport` is the framework's socket as a `Stream` and `Sink` of [`Frame`]s. It must answer pings, hand out whole
/// messages and refuse those over [`Limits::max_message_bytes`](crate::Limits::max_message_bytes). `codec` is what the
/// subprotocol settled; without one, the kind of the first message does.
///
/// A client's close frame is answered. A transport that does so by itself may refuse the answer, and is flushed all the
/// same.
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
    let mut shell = Shell {
        // In its place at once: a future has room for both places of what is moved.
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
    };
    poll_fn(|cx| shell.poll(cx)).await
}

struct Shell<'a, D, T> {
    machine: ConnectionMachine<D>,
    transport: &'a mut T,
    /// Moved only to an earlier time, or once it has fired.
    timer: Pin<&'a mut Sleep>,
    clocks: Clocks,
    /// Written, but not flushed.
    unflushed: bool,
    goodbye: Goodbye,
    /// Several signals were written at once the last time.
    batched: bool,
    /// Others were let run before what waits now is written.
    yielded: bool,
    /// The transport took no more at the last attempt.
    stalled: bool,
}

/// The server's close frame.
#[derive(PartialEq)]
enum Goodbye {
    Unsaid,
    Written,
    /// Nothing may be written any more; a transport may even answer an attempt with an error, which would mean nothing.
    Flushed,
}

impl<D, T> Shell<'_, D, T>
where
    D: VoiceDirectory,
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    /// Does what can be done now. If it is pending, whatever may change that will wake the task.
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
            self.machine.poll_events(cx, now);
            let spent = self.poll_read(cx, now);
            let goes_on = self.poll_write(cx, now)?;
            if spent {
                cx.waker().wake_by_ref();
                return ControlFlow::Continue(());
            }
            if !goes_on && !self.poll_deadline(cx, now) {
                return ControlFlow::Continue(());
            }
        }
    }

    /// Reads and handles messages while there are any and none has to wait; says whether the budget was spent.
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
                Poll::Ready(Some(Ok(frame))) => {
                    self.machine.receive(frame, now);
                    // At once, so that a directory that needs no waiting holds nothing up.
                    self.machine.poll_join(cx, now);
                }
            }
        }
        true
    }

    /// Writes what waits and flushes once; says whether there is more to do now. It breaks off when the connection is over.
    fn poll_write(&mut self, cx: &mut Context<'_>, now: Now) -> ControlFlow<Disconnect, bool> {
        if self.yields(cx) {
            return ControlFlow::Continue(false);
        }
        let mut written = 0;
        // The first time without asking the transport, which may be gone.
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
                    self.stalled = true;
                    break;
                }
                Poll::Ready(Ok(())) => writable = true,
                Poll::Ready(Err(_)) => {
                    self.machine.end(Disconnect::Lost, now);
                    writable = false;
                    continue;
                }
            }
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

    #[inline]
    fn write(&mut self, step: Step) -> Result<(), T::Error> {
        self.unflushed = true;
        let frame = match step {
            Step::Signal(signal) => self.machine.encode(signal),
            Step::Ping => Frame::Ping(Bytes::new()),
            Step::Close(close) => {
                self.goodbye = Goodbye::Written;
                // A transport that has closed by itself refuses this, and its own close frame still needs the flush.
                let _ = self.transport.start_send_unpin(Frame::Close(close));
                return Ok(());
            }
            Step::End(_) => return Ok(()),
        };
        self.transport.start_send_unpin(frame)
    }

    /// Flushes what was written; says whether that took the connection a stage further.
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

    /// Lets others run once before a broadcast is written, if several signals went out together the last time: others that it
    /// woke may add to it, and sending is what costs. A server with nothing else to do writes at once.
    fn yields(&mut self, cx: &Context<'_>) -> bool {
        let may_yield = self.batched && !self.yielded && !self.stalled;
        self.yielded = may_yield && self.machine.begins_with_broadcast();
        if self.yielded {
            cx.waker().wake_by_ref();
        }
        self.yielded
    }

    /// Whether the machine's deadline has passed. Otherwise the task will be woken at it.
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
                // It has passed since `now` was taken.
                cx.waker().wake_by_ref();
            }
        }
        false
    }
}

/// Reads the clocks. Only credentials need the wall clock, and to the second, so it is read at most once a second and not at
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
