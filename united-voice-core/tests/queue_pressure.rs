//! The limits of the ready-made queue, for a client that reads and for one that does not.

use united_voice_core::{
    QueueSink, QueueStream, Signal, SignalSink, SinkError, Urgency, outbound_queue,
    test_util::{number_of, numbered_signal},
};

fn event(number: usize) -> Signal {
    numbered_signal(number, Urgency::Event)
}

fn relay(number: usize) -> Signal {
    numbered_signal(number, Urgency::Relay)
}

fn numbers(stream: &mut QueueStream) -> Vec<usize> {
    let signals = std::iter::from_fn(|| stream.pop());
    signals.map(|signal| number_of(signal.envelope())).collect()
}

fn reply(number: usize) -> Signal {
    numbered_signal(number, Urgency::Reply)
}

/// The queue of a client that does not read.
fn stalled_queue(messages: usize, bytes: usize) -> (QueueSink, QueueStream) {
    let (sink, mut stream) = outbound_queue(messages, bytes);
    stream.set_stalled(true);
    (sink, stream)
}

#[test]
fn messages_are_limited() {
    let (sink, mut stream) = stalled_queue(2, usize::MAX);
    assert!(!stream.is_over_limit());
    assert_eq!(sink.deliver(&reply(0)), Ok(()));
    assert!(!stream.is_over_limit());
    assert_eq!(sink.deliver(&event(1)), Ok(()));
    assert!(stream.is_over_limit());
    assert_eq!(sink.deliver(&event(2)), Err(SinkError::Full));
    assert_eq!(numbers(&mut stream), [0, 1]);
    assert!(!stream.is_over_limit());
}

#[test]
fn bytes_are_limited() {
    let size = event(0).size();
    let (sink, mut stream) = stalled_queue(1000, 3 * size);
    assert_eq!(sink.deliver(&event(0)), Ok(()));
    assert_eq!(sink.deliver(&event(1)), Ok(()));
    assert_eq!(sink.deliver(&reply(2)), Ok(()));
    assert!(stream.is_over_limit());
    let droppable = numbered_signal(3, Urgency::Droppable);
    assert_eq!(sink.deliver(&droppable), Err(SinkError::Full));
    stream.pop().expect("the first");
    assert!(!stream.is_over_limit());
    assert_eq!(
        sink.deliver(&event(4)),
        Ok(()),
        "signals that were taken no longer count"
    );
    assert_eq!(sink.deliver(&event(5)), Err(SinkError::Full));
}

#[test]
fn one_signal_larger_than_the_limit_fits_into_an_empty_queue() {
    let (sink, mut stream) = stalled_queue(10, 1);
    assert_eq!(sink.deliver(&event(0)), Ok(()));
    assert_eq!(sink.deliver(&event(1)), Err(SinkError::Full));
    assert_eq!(numbers(&mut stream), [0]);
}

/// Otherwise others could keep a client from leaving.
#[test]
fn what_others_cause_does_not_stop_the_requests_of_a_client() {
    let (sink, mut stream) = outbound_queue(2, usize::MAX);
    for number in 0..4 {
        assert_eq!(sink.deliver(&event(number)), Ok(()));
    }
    assert!(!stream.is_over_limit());
    assert_eq!(sink.deliver(&reply(4)), Ok(()));
    assert!(stream.is_over_limit());
    assert_eq!(numbers(&mut stream), [0, 1, 2, 3, 4]);
    assert!(!stream.is_over_limit());
}

#[test]
fn no_event_follows_a_refused_one_even_if_there_is_room_again() {
    let (sink, mut stream) = stalled_queue(1, usize::MAX);
    assert_eq!(sink.deliver(&event(0)), Ok(()));
    assert_eq!(sink.deliver(&event(1)), Err(SinkError::Full));
    assert_eq!(numbers(&mut stream), [0]);
    assert_eq!(sink.deliver(&event(2)), Err(SinkError::Full));
    let droppable = numbered_signal(3, Urgency::Droppable);
    assert_eq!(sink.deliver(&droppable), Err(SinkError::Full));
    assert_eq!(sink.deliver(&reply(4)), Ok(()), "still accepted");
}

#[test]
fn a_relay_to_a_stalled_client_overflows_its_queue() {
    let (sink, mut stream) = stalled_queue(1, usize::MAX);
    assert_eq!(sink.deliver_owned(relay(0)), Ok(()));
    assert_eq!(sink.deliver_owned(relay(1)), Err(SinkError::Full));
    assert_eq!(numbers(&mut stream), [0]);
    stream.set_stalled(false);
    assert_eq!(sink.deliver(&event(2)), Err(SinkError::Full));
    assert_eq!(sink.deliver_owned(relay(3)), Err(SinkError::Full));
}

#[test]
fn a_relay_to_a_busy_client_is_refused_and_the_next_one_may_pass() {
    let (sink, mut stream) = outbound_queue(2, usize::MAX);
    for number in 0..2 {
        assert_eq!(sink.deliver_owned(relay(number)), Ok(()));
    }
    for number in 2..10 {
        assert_eq!(sink.deliver_owned(relay(number)), Err(SinkError::Busy));
    }
    assert_eq!(number_of(stream.pop().expect("waits").envelope()), 0);
    assert_eq!(sink.deliver_owned(relay(10)), Ok(()));
    assert_eq!(sink.deliver_owned(relay(11)), Err(SinkError::Busy));
    assert_eq!(numbers(&mut stream), [1, 10]);
}

#[test]
fn events_for_a_busy_client_may_fill_twice_the_limits() {
    let (sink, mut stream) = outbound_queue(2, usize::MAX);
    for number in 0..4 {
        assert_eq!(sink.deliver(&event(number)), Ok(()));
    }
    assert_eq!(sink.deliver_owned(relay(9)), Err(SinkError::Busy));
    assert_eq!(sink.deliver(&event(4)), Err(SinkError::Full));
    assert_eq!(sink.deliver_owned(relay(9)), Err(SinkError::Full));
    assert_eq!(numbers(&mut stream), [0, 1, 2, 3]);
    assert_eq!(sink.deliver(&event(5)), Err(SinkError::Full));

    let size = event(0).size();
    let (sink, mut stream) = outbound_queue(1000, 2 * size);
    for number in 0..4 {
        assert_eq!(sink.deliver(&event(number)), Ok(()));
    }
    assert_eq!(sink.deliver(&event(4)), Err(SinkError::Full));
    assert_eq!(numbers(&mut stream), [0, 1, 2, 3]);
}

/// Its own replies must not put a client out: a join may bring a snapshot of megabytes.
#[test]
fn replies_take_no_room_from_the_events_of_a_busy_client() {
    let (sink, mut stream) = outbound_queue(2, 100);
    for number in 0..20 {
        assert_eq!(sink.deliver_owned(reply(number)), Ok(()));
    }
    assert_eq!(sink.deliver_owned(relay(0)), Err(SinkError::Busy));
    for number in 20..24 {
        assert_eq!(sink.deliver(&event(number)), Ok(()));
    }
    assert_eq!(sink.deliver(&event(24)), Err(SinkError::Full));
    let expected: Vec<usize> = (0..24).collect();
    assert_eq!(numbers(&mut stream), expected);
}

#[test]
fn a_client_that_reads_again_is_busy_again() {
    let (sink, mut stream) = stalled_queue(1, usize::MAX);
    assert_eq!(sink.deliver(&event(0)), Ok(()));
    let droppable = numbered_signal(1, Urgency::Droppable);
    assert_eq!(sink.deliver(&droppable), Err(SinkError::Full));
    stream.set_stalled(false);
    assert_eq!(sink.deliver_owned(relay(1)), Err(SinkError::Busy));
    assert_eq!(sink.deliver(&event(2)), Ok(()));
    assert_eq!(numbers(&mut stream), [0, 2]);
}
