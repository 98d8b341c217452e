//! The ready-made queue, and the suite that every sink must pass.

mod support;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, task::ArcWake};
use united_voice_core::{
    CloseReason, Codec, Frame, QueueSink, QueueStream, Signal, SignalSink, SinkError, Urgency,
    outbound_queue,
    proto::ws::Envelope,
    test_util::{RecordingSink, SinkUnderTest, conformance, number_of, numbered_signal},
};

use support::{
    payloads::{join, state},
    peer::{Peer, settle},
    server::server,
};

fn event(number: usize) -> Signal {
    numbered_signal(number, Urgency::Event)
}

#[derive(Default)]
struct WakeCount(AtomicUsize);

impl ArcWake for WakeCount {
    fn wake_by_ref(arc_self: &Arc<Self>) {
        arc_self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once, with a waker that counts.
fn poll(stream: &mut QueueStream, count: &Arc<WakeCount>) -> Poll<Option<Signal>> {
    let waker = futures::task::waker(Arc::clone(count));
    pin!(stream).poll_next(&mut Context::from_waker(&waker))
}

fn wakes(count: &WakeCount) -> usize {
    count.0.load(Ordering::SeqCst)
}

struct Queues(Option<QueueStream>);

impl SinkUnderTest for Queues {
    type Sink = QueueSink;

    fn sink(&mut self, capacity: usize) -> QueueSink {
        let (sink, stream) = outbound_queue(capacity, usize::MAX);
        self.0 = Some(stream);
        sink
    }

    fn arrived(&mut self) -> Vec<Envelope> {
        let stream = self.0.as_mut().expect("a sink was made");
        std::iter::from_fn(|| stream.pop())
            .map(|signal| signal.envelope().clone())
            .collect()
    }
}

struct Recordings(Arc<RecordingSink>);

impl SinkUnderTest for Recordings {
    type Sink = Arc<RecordingSink>;

    fn sink(&mut self, capacity: usize) -> Arc<RecordingSink> {
        self.0 = Arc::new(RecordingSink::with_capacity(capacity));
        Arc::clone(&self.0)
    }

    fn arrived(&mut self) -> Vec<Envelope> {
        self.0.take()
    }
}

#[test]
fn the_sinks_of_the_library_conform() {
    conformance(&mut Queues(None));
    conformance(&mut Stalled(Queues(None)));
    conformance(&mut Recordings(Arc::default()));
    conformance(&mut Busy(Recordings(Arc::default())));
}

/// A recording sink whose client reads.
struct Busy(Recordings);

impl SinkUnderTest for Busy {
    type Sink = Arc<RecordingSink>;

    fn sink(&mut self, capacity: usize) -> Arc<RecordingSink> {
        let sink = self.0.sink(capacity);
        sink.set_busy(true);
        sink
    }

    fn arrived(&mut self) -> Vec<Envelope> {
        self.0.arrived()
    }
}

/// The queue of a client that does not read.
struct Stalled(Queues);

impl SinkUnderTest for Stalled {
    type Sink = QueueSink;

    fn sink(&mut self, capacity: usize) -> QueueSink {
        let sink = self.0.sink(capacity);
        self.0
            .0
            .as_mut()
            .expect("a sink was made")
            .set_stalled(true);
        sink
    }

    fn arrived(&mut self) -> Vec<Envelope> {
        self.0.arrived()
    }
}

/// A sink with one fault that the suite must find.
struct Faulty {
    inner: Recordings,
    fault: Fault,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Unbounded,
    RefusesReplies,
    LosesSignals,
    NeverCloses,
    Reorders,
    GoesOnAfterOverflow,
    LosesOwnedSignals,
    KeepsRefusedRelays,
}

struct FaultySink {
    inner: Arc<RecordingSink>,
    fault: Fault,
    capacity: usize,
    delivered: AtomicUsize,
}

impl SignalSink for FaultySink {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        let before = self.delivered.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Unbounded => self.inner.deliver(&signal.with_urgency(Urgency::Reply)),
            Fault::RefusesReplies if before >= self.capacity => Err(SinkError::Full),
            Fault::LosesSignals if before == 1 => Ok(()),
            Fault::GoesOnAfterOverflow if before == self.capacity => Err(SinkError::Full),
            Fault::GoesOnAfterOverflow => self.inner.deliver(&signal.with_urgency(Urgency::Reply)),
            Fault::KeepsRefusedRelays if before == self.capacity => {
                self.inner.deliver(&signal.with_urgency(Urgency::Reply))?;
                Err(SinkError::Busy)
            }
            _ => self.inner.deliver(signal),
        }
    }

    fn deliver_owned(&self, signal: Signal) -> Result<(), SinkError> {
        match self.fault {
            Fault::LosesOwnedSignals => Ok(()),
            _ => self.deliver(&signal),
        }
    }

    fn close(&self, reason: CloseReason) {
        if self.fault != Fault::NeverCloses {
            self.inner.close(reason);
        }
    }
}

impl SinkUnderTest for Faulty {
    type Sink = FaultySink;

    fn sink(&mut self, capacity: usize) -> FaultySink {
        let (inner, fault) = (self.inner.sink(capacity), self.fault);
        FaultySink {
            inner,
            fault,
            capacity,
            delivered: AtomicUsize::new(0),
        }
    }

    fn arrived(&mut self) -> Vec<Envelope> {
        let mut arrived = self.inner.arrived();
        if self.fault == Fault::Reorders {
            arrived.reverse();
        }
        arrived
    }
}

#[test]
fn the_suite_finds_every_fault() {
    let faults = [
        Fault::Unbounded,
        Fault::RefusesReplies,
        Fault::LosesSignals,
        Fault::NeverCloses,
        Fault::Reorders,
        Fault::GoesOnAfterOverflow,
        Fault::LosesOwnedSignals,
        Fault::KeepsRefusedRelays,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let mut faulty = Faulty {
            inner: Recordings(Arc::default()),
            fault,
        };
        let run = std::panic::AssertUnwindSafe(|| conformance(&mut faulty));
        assert!(
            std::panic::catch_unwind(run).is_err(),
            "fault {number} was not found"
        );
    }
}

/// Signals wait in the recipient's codec, so their size in that codec counts.
#[test]
fn a_queue_counts_the_bytes_of_its_own_codec() {
    let signal = event(0);
    let (protobuf, json) = (signal.as_protobuf().len(), signal.as_json().len());
    assert!(protobuf < json);
    for (codec, fits) in [(Codec::Protobuf, true), (Codec::Json, false)] {
        let (sink, mut stream) = outbound_queue(10, 2 * protobuf);
        stream.set_codec(codec);
        stream.set_stalled(true);
        assert_eq!(
            sink.deliver(&signal),
            Ok(()),
            "an empty queue takes anything"
        );
        assert_eq!(sink.deliver(&signal).is_ok(), fits, "{codec:?}");
    }
}

#[test]
fn recipients_share_what_is_encoded_for_them() {
    let signal = event(0);
    let queue = |codec| {
        let (sink, mut stream) = outbound_queue(10, usize::MAX);
        stream.set_codec(codec);
        sink.deliver(&signal).expect("taken");
        stream.pop().expect("delivered")
    };
    let [first, second] = [(); 2].map(|()| queue(Codec::Protobuf).into_protobuf());
    assert_eq!(first.as_ptr(), second.as_ptr());
    let [first, second] = [(); 2].map(|()| queue(Codec::Json).into_json());
    assert_eq!(first.as_ptr(), second.as_ptr());
}

#[test]
fn a_signal_that_waits_in_another_codec_is_still_right() {
    let (sink, mut stream) = outbound_queue(10, usize::MAX);
    let mut change = |first, then| {
        let signal = event(7);
        stream.set_codec(first);
        sink.deliver(&signal).expect("taken");
        stream.set_codec(then);
        let read = stream.pop().expect("delivered");
        assert_eq!(read.as_json(), signal.as_json());
        assert_eq!(read.as_protobuf(), signal.as_protobuf());
        assert_eq!(read.envelope(), signal.envelope());
    };
    change(Codec::Protobuf, Codec::Json);
    change(Codec::Json, Codec::Protobuf);
}

#[test]
fn urgency_survives_the_queue() {
    let (sink, mut stream) = outbound_queue(10, usize::MAX);
    for urgency in [Urgency::Reply, Urgency::Event, Urgency::Droppable] {
        sink.deliver(&numbered_signal(0, urgency)).expect("taken");
        assert_eq!(stream.pop().expect("delivered").urgency(), urgency);
    }
}

/// `drive` sets the codec of the queue, either from the subprotocol or from the first message.
#[tokio::test(start_paused = true)]
async fn driven_connections_that_speak_json_share_one_text() {
    let server = server();
    let alice = Peer::joined(&server, "alice", "a").await;
    let mut others = Vec::new();
    for (name, settled) in [("bob", Some(Codec::Json)), ("carol", None)] {
        let mut peer = Peer::with_codec(&server, name, settled);
        peer.codec = Codec::Json;
        peer.ask("1", join("a"));
        settle().await;
        others.push(peer);
    }
    while others[0].wire.try_next().is_some() {}
    while others[1].wire.try_next().is_some() {}
    alice.ask("", state("a"));
    settle().await;
    let text = |peer: &Peer| match peer.wire.try_next() {
        Some(Frame::Text(text)) => text,
        other => panic!("not the state: {other:?}"),
    };
    let (bobs, carols) = (text(&others[0]), text(&others[1]));
    assert_eq!(bobs, carols);
    assert_eq!(bobs.as_ptr(), carols.as_ptr(), "encoded a second time");
}

#[test]
fn a_signal_wakes_the_reader_and_a_second_one_does_not_need_to() {
    let (sink, mut stream) = outbound_queue(10, usize::MAX);
    let count = Arc::new(WakeCount::default());
    assert!(poll(&mut stream, &count).is_pending());
    sink.deliver(&event(0)).expect("taken");
    assert_eq!(wakes(&count), 1);
    sink.deliver(&event(1)).expect("taken");
    assert_eq!(wakes(&count), 1, "the reader is awake already");
    assert!(poll(&mut stream, &count).is_ready());
    assert!(poll(&mut stream, &count).is_ready());
    assert!(poll(&mut stream, &count).is_pending());
    sink.deliver(&event(2)).expect("taken");
    assert_eq!(wakes(&count), 2);
}

#[test]
fn the_last_waker_is_woken() {
    let (sink, mut stream) = outbound_queue(10, usize::MAX);
    let [first, second] = [(); 2].map(|()| Arc::new(WakeCount::default()));
    assert!(poll(&mut stream, &first).is_pending());
    assert!(poll(&mut stream, &second).is_pending());
    sink.deliver(&event(0)).expect("taken");
    assert_eq!((wakes(&first), wakes(&second)), (0, 1));
}

#[test]
fn a_close_wakes_the_reader_ends_the_stream_and_keeps_the_first_reason() {
    let (sink, mut stream) = outbound_queue(10, usize::MAX);
    let count = Arc::new(WakeCount::default());
    assert!(poll(&mut stream, &count).is_pending());
    sink.close(CloseReason::SlowConsumer);
    sink.close(CloseReason::GoingAway);
    assert_eq!(wakes(&count), 1);
    assert!(matches!(poll(&mut stream, &count), Poll::Ready(None)));
    assert_eq!(stream.close_reason(), Some(CloseReason::SlowConsumer));
    assert_eq!(sink.deliver(&event(0)), Err(SinkError::Closed));
}

#[test]
fn a_close_drops_waiting_signals() {
    let (sink, mut stream) = outbound_queue(10, usize::MAX);
    let signal = event(0);
    sink.deliver(&signal).expect("taken");
    sink.close(CloseReason::SlowConsumer);
    assert!(stream.pop().is_none());
    assert!(!stream.is_over_limit());
}

#[test]
fn a_queue_without_a_reader_is_closed() {
    let (sink, stream) = outbound_queue(10, usize::MAX);
    drop(stream);
    assert_eq!(sink.deliver(&event(0)), Err(SinkError::Closed));
    let reply = numbered_signal(0, Urgency::Reply);
    assert_eq!(sink.deliver(&reply), Err(SinkError::Closed));
}

/// Across threads, no signal is lost, duplicated or reordered, and no wake-up is missed. After a
/// missed wake-up, the reader would wait forever.
#[test]
fn nothing_is_lost_between_threads() {
    const COUNT: usize = 20_000;
    let (sink, mut stream) = outbound_queue(64, usize::MAX);
    let writer = std::thread::spawn(move || {
        for number in 0..COUNT {
            // Droppable signals, so that the sender may try again if the queue is full.
            let signal = numbered_signal(number, Urgency::Droppable);
            while sink.deliver(&signal) == Err(SinkError::Full) {
                std::thread::yield_now();
            }
        }
        sink
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let read = async {
        for number in 0..COUNT {
            let signal = stream.next().await.expect("open");
            assert_eq!(number_of(signal.envelope()), number);
        }
    };
    let limit = std::time::Duration::from_secs(20);
    let done = runtime
        .expect("a runtime")
        .block_on(async { tokio::time::timeout(limit, read).await });
    done.expect("a wake-up was missed");
    drop(writer.join().expect("written"));
}
