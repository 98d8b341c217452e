//! How a `ConnectionMachine` ends: the close codes, the answer to a client's close frame, and the
//! time limits.

mod support;

use support::{
    channel,
    hosted::Hosted,
    payloads::{join, offer, state},
    server::{Server, server, server_with},
};
use united_voice_core::{CloseFrame, CloseReason, Disconnect, Frame, Step, TransportError};

const NOTHING: [&str; 0] = [];

/// alice and bob in channel `a`. bob watches.
fn two(server: &Server) -> (Hosted, Hosted) {
    let mut bob = Hosted::joined(server, "bob", "a");
    let alice = Hosted::joined(server, "alice", "a");
    assert_eq!(bob.steps(), ["joined a alice"]);
    (alice, bob)
}

fn close_frame(code: u16) -> Frame {
    let reason = "bye".into();
    Frame::Close(Some(CloseFrame { code, reason }))
}

#[test]
fn every_end_has_its_code_and_frees_the_seat_before_the_close_frame() {
    let io = TransportError::Io("reset".into());
    let table = [
        (Disconnect::SlowConsumer, "close 1013"),
        (CloseReason::SlowConsumer.into(), "close 1013"),
        (Disconnect::GoingAway, "close 1001"),
        (CloseReason::GoingAway.into(), "close 1001"),
        (Disconnect::PolicyViolation, "close 1008"),
        (Disconnect::MessageTooLarge, "close 1009"),
        ((&TransportError::TooLarge).into(), "close 1009"),
        (Disconnect::InvalidUtf8, "close 1007"),
        ((&TransportError::InvalidUtf8).into(), "close 1007"),
        (Disconnect::ProtocolError, "close 1002"),
        ((&TransportError::Protocol).into(), "close 1002"),
        (Disconnect::Lost, "end Lost"),
        ((&io).into(), "end Lost"),
        (Disconnect::TimedOut, "end TimedOut"),
    ];
    for (disconnect, expected) in table {
        let server = server();
        let (mut alice, mut bob) = two(&server);
        alice.machine.end(disconnect, alice.now);
        assert_eq!(bob.steps(), ["left a alice DISCONNECTED"], "{disconnect:?}");
        assert_eq!(alice.steps(), [expected], "{disconnect:?}");
    }
}

#[test]
fn a_clients_close_frame_is_answered_with_its_code() {
    let mut table = vec![(Frame::Close(None), "close".to_owned())];
    for code in [1000, 1001, 1002, 1003, 1007, 1014, 3000, 4401, 4999] {
        table.push((close_frame(code), format!("close {code}")));
    }
    // Codes that no endpoint may send.
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        table.push((close_frame(code), "close 1002".into()));
    }
    for (close, expected) in table {
        let server = server();
        let (mut alice, mut bob) = two(&server);
        let case = format!("{close:?}");
        alice.receive(close);
        assert_eq!(bob.steps(), ["left a alice DISCONNECTED"], "{case}");
        assert_eq!(alice.steps(), [expected], "{case}");
        alice.machine.end(Disconnect::Lost, alice.now);
        assert_eq!(alice.steps(), ["end Closed"], "{case}");
    }
}

#[test]
fn a_close_frame_after_a_held_message_is_answered_at_once() {
    let server = server();
    let (mut alice, mut bob) = two(&server);
    alice.ask("1", join("slow"));
    alice.ask("2", state("a"));
    alice.receive(close_frame(1000));
    assert_eq!(bob.steps(), ["left a alice DISCONNECTED"]);
    assert_eq!(alice.steps(), ["close 1000"]);
    server.directory().gate.add_permits(1);
    assert_eq!(alice.steps(), NOTHING);
    assert_eq!(server.registry().participant_count(&channel("slow")), 0);
}

#[test]
fn the_close_frame_has_five_seconds_and_the_answer_two() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.machine.end(Disconnect::GoingAway, alice.now);
    alice.writable = false;
    assert_eq!(alice.steps(), NOTHING);
    assert!(
        !alice.machine.wants_input(),
        "it reads only after the frame was sent"
    );
    alice.wait_secs(4);
    alice.writable = true;
    assert!(matches!(alice.step(), Some(Step::Close(Some(close))) if close.code == 1001));
    assert_eq!(alice.due_in(), 1);
    alice.writable = false;
    assert_eq!(alice.steps(), NOTHING, "the frame is on its way");
    assert!(!alice.machine.wants_input());
    alice.writable = true;
    assert_eq!(alice.steps(), NOTHING);
    assert_eq!(alice.due_in(), 2);
    assert!(alice.machine.wants_input());
    alice.ask("1", join("a"));
    assert_eq!(alice.steps(), NOTHING, "read and dropped");
    alice.wait_secs(2);
    assert_eq!(alice.steps(), ["end GoingAway"]);
    assert_eq!(alice.steps(), ["end GoingAway"], "the end repeats");
    assert_eq!(server.registry().room_count(), 0);
}

#[test]
fn an_unsent_close_frame_times_out() {
    for writable in [false, true] {
        let server = server();
        let mut alice = Hosted::joined(&server, "alice", "a");
        alice.machine.end(Disconnect::SlowConsumer, alice.now);
        alice.writable = writable;
        assert_eq!(alice.step().is_some(), writable);
        alice.writable = false;
        alice.wait_secs(4);
        assert_eq!(alice.steps(), NOTHING);
        alice.wait_secs(1);
        assert_eq!(alice.steps(), ["end SlowConsumer"], "{writable}");
    }
}

#[test]
fn a_socket_lost_during_the_close_ends_at_once() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.machine.end(Disconnect::GoingAway, alice.now);
    alice.machine.end(Disconnect::ProtocolError, alice.now);
    assert_eq!(alice.steps(), ["close 1001"], "the first reason stays");
    alice.machine.end(Disconnect::Lost, alice.now);
    assert_eq!(alice.steps(), ["end GoingAway"]);
}

#[test]
fn the_registry_ends_a_connection_through_its_queue() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (mut alice, mut bob) = two(&server);
    alice.writable = false;
    assert_eq!(alice.steps(), NOTHING);
    alice.wait_secs(1);
    assert_eq!(alice.steps(), NOTHING);
    assert!(alice.machine.has_stalled());
    let wakes = alice.wakes.count();
    for _ in 0..5 {
        bob.ask("", offer("a", "alice", "x"));
        bob.steps();
    }
    assert!(alice.wakes.count() > wakes);
    alice.writable = true;
    assert_eq!(
        alice.steps(),
        ["close 1013"],
        "the queued signals are dropped"
    );
    server.shutdown();
    assert_eq!(bob.steps(), ["close 1001"]);
}

#[test]
fn a_refused_connection_begins_with_its_close_frame() {
    let server = server_with(|limits| limits.connections_per_user = 1);
    let first = Hosted::new(&server, "alice");
    let mut second = Hosted::new(&server, "alice");
    assert!(second.machine.connection().is_none());
    assert!(!second.machine.wants_input());
    assert_eq!(second.steps(), ["close 1008"]);
    drop(first);
    server.shutdown();
    let mut late = Hosted::new(&server, "alice");
    assert_eq!(late.steps(), ["close 1001"]);
}

#[test]
fn the_server_is_drained_after_all_closing_handshakes() {
    use futures::FutureExt;
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    server.shutdown();
    assert_eq!(alice.steps(), ["close 1001"]);
    assert_eq!(server.connections(), 0);
    assert!(server.drained().now_or_never().is_none());
    drop(alice);
    assert!(server.drained().now_or_never().is_some());
}
