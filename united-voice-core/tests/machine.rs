//! `ConnectionMachine`: how it handles a client's messages.

mod support;

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use support::{
    hosted::{Hosted, start},
    payloads::{join, leave, offer, speaking, state},
    server::{server, server_with},
    user,
};
use united_voice_core::{
    Codec, ConnectionMachine, Frame, OpenDirectory,
    proto::{
        encode_json, encode_protobuf,
        voice::VoiceJoinResponse,
        ws::{Envelope, envelope::Payload},
    },
    test_util::RecordingSink,
};

const NOTHING: [&str; 0] = [];

#[test]
fn a_burst_passes_and_the_excess_is_refused_under_its_request_ids() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    for number in 0..200 {
        alice.ask(&number.to_string(), state("a"));
    }
    alice.ask("", state("a"));
    let told = alice.steps();
    // The join used one message of the burst, and the message without an id gets no answer.
    assert_eq!(told.len(), 200);
    assert_eq!(told[198], "#198 state a alice");
    assert_eq!(told[199], "#199 error RATE_LIMITED a");
    assert_eq!(server.stats().rate_limited, 2);
    alice.wait_secs(1);
    alice.ask("later", state("a"));
    assert_eq!(alice.steps(), ["#later state a alice"]);
}

#[test]
fn the_hosts_own_messages_count_toward_the_rate_limit() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    for _ in 0..199 {
        assert!(alice.machine.receive_other("chat", 9, alice.now));
    }
    assert!(!alice.machine.receive_other("chat", 9, alice.now));
    assert!(!alice.machine.receive_other("", 9, alice.now));
    alice.ask("1", state("a"));
    assert_eq!(
        alice.steps(),
        ["#chat error RATE_LIMITED ", "#1 error RATE_LIMITED a"]
    );
}

#[test]
fn ten_seconds_of_excess_close_the_connection() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    let mut tenths = 0;
    while alice.machine.connection().is_some() {
        // Twice the rate.
        for _ in 0..20 {
            alice.ask("", speaking("a"));
        }
        alice.wait(std::time::Duration::from_millis(100));
        tenths += 1;
        assert!(tenths < 600, "never closed");
    }
    // The burst lasts for the first two seconds.
    assert!((115..=135).contains(&tenths), "after {tenths} tenths");
    assert_eq!(alice.steps(), ["close 1008"]);
}

#[test]
fn the_subprotocol_or_else_the_first_message_selects_the_encoding() {
    let envelope = Envelope {
        request_id: "1".into(),
        payload: Some(join("a")),
    };
    let binary = || Frame::Binary(encode_protobuf(&envelope));
    let text = || Frame::Text(encode_json(&envelope).into());
    let (answered, foreign) = ("#1 response a []", "#1 error MALFORMED a");
    let table = [
        (None, binary(), answered.into()),
        (None, text(), format!("json {answered}")),
        (Some(Codec::Protobuf), text(), foreign.into()),
        (Some(Codec::Json), binary(), format!("json {foreign}")),
    ];
    for (settled, first, expected) in table {
        let server = server();
        let mut alice = Hosted::with_codec(&server, "alice", settled);
        let case = format!("{settled:?} {first:?}");
        alice.receive(first);
        assert_eq!(alice.steps(), [expected], "{case}");
    }
}

#[test]
fn bad_frames_are_answered_and_oversized_ones_close_the_connection() {
    let server = server_with(|limits| limits.max_message_bytes = 1000);
    let mut alice = Hosted::joined(&server, "alice", "a");
    // Field 1 is the request id, and field 100 is not a voice field.
    let table: [(&[u8], &str); 4] = [
        (b"\xff", "error MALFORMED "),
        (b"", "error MALFORMED "),
        (b"\x0a\x017", "#7 error MALFORMED "),
        (b"\x0a\x017\xa2\x06\x00", "#7 error UNSUPPORTED "),
    ];
    for (bytes, expected) in table {
        alice.receive(Frame::Binary(Bytes::from_static(bytes)));
        assert_eq!(alice.steps(), [expected], "{bytes:?}");
    }
    alice.receive(Frame::Binary(vec![0xff; 1000].into()));
    assert_eq!(alice.steps(), ["error MALFORMED "]);
    alice.receive(Frame::Binary(vec![0xff; 1001].into()));
    assert_eq!(alice.steps(), ["close 1009"]);
}

#[test]
fn typed_payloads_are_handled_like_frames() {
    let server = server();
    let mut alice = Hosted::new(&server, "alice");
    let now = alice.now;
    let mut say = |id: &str, payload| alice.machine.receive_payload(id.into(), payload, 9, now);
    say("1", state("a"));
    say(
        "2",
        Payload::VoiceJoinResponse(VoiceJoinResponse::default()),
    );
    say("3", join("text"));
    say("4", join(""));
    let expected = [
        "#1 error NOT_IN_CHANNEL a",
        "#2 error UNSUPPORTED ",
        "#3 error NOT_A_VOICE_CHANNEL text",
        "#4 error MALFORMED ",
    ];
    assert_eq!(alice.steps(), expected);
    let empty = Envelope {
        request_id: "5".into(),
        payload: None,
    };
    alice.machine.receive_envelope(empty, 9, now);
    assert_eq!(alice.steps(), ["#5 error UNSUPPORTED "]);
}

#[test]
fn one_message_is_held_while_a_join_waits() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    let mut bob = Hosted::joined(&server, "bob", "a");
    assert_eq!(alice.steps(), ["joined a bob"]);
    alice.ask("1", join("slow"));
    assert_eq!(alice.steps(), NOTHING);
    assert!(alice.machine.wants_input(), "there is room for one");
    alice
        .machine
        .receive_payload("2".into(), leave("slow"), 9, alice.now);
    assert!(!alice.machine.wants_input());
    // While it waits, pongs are still accepted and signals are still sent.
    alice.receive(Frame::Pong(Bytes::new()));
    bob.ask("", offer("a", "alice", "x"));
    assert_eq!(alice.steps(), ["offer bob x"]);
    let wakes = alice.wakes.count();
    server.directory().gate.add_permits(1);
    assert!(
        alice.wakes.count() > wakes,
        "the directory's answer wakes the task"
    );
    let expected = ["#1 response slow []", "#2 left slow alice LEFT"];
    assert_eq!(alice.steps(), expected);
    assert!(alice.machine.wants_input());
    assert_eq!(bob.steps(), ["left a alice MOVED"]);
}

#[test]
fn a_host_that_does_not_stop_reading_fills_no_queue() {
    let server = server();
    let mut alice = Hosted::new(&server, "alice");
    alice.ask("1", join("slow"));
    alice.steps();
    alice.ask("2", state("slow"));
    alice.ask("3", state("slow"));
    assert_eq!(alice.steps(), ["close 1008"]);
    assert_eq!(server.registry().connections(), 0);
}

#[test]
fn a_join_that_takes_too_long_is_unavailable_and_the_next_message_follows() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.ask("1", join("slow"));
    alice.ask("2", state("a"));
    assert_eq!(alice.steps(), NOTHING);
    assert_eq!(alice.due_in(), 10);
    alice.wait_secs(9);
    assert_eq!(alice.steps(), NOTHING);
    alice.wait_secs(1);
    let expected = ["#1 error UNAVAILABLE slow", "#2 state a alice"];
    assert_eq!(alice.steps(), expected);
    server.directory().gate.add_permits(1);
    assert_eq!(alice.steps(), NOTHING, "the late answer is dropped");
}

#[test]
fn a_join_asks_again_if_the_policy_changed_meanwhile() {
    let server = server();
    let mut alice = Hosted::new(&server, "alice");
    alice.ask("1", join("slow"));
    assert_eq!(alice.steps(), NOTHING);
    server.registry().policy_changed(&support::channel("slow"));
    server.directory().gate.add_permits(1);
    assert_eq!(alice.steps(), NOTHING);
    assert_eq!(server.directory().asked.load(Ordering::SeqCst), 2);
    server.directory().gate.add_permits(1);
    assert_eq!(alice.steps(), ["#1 response slow []"]);
}

#[test]
fn answers_that_do_not_fit_pause_reading() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.writable = false;
    let mut asked = 0;
    while alice.machine.wants_input() {
        alice.ask(&asked.to_string(), state("a"));
        assert_eq!(alice.steps(), NOTHING);
        asked += 1;
        assert!(asked < 100, "it never stops reading");
    }
    assert_eq!(asked, 5, "four answers and one that waits");
    alice.writable = true;
    let told = alice.steps();
    assert_eq!(told.len(), 5);
    assert_eq!(told[4], "#4 state a alice");
    assert!(alice.machine.wants_input());
}

#[test]
fn a_sink_of_the_host_gets_the_signals() {
    let server = server();
    let sink = Arc::new(RecordingSink::default());
    let now = start();
    let machine = ConnectionMachine::open_with_sink(&server, &user("alice"), sink.clone(), now);
    let mut alice = Hosted::of(machine, now);
    alice
        .machine
        .receive_payload("1".into(), join("slow"), 9, now);
    assert_eq!(alice.steps(), NOTHING);
    server.directory().gate.add_permits(1);
    assert_eq!(alice.steps(), NOTHING);
    let told: Vec<String> = sink.take().iter().map(support::lines::line).collect();
    assert_eq!(told, ["#1 response slow []"]);
    alice.wait_secs(15);
    assert_eq!(alice.steps(), ["ping"]);
}

#[test]
fn messages_are_counted_when_the_machine_is_idle_and_when_it_ends() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.ask("1", state("a"));
    assert_eq!(
        server.stats().messages_received,
        1,
        "only the join is counted so far"
    );
    alice.steps();
    let counted = |server: &support::server::Server| {
        let stats = server.stats();
        (stats.messages_received, stats.messages_sent)
    };
    assert_eq!(counted(&server), (2, 2));
    alice.ask("2", state("a"));
    drop(alice);
    assert_eq!(counted(&server), (3, 2));
}

/// A machine is most of the memory that core keeps for an idle connection.
#[test]
fn a_machine_is_small() {
    let size = size_of::<ConnectionMachine<OpenDirectory>>();
    assert!(size <= 320, "{size} bytes");
}
