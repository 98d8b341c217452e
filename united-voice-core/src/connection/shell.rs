//! The loop of [`drive`](crate::drive): a machine, its transport and the clocks.

use std::{
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant as StdInstant, SystemTime},
};

use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::{Instant, Sleep};

use crate::{
    ConnectionMachine, Disconnect, Frame, Now, QueueStream, Step, TransportError, VoiceDirectory,
    VoiceServer,
    connection::{machine::Phase, open::OpenConnection, sampler::Sampler},
    stats::{counters::Counters, request::Request},
};

/// How many frames one poll reads, and how many signals it writes, before other tasks get a turn.
const BUDGET: usize = 64;

pub(super) struct Shell<'a, D, T> {
    pub(super) server: &'a VoiceServer<D>,
    pub(super) machine: ConnectionMachine<D>,
    pub(super) transport: &'a mut T,
    /// Reset only to an earlier time, or after it has fired. Deadlines mostly move to later. A
    /// timer that fires too early costs less than a reset for each message.
    pub(super) timer: Pin<&'a mut Sleep>,
    pub(super) clocks: Clocks,
    /// Something was written that is not flushed yet.
    pub(super) unflushed: bool,
    pub(super) goodbye: Goodbye,
    /// The last poll that wrote anything wrote several signals.
    pub(super) batched: bool,
    /// Other tasks have had a turn before what waits now is written.
    pub(super) yielded: bool,
    /// The number of bytes that the transport's socket had taken at the last attempt to write, if
    /// it could take no more.
    pub(super) blocked_at: Option<u64>,
    pub(super) bytes_taken: fn(&T) -> u64,
    pub(super) messages: Sampler,
    pub(super) wake_ups: Sampler,
}

/// What became of the server's close frame.
#[derive(PartialEq)]
pub(super) enum Goodbye {
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
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Disconnect> {
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
                    self.blocked(now);
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
            if self.blocked_at.take().is_some() {
                self.machine.heard(now);
                self.machine.unblocked();
            }
        }
        if written > 0 {
            self.batched = written > 1;
        }
        let closed = self.poll_flush(cx, now);
        ControlFlow::Continue(closed || (written > 0 && self.machine.may_go_on()))
    }

    /// Notes that the transport takes no more. Out of line, because it is rare.
    #[cold]
    fn blocked(&mut self, now: Now) {
        let taken = (self.bytes_taken)(self.transport);
        match self.blocked_at.replace(taken) {
            None => self.counters().write_blocked(),
            Some(before) if before != taken => self.machine.wrote(now),
            Some(_) => {}
        }
        self.machine.blocked(now);
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
        let may_yield = self.batched && !self.yielded && self.blocked_at.is_none();
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
/// each wake-up. If a test has moved Tokio's clock, the wall clock is moved along.
pub(super) struct Clocks {
    wall: SystemTime,
    /// When to read the wall clock again.
    stale_at: Instant,
}

impl Clocks {
    pub(super) fn read() -> (Self, Now) {
        let tokio = Instant::now();
        let monotonic = tokio.into_std();
        let moved = monotonic.saturating_duration_since(StdInstant::now());
        let wall = SystemTime::now() + moved;
        let clocks = Self {
            wall,
            stale_at: tokio + Duration::from_secs(1),
        };
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

/// What only the shell asks of a machine.
impl<D: VoiceDirectory> ConnectionMachine<D> {
    /// When to look for what is due. It is never later than [`deadline`](Self::deadline), and
    /// cheaper.
    fn look_at(&self) -> StdInstant {
        match &self.phase {
            Phase::Open(open) => open.look_at(),
            Phase::Ending(ending) => ending.deadline(),
        }
    }

    /// Asks for the directory's answer to a join that has just come.
    #[inline]
    fn poll_join(&mut self, cx: &mut Context<'_>, now: Now) {
        if let Phase::Open(open) = &mut self.phase {
            open.poll_join(&self.server, cx, now);
        }
    }

    /// The connection, unless it has ended.
    fn open_mut(&mut self) -> Option<&mut OpenConnection> {
        match &mut self.phase {
            Phase::Open(open) => Some(open),
            Phase::Ending(_) => None,
        }
    }

    /// Whether a message waits that may now be handled.
    fn may_go_on(&self) -> bool {
        matches!(&self.phase, Phase::Open(open) if open.may_go_on())
    }

    /// Whether only few signals wait to be written, and the first has other recipients too.
    fn begins_with_broadcast(&self) -> bool {
        match &self.phase {
            Phase::Open(open) => {
                let signals = open.signals.as_ref();
                signals.is_some_and(QueueStream::begins_with_broadcast)
            }
            Phase::Ending(_) => false,
        }
    }
}
