//! The ready-made sink: a queue with a limit in messages and in bytes, and the `Stream` at its
//! other end.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures::Stream;
use united_voice_proto::Codec;

use crate::{
    CloseReason, Signal, SignalSink, SinkError, Urgency, signal::signal::Form, sync::Mutex,
};

/// An emptied queue keeps room for this many signals and gives the rest back.
const KEPT_CAPACITY: usize = 8;

/// If at most this many signals wait, it may pay to wait for more before they are written.
#[cfg(feature = "connection")]
const FEW: usize = 16;

/// Makes a bounded queue: the sink for the registry, the stream for the connection.
///
/// It holds at most `messages` signals and at most `bytes` bytes. A single signal larger than
/// `bytes` still fits into an empty queue. What comes beyond the limits depends on whether the
/// client reads ([`SignalSink`] says why):
///
/// - Replies are taken in any case.
/// - Events are taken up to twice both limits, in which replies do not count. If the client is
///   marked as stalled, or beyond that, the queue refuses them and all that follows.
/// - Relays are refused. They fit again as soon as the client has read something.
///
/// A [`ConnectionMachine`](crate::ConnectionMachine) marks its own queue as stalled if the socket
/// has taken nothing for a second. A host without a machine does that by
/// [`QueueStream::set_stalled`]. Until then a queue takes its client for one that reads.
///
/// In the worst case a queue holds `2 * bytes` of events, and `bytes` and one more reply of replies
/// if the host heeds [`QueueStream::is_over_limit`].
///
/// The queue keeps each signal as it will be sent: encoded in protobuf, or in the codec that
/// [`QueueStream::set_codec`] names. `bytes` counts these encoded bytes, and a waiting signal takes
/// at most 100 bytes of memory besides. Recipients of the same signal share its bytes. A message
/// that nobody else gets, such as the response to a join, waits as it is and counts as its protobuf
/// form. A queue in which nothing waits takes less than 200 bytes, and up to 384 more after signals
/// have waited in it.
pub fn outbound_queue(messages: usize, bytes: usize) -> (QueueSink, QueueStream) {
    let queue = Arc::new(Queue {
        messages,
        bytes,
        speaks_json: AtomicBool::new(false),
        state: Mutex::default(),
    });
    (QueueSink(Arc::clone(&queue)), QueueStream(queue))
}

struct Queue {
    messages: usize,
    bytes: usize,
    /// Outside of the lock, so that a signal is encoded before the lock is taken. Relaxed is
    /// enough: a signal that is encoded in the other codec is still right, and is encoded again
    /// when it is sent.
    speaks_json: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order of delivery. Encoded, except for messages that nobody else gets.
    waiting: VecDeque<(Form, Urgency)>,
    /// The bytes of all that waits.
    size: usize,
    /// The replies among what waits, and their bytes.
    replies: usize,
    reply_bytes: usize,
    waker: Option<Waker>,
    /// The client does not read: what does not fit ends the connection.
    stalled: bool,
    /// An event or a relay to a stalled client was refused: nothing may follow it.
    overflowed: bool,
    end: Option<End>,
}

#[derive(Clone, Copy)]
enum End {
    Closed(CloseReason),
    ReceiverGone,
}

impl Queue {
    fn codec(&self) -> Codec {
        match self.speaks_json.load(Ordering::Relaxed) {
            #[cfg(feature = "json")]
            true => Codec::Json,
            _ => Codec::Protobuf,
        }
    }

    /// The one place that decides what may wait.
    #[inline]
    fn admit(&self, state: &mut State, size: usize, urgency: Urgency) -> Result<(), SinkError> {
        if state.end.is_some() {
            return Err(SinkError::Closed);
        }
        let has_room = state.waiting.is_empty()
            || (state.waiting.len() < self.messages && state.size + size <= self.bytes);
        match urgency {
            Urgency::Reply => Ok(()),
            _ if has_room && !state.overflowed => Ok(()),
            _ => self.admit_beyond(state, size, urgency),
        }
    }

    /// Decides beyond the limits. A member that reads must not be put out by members who send more
    /// than its line carries. So relays wait for it at their senders, and events, which cannot
    /// wait, have as much room again.
    #[cold]
    fn admit_beyond(
        &self,
        state: &mut State,
        size: usize,
        urgency: Urgency,
    ) -> Result<(), SinkError> {
        let is_busy = !state.stalled && !state.overflowed;
        match urgency {
            Urgency::Reply => return Ok(()),
            Urgency::Droppable => return Err(SinkError::Full),
            Urgency::Relay if is_busy => return Err(SinkError::Busy),
            Urgency::Event if is_busy && self.has_room_for_event(state, size) => return Ok(()),
            Urgency::Relay | Urgency::Event => {}
        }
        state.overflowed = true;
        Err(SinkError::Full)
    }

    /// Counts what others caused. The client asked for the replies itself, and they may be large:
    /// a snapshot of a large channel must not use up the room for the events that follow it.
    fn has_room_for_event(&self, state: &State, size: usize) -> bool {
        let messages = state.waiting.len() - state.replies + 1;
        let bytes = state.size - state.reply_bytes + size;
        messages <= self.messages.saturating_mul(2) && bytes <= self.bytes.saturating_mul(2)
    }

    /// Always inlined: a broadcast calls a sink once for each recipient, and a second call in each
    /// of them would first write the form to the stack.
    #[inline(always)]
    fn push(&self, form: Form, urgency: Urgency) -> Result<(), SinkError> {
        let size = form.size();
        let mut state = self.state.lock();
        self.admit(&mut state, size, urgency)?;
        state.size += size;
        if urgency == Urgency::Reply {
            state.replies += 1;
            state.reply_bytes += size;
        }
        state.waiting.push_back((form, urgency));
        // The reader of a queue that was not empty is awake already.
        let waker = (state.waiting.len() == 1).then(|| state.waker.clone());
        drop(state);
        if let Some(Some(waker)) = waker {
            waker.wake();
        }
        Ok(())
    }
}

/// The sending end of an [`outbound_queue`]. Clones share the queue.
#[derive(Clone)]
pub struct QueueSink(Arc<Queue>);

impl From<QueueSink> for Arc<dyn SignalSink> {
    /// For [`VoiceServer::connect`](crate::VoiceServer::connect). `Arc::new(sink)` does the same with
    /// one allocation more, and every delivery then follows one pointer more.
    fn from(sink: QueueSink) -> Self {
        sink.0
    }
}

impl SignalSink for QueueSink {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        self.0.deliver(signal)
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        self.0.deliver_owned(signal)
    }

    fn close(&self, reason: CloseReason) {
        self.0.close(reason);
    }
}

impl SignalSink for Queue {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        self.push(signal.encoded(self.codec()), signal.urgency())
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        let urgency = signal.urgency();
        self.push(signal.into_kept(self.codec()), urgency)
    }

    fn close(&self, reason: CloseReason) {
        let mut state = self.state.lock();
        if state.end.is_none() {
            state.end = Some(End::Closed(reason));
            let dropped = state.discard();
            let waker = state.waker.take();
            drop(state);
            // The lock is released first, because dropping signals and waking a task may take other
            // locks.
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

/// The receiving end of an [`outbound_queue`]: a `Stream` of signals that ends when the queue is
/// closed.
///
/// Dropping it closes the queue. Taking a signal is cancel safe.
pub struct QueueStream(Arc<Queue>);

impl QueueStream {
    /// Names the codec of the connection: what is delivered from now on waits in it, encoded once
    /// for all recipients that speak it. Until this is called a queue keeps protobuf.
    ///
    /// A signal that waits in another codec than it is sent in is still right, but every recipient
    /// encodes it again. So call this as soon as the codec is known, and before the connection joins
    /// a channel.
    pub fn set_codec(&mut self, codec: Codec) {
        let speaks_json = codec != Codec::Protobuf;
        self.0.speaks_json.store(speaks_json, Ordering::Relaxed);
    }

    /// Whether the client has answers to read before it may ask more: a reply waits, and the queue
    /// is at its limit. Read no further request of this client until that has changed.
    ///
    /// What others cause does not stop its requests. Otherwise they could keep it from leaving.
    pub fn is_over_limit(&self) -> bool {
        let state = self.0.state.lock();
        let is_at_limit = state.waiting.len() >= self.0.messages || state.size >= self.0.bytes;
        is_at_limit && state.replies > 0
    }

    /// Says whether the client has stalled: it has read nothing for about a second, although
    /// something waits. A stalled client is evicted by the next event or relay that does not fit
    /// into the queue. A client that reads slowly is only sent less.
    ///
    /// Call this if you write the signals to the socket yourself. A
    /// [`ConnectionMachine`](crate::ConnectionMachine) does it for its own queue.
    pub fn set_stalled(&mut self, stalled: bool) {
        self.0.state.lock().stalled = stalled;
    }

    #[cfg(feature = "connection")]
    pub(crate) fn waiting(&self) -> usize {
        self.0.state.lock().waiting.len()
    }

    /// Whether few signals wait, and the first of them has other recipients too.
    #[cfg(feature = "connection")]
    pub(crate) fn begins_with_broadcast(&self) -> bool {
        let state = self.0.state.lock();
        let next = state.waiting.front();
        state.waiting.len() <= FEW && next.is_some_and(|(form, _)| form.is_shared())
    }

    /// Why the library closed the connection, if it did.
    pub fn close_reason(&self) -> Option<CloseReason> {
        match self.0.state.lock().end {
            Some(End::Closed(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The next signal, if there is one.
    #[inline]
    pub fn pop(&mut self) -> Option<Signal> {
        self.0.state.lock().pop()
    }

    /// Waits only for the close. The task is also woken when the queue stops being empty.
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
    #[inline]
    fn pop(&mut self) -> Option<Signal> {
        let (form, urgency) = match self.waiting.len() {
            // The only signal is also the last. Taken from the back, it leaves its place to the
            // next one. Taken from the front, all places would be used in turns, and the queues of
            // a large room would not fit into the processor's first cache.
            1 => self.waiting.pop_back()?,
            _ => self.waiting.pop_front()?,
        };
        let size = form.size();
        self.size -= size;
        if urgency == Urgency::Reply {
            self.replies -= 1;
            self.reply_bytes -= size;
        }
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT_CAPACITY {
            self.waiting.shrink_to(KEPT_CAPACITY);
        }
        Some(Signal::from_form(form, urgency))
    }

    /// Takes out all that waits, for the caller to drop after it has released the lock.
    #[must_use]
    fn discard(&mut self) -> VecDeque<(Form, Urgency)> {
        (self.size, self.replies, self.reply_bytes) = (0, 0, 0);
        std::mem::take(&mut self.waiting)
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
        let dropped = (state.discard(), state.waker.take());
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
        assert!(size_of::<Queue>() + counts_of_the_arc < 200);
    }

    #[test]
    fn a_signal_that_waits_alone_always_waits_in_the_same_place() {
        let (sink, mut stream) = outbound_queue(10, 1000);
        let mut places = Vec::new();
        for _ in 0..3 {
            let frame = bytes::Bytes::from_static(b"an event");
            let signal = Signal::from_frame(frame, Urgency::Event);
            assert_eq!(sink.deliver(&signal), Ok(()));
            let place = stream
                .0
                .state
                .lock()
                .waiting
                .front()
                .map(std::ptr::from_ref);
            places.push(place.expect("it waits"));
            assert!(stream.pop().is_some());
        }
        assert_eq!(places, [places[0]; 3]);
    }
}
