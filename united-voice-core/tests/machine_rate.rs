//! `ConnectionMachine`: what counts in a client's rate, and how often.

mod support;

use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use futures::FutureExt as _;
use support::{
    hosted::Hosted,
    payloads::{join, leave, offer, state},
    server::{Server, server, server_with},
};
use united_voice_core::{
    Frame, VoiceConnection,
    proto::{
        encode_protobuf,
        ws::{Envelope, envelope::Payload},
    },
    test_util::RecordingSink,
};

const NOTHING: [&str; 0] = [];
const PART: usize = 16 << 10;

/// How many messages of one part the client may still send now. Sends one more.
fn left(client: &mut Hosted) -> usize {
    let now = client.now;
    (0..)
        .take_while(|_| client.machine.receive_other("", PART, now))
        .count()
}

/// A member of channel `a` who has sent nothing for long.
fn rested(server: &Server, name: &str) -> Hosted {
    let mut client = Hosted::joined(server, name, "a");
    client.wait_secs(10);
    client
}

#[test]
fn a_message_counts_once_for_each_started_16_kib() {
    let server = server();
    let mut bob = Hosted::joined(&server, "bob", "a");
    let mut alice = rested(&server, "alice");
    bob.steps();
    let sdp = "x".repeat(64 << 10);
    alice.ask("", offer("a", "bob", &sdp));
    assert_eq!(bob.steps().len(), 1);
    // 64 KiB of content, and the ids beside it.
    assert_eq!(left(&mut alice), 195);
    let now = alice.now;
    let mut alice = rested(&server, "alice");
    bob.steps();
    let typed = || offer("a", "bob", "x");
    alice.machine.receive_payload("".into(), typed(), PART, now);
    alice
        .machine
        .receive_payload("".into(), typed(), PART + 1, now);
    assert!(alice.machine.receive_other("", 3 * PART, now));
    assert_eq!(left(&mut alice), 200 - 1 - 2 - 3);
    assert_eq!(bob.steps().len(), 2);
}

#[test]
fn a_held_message_keeps_its_size() {
    let server = server();
    let mut alice = rested(&server, "alice");
    alice.ask("", join("slow"));
    let (state, now) = (state("slow"), alice.now);
    alice
        .machine
        .receive_payload("".into(), state, 7 * PART, now);
    server.directory().gate.add_permits(1);
    alice.steps();
    assert_eq!(left(&mut alice), 200 - 1 - 7);
}

#[test]
fn a_large_message_over_the_rate_is_refused_and_costs_nothing() {
    let server = server();
    let mut alice = rested(&server, "alice");
    for _ in 0..196 {
        assert!(alice.machine.receive_other("", 0, alice.now));
    }
    alice.ask("1", offer("a", "bob", &"x".repeat(64 << 10)));
    assert_eq!(alice.steps(), ["#1 error RATE_LIMITED a"]);
    assert_eq!(left(&mut alice), 4);
}

#[test]
fn pings_and_fragments_count() {
    for frame in [Frame::Ping(Bytes::new()), Frame::Fragment] {
        let server = server();
        let mut alice = rested(&server, "alice");
        for _ in 0..50 {
            alice.receive(frame.clone());
        }
        assert_eq!(left(&mut alice), 150, "{frame:?}");
        assert_eq!(server.stats().rate_limited, 0, "nothing was dropped");
    }
}

#[test]
fn a_pong_counts_unless_it_answers_a_ping() {
    let server = server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    for _ in 0..2 {
        alice.wait_secs(15);
        assert_eq!(alice.steps(), ["ping"]);
        // It is alive, and its pongs come later.
        alice.ask("", state("a"));
        alice.steps();
    }
    alice.wait_secs(10);
    for _ in 0..5 {
        alice.receive(Frame::Pong(Bytes::new()));
    }
    assert_eq!(left(&mut alice), 200 - 3, "two of the five are free");
}

/// Sends twice as much as the rate allows until the connection is closed, and returns after how many
/// tenths of a second it is.
fn flood(client: &mut Hosted, send: impl Fn(&mut Hosted)) -> u32 {
    for tenths in 0..600 {
        for _ in 0..20 {
            send(client);
            let steps = client.steps();
            if client.machine.connection().is_none() {
                assert_eq!(steps, ["close 1008"]);
                return tenths;
            }
        }
        client.wait(Duration::from_millis(100));
    }
    panic!("never closed");
}

#[test]
fn a_flood_of_anything_is_closed_after_ten_seconds_of_excess() {
    type Send = fn(&mut Hosted);
    let floods: [(&str, Send); 4] = [
        ("ping", |alice| alice.receive(Frame::Ping(Bytes::new()))),
        ("pong", |alice| alice.receive(Frame::Pong(Bytes::new()))),
        ("fragment", |alice| alice.receive(Frame::Fragment)),
        ("leave", |alice| alice.ask("", leave("a"))),
    ];
    for (name, send) in floods {
        let server = server();
        let mut alice = Hosted::joined(&server, "alice", "a");
        let tenths = flood(&mut alice, send);
        // The burst lasts for the first two seconds.
        assert!((115..=135).contains(&tenths), "{name}: {tenths} tenths");
    }
}

#[test]
fn a_leave_over_the_rate_is_carried_out_and_answered() {
    let server = server();
    let mut bob = Hosted::joined(&server, "bob", "a");
    let mut alice = rested(&server, "alice");
    bob.steps();
    left(&mut alice);
    alice.ask("1", state("a"));
    alice.ask("2", leave("a"));
    let told = ["#1 error RATE_LIMITED a", "#2 left a alice LEFT"];
    assert_eq!(alice.steps(), told);
    assert_eq!(bob.steps(), ["left a alice LEFT"]);
    // Typed ones too, and those without an id.
    for (id, told) in [("3", ["#3 left b alice LEFT"]), ("", ["left b alice LEFT"])] {
        alice.wait_secs(5);
        alice.ask("", join("b"));
        alice.steps();
        left(&mut alice);
        let (id, now) = (id.to_owned(), alice.now);
        alice.machine.receive_payload(id, leave("b"), PART, now);
        assert_eq!(alice.steps(), told);
        assert_eq!(
            server.registry().participant_count(&support::channel("b")),
            0
        );
    }
    // One that leaves nothing is answered too.
    alice.ask("4", leave("a"));
    assert_eq!(alice.steps(), ["#4 error NOT_IN_CHANNEL a"]);
    assert_eq!(
        server.stats().rate_limited,
        4,
        "three by `left`, and the state"
    );
}

/// Members of channel `a` with names of 128 bytes, each of which is in the snapshot twice: 300 of
/// them make some 85 KiB.
fn crowd(server: &Server) -> Vec<VoiceConnection> {
    let channel = support::channel("a");
    let connections = (0..300).map(|number| {
        let user = support::user(&format!("{number:0>128}"));
        let sink = Arc::new(RecordingSink::default());
        let connection = server.connect(&user, sink).expect("connected");
        let join = server.join_channel(&connection, &channel, "", UNIX_EPOCH);
        let joined = join.now_or_never().expect("the directory does not wait");
        joined.expect("joined");
        connection
    });
    connections.collect()
}

#[test]
fn a_rejoin_counts_once_more_for_each_started_16_kib_of_its_snapshot() {
    let server = server();
    let mut alice = rested(&server, "alice");
    alice.ask("1", join("a"));
    assert_eq!(alice.steps(), ["#1 response a []"]);
    assert_eq!(left(&mut alice), 200 - 1 - 1);
    drop(alice);
    let _crowd = crowd(&server);
    let mut alice = rested(&server, "alice");
    alice.ask("2", join("a"));
    assert_eq!(alice.steps().len(), 1);
    let left = left(&mut alice);
    assert!((200 - 1 - 6..=200 - 1 - 5).contains(&left), "{left}");
}

#[test]
fn the_first_join_of_a_connection_counts_once() {
    let server = server();
    let _crowd = crowd(&server);
    let mut alice = Hosted::joined(&server, "alice", "a");
    assert_eq!(left(&mut alice), 199);
}

/// Otherwise a client that leaves and joins again, or moves to and fro, would get large snapshots
/// for small messages.
#[test]
fn a_later_join_counts_once_for_each_started_16_kib() {
    let server = server();
    let _crowd = crowd(&server);
    let mut alice = rested(&server, "alice");
    alice.ask("1", join("b"));
    assert_eq!(alice.steps(), ["#1 response b []"]);
    assert_eq!(left(&mut alice), 199, "a small snapshot");
    alice.wait_secs(10);
    alice.ask("2", join("a"));
    assert_eq!(alice.steps().len(), 1);
    let left = left(&mut alice);
    assert!((200 - 6..=200 - 5).contains(&left), "{left}");
}

#[test]
fn a_debt_is_paid_before_any_other_message_passes() {
    let server = server_with(|limits| (limits.messages_per_second, limits.burst) = (1, 2));
    let _crowd = crowd(&server);
    let mut alice = Hosted::joined(&server, "alice", "a");
    alice.wait_secs(10);
    alice.ask("1", join("a"));
    assert_eq!(
        alice.steps().len(),
        1,
        "what is left is enough for a request"
    );
    // It had 2 messages, and the rejoin cost 1 and some 6.
    alice.wait_secs(4);
    alice.ask("2", state("a"));
    assert_eq!(alice.steps(), ["#2 error RATE_LIMITED a"]);
    alice.wait_secs(3);
    alice.ask("3", state("a"));
    assert_eq!(alice.steps(), ["#3 state a alice"]);
}

/// It asks fifty times a second, which is within the rate. But each rejoin counts some seven times.
#[test]
fn rejoins_of_a_large_channel_without_a_pause_end_with_1008() {
    let server = server();
    let _crowd = crowd(&server);
    let mut alice = rested(&server, "alice");
    let begun = alice.now.monotonic;
    let mut responses = 0;
    let end = loop {
        alice.ask("again", join("a"));
        let steps = alice.steps();
        match steps[0].as_str() {
            response if response.starts_with("#again response") => responses += 1,
            "#again error RATE_LIMITED a" => {}
            end => break end.to_owned(),
        }
        alice.wait(Duration::from_millis(20));
        assert!(responses < 1000, "the rate does not pay for so many");
    };
    assert_eq!(end, "close 1008");
    let paid_for = 200.0 + 100.0 * (alice.now.monotonic - begun).as_secs_f64();
    let expected = paid_for / 7.0;
    assert!(
        (expected..expected + 1.0).contains(&f64::from(responses)),
        "{responses} joins instead of {expected}"
    );
}

#[test]
fn an_envelope_without_a_payload_counts_like_any_other() {
    let server = server();
    let mut alice = rested(&server, "alice");
    let envelope = |payload: Option<Payload>| Envelope {
        request_id: "1".into(),
        payload,
    };
    alice.receive(Frame::Binary(encode_protobuf(&envelope(None))));
    alice.machine.receive_envelope(envelope(None), 0, alice.now);
    alice.receive(Frame::Binary(Bytes::new()));
    assert_eq!(left(&mut alice), 197);
    alice.machine.receive_envelope(envelope(None), 0, alice.now);
    alice.steps();
    assert_eq!(alice.steps(), NOTHING);
}
