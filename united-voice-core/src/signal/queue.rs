//! The ready-made sink: a queue with a limit in messages and bytes, and the `Stream` at its other end.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::Stream;
use parking_lot::Mutex;

use crate::{CloseReason, Signal, SignalSink, SinkError, Urgency, signal::signal};

/// An emptied queue keeps room for this many signals and gives the rest back.
const KEPT_CAPACITY: usize = 16;

/// Makes a bounded queue: the sink for the registry, the stream for the connection.
///
/// It holds at most `messages` signals and `bytes` bytes ([`Signal::size`]), whichever comes first, and beyond that only
/// replies; a single signal larger than `bytes` still fits into an empty queue. While nothing waits in it, it takes less
/// than 200 bytes. What `bytes` counts is the protobuf form; a signal may also keep its decoded form and, for JSON
/// clients, that text, all shared between its recipients, so that the memory is several times `bytes` at worst.
pub fn outbound_queue(messages: usize, bytes: usize) -> (QueueSink, QueueStream) {
    let shared = Arc::new(Shared {
        messages,
        bytes,
        state: Mutex::default(),
    });
    (QueueSink(Arc::clone(&shared)), QueueStream(shared))
}

struct Shared {
    messages: usize,
    bytes: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// A signal in two words.
    signals: VecDeque<(Arc<signal::Shared>, Urgency)>,
    size: usize,
    waker: Option<Waker>,
    /// An event was refused: nothing may follow it.
    overflowed: bool,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Closed(CloseReason),
    ReceiverGone,
}

impl Shared {
    fn has_room(&self, state: &State, size: usize) -> bool {
        state.signals.is_empty()
            || (state.signals.len() < self.messages && state.size + size <= self.bytes)
    }
}

/// The sending end of an [`outbound_queue`]. Clones share the queue.
#[derive(Clone)]
pub struct QueueSink(Arc<Shared>);

impl QueueSink {
    #[inline]
    fn push(&self, shared: Arc<signal::Shared>, urgency: Urgency) -> Result<(), SinkError> {
        let size = shared.size();
        let mut state = self.0.state.lock();
        if state.end.is_some() {
            return Err(SinkError::Closed);
        }
        let fits = !state.overflowed && self.0.has_room(&state, size);
        match urgency {
            Urgency::Reply => {}
            _ if fits => {}
            Urgency::Droppable => return Err(SinkError::Full),
            Urgency::Event => {
                state.overflowed = true;
                return Err(SinkError::Full);
            }
        }
        state.size += size;
        state.signals.push_back((shared, urgency));
        let waker = (state.signals.len() == 1).then(|| state.waker.clone());
        drop(state);
        if let Some(Some(waker)) = waker {
            waker.wake();
        }
        Ok(())
    }
}

impl SignalSink for QueueSink {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        self.push(Arc::clone(signal.shared()), signal.urgency())
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        let urgency = signal.urgency();
        self.push(signal.into_shared(), urgency)
    }

    fn close(&self, reason: CloseReason) {
        let mut state = self.0.state.lock();
        if state.end.is_none() {
            state.end = Some(End::Closed(reason));
            let dropped = std::mem::take(&mut state.signals);
            state.size = 0;
            let waker = state.waker.take();
            drop(state);
            drop(dropped);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl fmt::Debug for QueueSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueSink").finish_non_exhaustive()
    }
}

/// The receiving end of an [`outbound_queue`]: a `Stream` of signals that ends when the queue is closed.
///
/// Dropping it closes the queue. Taking a signal is cancel safe.
pub struct QueueStream(Arc<Shared>);

impl QueueStream {
    /// Whether the queue is at its limit: read no further request of this client until it isn't.
    pub fn is_over_limit(&self) -> bool {
        let state = self.0.state.lock();
        state.signals.len() >= self.0.messages || state.size >= self.0.bytes
    }

    /// Whether what waits is little, and others have the next of it too.
    #[cfg(feature = "connection")]
    pub(crate) fn begins_with_broadcast(&self) -> bool {
        let state = self.0.state.lock();
        let next = state.signals.front();
        state.signals.len() <= KEPT_CAPACITY
            && next.is_some_and(|(shared, _)| Arc::strong_count(shared) > 1)
    }

    /// Why the library closed the connection, where it did.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match self.0.state.lock().end {
            Some(End::Closed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The next signal, if there is one.
    pub fn pop(&mut self) -> Option<Signal> {
        self.0.state.lock().pop()
    }

    /// Waits for the close alone. The task is also woken when the queue stops being empty.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let mut state = self.0.state.lock();
        if let Some(End::Closed(reason)) = state.end {
            return Poll::Ready(reason);
        }
        state.register(cx);
        Poll::Pending
    }
}

impl State {
    fn pop(&mut self) -> Option<Signal> {
        let (shared, urgency) = self.signals.pop_front()?;
        self.size -= shared.size();
        if self.signals.is_empty() && self.signals.capacity() > KEPT_CAPACITY {
            self.signals.shrink_to(KEPT_CAPACITY);
        }
        Some(Signal::from_shared(shared, urgency))
    }

    fn register(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }
}

impl Stream for QueueStream {
    type Item = Signal;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Signal>> {
        let mut state = self.0.state.lock();
        if let Some(signal) = state.pop() {
            return Poll::Ready(Some(signal));
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        state.register(cx);
        Poll::Pending
    }
}

impl Drop for QueueStream {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.end.get_or_insert(End::ReceiverGone);
        let dropped = std::mem::take(&mut state.signals);
        state.size = 0;
        state.waker = None;
        drop(state);
        drop(dropped);
    }
}

impl fmt::Debug for QueueStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_queue_is_as_small_as_promised() {
        let counts_of_the_arc = 2 * size_of::<usize>();
        assert!(size_of::<Shared>() + counts_of_the_arc < 200);
    }
}
