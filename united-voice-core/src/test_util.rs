//! For the tests of a host (feature `test-util`): a sink that records what it is given, and a suite
//! of checks for a sink of the host's own.

#[cfg(feature = "cluster")]
mod cluster;
#[cfg(feature = "cluster")]
mod engine;

use parking_lot::Mutex;
use united_voice_proto::{
    voice::VoiceLeaveRequest,
    ws::{Envelope, envelope::Payload},
};

#[cfg(feature = "cluster")]
pub use self::{
    cluster::{ClusterDirectory, ClusterUnderTest, cluster_conformance},
    engine::{MemoryEngine, MemoryNode},
};
use crate::{CloseReason, Signal, SignalSink, SinkError, Urgency};

/// A sink that keeps signals, up to a limit, until a test takes them.
///
/// Its client counts as stalled, until [`set_busy`](Self::set_busy) makes it one that reads.
#[derive(Debug)]
pub struct RecordingSink {
    capacity: usize,
    state: Mutex<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    signals: Vec<Signal>,
    busy: bool,
    overflowed: bool,
    closed: Option<CloseReason>,
}

impl Default for RecordingSink {
    /// A sink that holds a million signals.
    fn default() -> Self {
        Self::with_capacity(1_000_000)
    }
}

impl RecordingSink {
    /// A sink that holds `capacity` signals. If it is full, it still takes replies, and as many
    /// events again if its client is busy.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
        }
    }

    /// Says whether the client reads: whether a full sink is busy or has stalled.
    pub fn set_busy(&self, busy: bool) {
        self.state.lock().busy = busy;
    }

    /// Takes out what was recorded so far, as decoded envelopes.
    pub fn take(&self) -> Vec<Envelope> {
        self.take_signals()
            .iter()
            .map(|signal| signal.envelope().clone())
            .collect()
    }

    /// Takes out the recorded signals themselves.
    pub fn take_signals(&self) -> Vec<Signal> {
        std::mem::take(&mut self.state.lock().signals)
    }

    /// Whether the sink has answered [`SinkError::Full`] to a relay or an event. After that it
    /// takes only replies.
    pub fn has_refused(&self) -> bool {
        self.state.lock().overflowed
    }

    /// Why the library closed the connection, if it did.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.state.lock().closed
    }
}

impl SignalSink for RecordingSink {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        let mut state = self.state.lock();
        if state.closed.is_some() {
            return Err(SinkError::Closed);
        }
        let waiting = state.signals.len();
        let busy = state.busy && !state.overflowed;
        match signal.urgency() {
            Urgency::Reply => {}
            _ if !state.overflowed && waiting < self.capacity => {}
            Urgency::Event if busy && waiting < 2 * self.capacity => {}
            Urgency::Relay if busy => return Err(SinkError::Busy),
            Urgency::Droppable => return Err(SinkError::Full),
            Urgency::Event | Urgency::Relay => {
                state.overflowed = true;
                return Err(SinkError::Full);
            }
        }
        state.signals.push(signal.clone());
        Ok(())
    }

    fn close(&self, reason: CloseReason) {
        self.state.lock().closed.get_or_insert(reason);
    }
}

/// A signal that carries a number, so that a test can tell it from others.
pub fn numbered_signal(number: usize, urgency: Urgency) -> Signal {
    let request = VoiceLeaveRequest {
        channel_id: number.to_string(),
    };
    Signal::new("", Payload::VoiceLeaveRequest(request), urgency)
}

/// Reads the number of a [`numbered_signal`] from the envelope that arrived.
///
/// # Panics
///
/// If the envelope is not that of a numbered signal.
pub fn number_of(envelope: &Envelope) -> usize {
    match &envelope.payload {
        Some(Payload::VoiceLeaveRequest(request)) => {
            request.channel_id.parse().expect("a numbered signal")
        }
        other => panic!("not a numbered signal: {other:?}"),
    }
}

/// What the conformance suite needs of a sink under test.
pub trait SinkUnderTest {
    /// The type of the sink.
    type Sink: SignalSink;

    /// Makes a fresh sink that holds `capacity` signals.
    fn sink(&mut self, capacity: usize) -> Self::Sink;

    /// Takes out all that has arrived at the other end of the latest sink, in order.
    fn arrived(&mut self) -> Vec<Envelope>;
}

/// Checks what an implementation of [`SignalSink`] must do: it keeps the order, takes as many
/// signals as it holds and at most twice as many events, takes replies even if it is full, takes no
/// event after it has refused one, and takes nothing after `close`. If a full sink answers
/// [`SinkError::Busy`] to a relay, what follows must arrive as if there had been no relay. Both
/// `deliver` and `deliver_owned` are checked.
///
/// # Panics
///
/// If the sink fails a check. The message says which one.
pub fn conformance<T: SinkUnderTest>(under_test: &mut T) {
    let lent: Deliver<T> = |sink, signal| sink.deliver(&signal);
    let handed_over: Deliver<T> = |sink, signal| sink.deliver_owned(signal);
    keeps_order(under_test, [lent, handed_over]);
    for deliver in [lent, handed_over] {
        refuses_events_when_full(under_test, deliver);
        survives_dropped_signals(under_test, deliver);
        refuses_relays_when_full(under_test, deliver);
        takes_replies_when_full(under_test, deliver);
        refuses_after_close(under_test, deliver);
    }
}

/// One of the two ways to deliver.
type Deliver<T> = fn(&<T as SinkUnderTest>::Sink, Signal) -> Result<(), SinkError>;

fn numbers(under_test: &mut impl SinkUnderTest) -> Vec<usize> {
    under_test.arrived().iter().map(number_of).collect()
}

fn keeps_order<T: SinkUnderTest>(under_test: &mut T, in_turns: [Deliver<T>; 2]) {
    let sink = under_test.sink(8);
    for (number, deliver) in (0..8).zip(in_turns.into_iter().cycle()) {
        let taken = deliver(&sink, numbered_signal(number, Urgency::Event));
        assert_eq!(taken, Ok(()), "a sink takes its capacity");
    }
    let expected: Vec<usize> = (0..8).collect();
    assert_eq!(numbers(under_test), expected, "a sink keeps the order");
}

fn refuses_events_when_full<T: SinkUnderTest>(under_test: &mut T, deliver: Deliver<T>) {
    let sink = under_test.sink(2);
    let taken = (0..5)
        .map(|number| deliver(&sink, numbered_signal(number, Urgency::Event)))
        .take_while(Result::is_ok)
        .count();
    assert!(taken >= 2, "a sink takes its capacity");
    assert!(taken <= 4, "a sink takes at most twice its capacity");
    let refused = deliver(&sink, numbered_signal(5, Urgency::Event));
    assert_eq!(refused, Err(SinkError::Full), "a full sink refuses events");
    let expected: Vec<usize> = (0..taken).collect();
    assert_eq!(
        numbers(under_test),
        expected,
        "a refused event never arrives"
    );
    for urgency in [Urgency::Event, Urgency::Relay] {
        let late = deliver(&sink, numbered_signal(6, urgency));
        assert!(late.is_err(), "nothing follows an event that was refused");
    }
}

fn refuses_relays_when_full<T: SinkUnderTest>(under_test: &mut T, deliver: Deliver<T>) {
    let sink = under_test.sink(2);
    for number in 0..2 {
        let taken = deliver(&sink, numbered_signal(number, Urgency::Relay));
        assert_eq!(taken, Ok(()), "a sink takes its capacity in relays");
    }
    let refused = deliver(&sink, numbered_signal(2, Urgency::Relay));
    assert!(refused.is_err(), "a full sink refuses a relay");
    assert_eq!(numbers(under_test), [0, 1], "a refused relay never arrives");
    let next = deliver(&sink, numbered_signal(3, Urgency::Relay));
    match refused {
        Err(SinkError::Busy) => {
            assert_eq!(next, Ok(()), "a busy sink has room again");
            assert_eq!(numbers(under_test), [3]);
        }
        _ => assert!(next.is_err(), "nothing follows a relay that overflowed"),
    }
}

fn survives_dropped_signals<T: SinkUnderTest>(under_test: &mut T, deliver: Deliver<T>) {
    let sink = under_test.sink(1);
    let first = deliver(&sink, numbered_signal(0, Urgency::Event));
    assert_eq!(first, Ok(()));
    let dropped = deliver(&sink, numbered_signal(1, Urgency::Droppable));
    assert_eq!(dropped, Err(SinkError::Full), "a full sink drops");
    assert_eq!(numbers(under_test), [0]);
    let next = deliver(&sink, numbered_signal(2, Urgency::Event));
    assert_eq!(next, Ok(()), "a dropped signal ends nothing");
    assert_eq!(numbers(under_test), [2]);
}

fn takes_replies_when_full<T: SinkUnderTest>(under_test: &mut T, deliver: Deliver<T>) {
    let sink = under_test.sink(1);
    let first = deliver(&sink, numbered_signal(0, Urgency::Event));
    assert_eq!(first, Ok(()));
    let reply = deliver(&sink, numbered_signal(1, Urgency::Reply));
    assert_eq!(reply, Ok(()), "a full sink takes a reply");
    assert_eq!(numbers(under_test), [0, 1]);
}

fn refuses_after_close<T: SinkUnderTest>(under_test: &mut T, deliver: Deliver<T>) {
    let sink = under_test.sink(4);
    sink.close(CloseReason::GoingAway);
    sink.close(CloseReason::SlowConsumer);
    let late = deliver(&sink, numbered_signal(0, Urgency::Reply));
    assert_eq!(late, Err(SinkError::Closed), "a closed sink takes nothing");
}
