//! `drive`: encodings, bad input, the rate limit, and how a connection ends.

mod support;

use std::{future::poll_fn, task::Poll, time::Duration};

use bytes::Bytes;
use support::{
    channel,
    payloads::{join, leave, offer, speaking, state},
    peer::{Peer, seconds_since, settle},
    server::{server, server_with, turn_server},
};
use tokio::time::{Instant, sleep, timeout};
use united_voice_core::{
    CloseFrame, Codec, Disconnect, Frame, TransportError,
    proto::{
        encode_json, encode_protobuf,
        ws::{Envelope, envelope::Payload},
    },
};

const NOTHING: [&str; 0] = [];

fn binary(request_id: &str, payload: Payload) -> Frame {
    let request_id = request_id.into();
    Frame::Binary(encode_protobuf(&Envelope {
        request_id,
        payload: Some(payload),
    }))
}

fn text(request_id: &str, payload: Payload) -> Frame {
    let request_id = request_id.into();
    Frame::Text(
        encode_json(&Envelope {
            request_id,
            payload: Some(payload),
        })
        .into(),
    )
}

fn text_garbage() -> Frame {
    Frame::Text("{".into())
}

fn binary_garbage() -> Frame {
    Frame::Binary(Bytes::from_static(b"\xff"))
}

/// Each case is the codec of the subprotocol, the first message, and its answer.
#[tokio::test(start_paused = true)]
async fn the_subprotocol_or_else_the_first_message_selects_the_encoding() {
    let answered = "#1 response a []";
    let foreign = "#1 error MALFORMED a";
    let garbage = "error MALFORMED ";
    let (proto, json) = (Codec::Protobuf, Codec::Json);
    let table = [
        (None, binary("1", join("a")), proto, answered),
        (None, text("1", join("a")), json, answered),
        (None, binary_garbage(), proto, garbage),
        (None, text_garbage(), json, garbage),
        (Some(proto), binary("1", join("a")), proto, answered),
        (Some(proto), text("1", join("a")), proto, foreign),
        (Some(proto), text_garbage(), proto, garbage),
        (Some(json), text("1", join("a")), json, answered),
        (Some(json), binary("1", join("a")), json, foreign),
        (Some(json), binary_garbage(), json, garbage),
    ];
    for (settled, first, expected, answer) in table {
        let case = format!("{settled:?} {first:?}");
        let server = server();
        let mut peer = Peer::with_codec(&server, "alice", settled);
        peer.frame(first);
        assert_eq!(peer.told().await, answer, "{case}");
        assert_eq!(peer.arrived_as, Some(expected), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_message_of_the_other_encoding_is_malformed_and_does_nothing() {
    let server = server();
    let mut peer = Peer::with_codec(&server, "alice", None);
    peer.frame(text_garbage());
    peer.told().await;
    peer.frame(binary("1", join("a")));
    assert_eq!(peer.told().await, "#1 error MALFORMED a");
    assert_eq!(peer.arrived_as, Some(Codec::Json));
    assert_eq!(server.registry().room_count(), 0);
    peer.frame(text("2", join("a")));
    assert_eq!(peer.told().await, "#2 response a []");
}

#[tokio::test(start_paused = true)]
async fn bad_frames_are_answered_and_do_not_close_the_connection() {
    let server = server();
    let mut peer = Peer::joined(&server, "alice", "a").await;
    let long_id = "x".repeat(129);
    // Field 1 is the request id, field 100 is not a voice field, and field 180 is a join request,
    // truncated here.
    let table: [(&[u8], &str); 6] = [
        (b"", "error MALFORMED "),
        (b"\x0a\x017", "#7 error MALFORMED "),
        (b"\x0a\x017\xa2\x06\x00", "#7 error UNSUPPORTED "),
        (b"\x0a\x017\xa2\x0b\x05", "#7 error MALFORMED "),
        (b"\x0a\x017\xa2\x0b\x00", "#7 error MALFORMED "),
        (b"\x08\x01", "error MALFORMED "),
    ];
    for (bytes, expected) in table {
        peer.frame(Frame::Binary(Bytes::from_static(bytes)));
        assert_eq!(peer.told().await, expected, "{bytes:?}");
    }
    peer.ask(&long_id, leave("a"));
    assert_eq!(peer.told().await, "error MALFORMED a");
    peer.frame(text(&long_id, leave("a")));
    assert_eq!(peer.told().await, "error MALFORMED a");
    peer.ask("7", leave("a"));
    assert_eq!(peer.told().await, "#7 left a alice LEFT");
}

#[tokio::test(start_paused = true)]
async fn clients_of_both_encodings_share_a_room() {
    let server = server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    let mut bob = Peer::with_codec(&server, "bob", Some(Codec::Json));
    bob.ask("1", join("a"));
    assert_eq!(bob.told().await, "#1 response a [alice]");
    assert_eq!(alice.told().await, "joined a bob");
    alice.ask("", offer("a", "bob", "v=0\r\n\u{1f3a7}"));
    assert_eq!(bob.told().await, "offer alice v=0\r\n\u{1f3a7}");
    assert_eq!(bob.arrived_as, Some(Codec::Json));
    bob.ask("", offer("a", "alice", "\"\\"));
    assert_eq!(alice.told().await, "offer bob \"\\");
    assert_eq!(alice.arrived_as, Some(Codec::Protobuf));
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_and_the_excess_is_refused_under_its_request_ids() {
    let server = server();
    let mut peer = Peer::joined(&server, "alice", "a").await;
    for number in 0..250 {
        peer.ask(&number.to_string(), speaking("a"));
    }
    // One message of the burst was the join.
    for number in 0..199 {
        assert_eq!(peer.told().await, format!("#{number} speaking a alice off"));
    }
    for number in 199..250 {
        assert_eq!(peer.told().await, format!("#{number} error RATE_LIMITED a"));
    }
    peer.ask("", state("a"));
    assert_eq!(
        peer.lines().await,
        NOTHING,
        "a message without an id gets no answer"
    );
    assert_eq!(server.stats().rate_limited, 52);
    sleep(Duration::from_secs(1)).await;
    peer.ask("later", speaking("a"));
    assert_eq!(peer.told().await, "#later speaking a alice off");
}

#[tokio::test(start_paused = true)]
async fn ten_seconds_of_excess_close_the_connection() {
    let server = server();
    let mut peer = Peer::joined(&server, "alice", "a").await;
    let mut other = Peer::joined(&server, "bob", "a").await;
    let start = Instant::now();
    while !peer.is_done() && seconds_since(start) < 60 {
        for _ in 0..20 {
            peer.ask("", offer("a", "nobody", ""));
        }
        sleep(Duration::from_millis(100)).await;
        if peer
            .lines()
            .await
            .last()
            .is_some_and(|line| line == "close 1008")
        {
            break;
        }
    }
    // At twice the rate the burst lasts for two seconds. The excess begins then.
    let after = seconds_since(start);
    assert!((11..=14).contains(&after), "after {after} s");
    assert_eq!(other.told().await, "left a alice DISCONNECTED");
    assert_eq!(peer.disconnect().await, Disconnect::PolicyViolation);
}

#[tokio::test(start_paused = true)]
async fn bursts_with_pauses_between_them_never_close_the_connection() {
    let server = server();
    let mut peer = Peer::joined(&server, "alice", "a").await;
    for _ in 0..20 {
        for _ in 0..400 {
            peer.ask("", speaking("a"));
        }
        peer.lines().await;
        sleep(Duration::from_millis(1200)).await;
    }
    assert!(server.stats().rate_limited > 2_000, "no excess at all");
    assert!(!peer.is_done());
}

#[tokio::test(start_paused = true)]
async fn transport_errors_close_with_their_codes() {
    let table = [
        (
            TransportError::TooLarge,
            "close 1009",
            Disconnect::MessageTooLarge,
        ),
        (
            TransportError::InvalidUtf8,
            "close 1007",
            Disconnect::InvalidUtf8,
        ),
        (
            TransportError::Protocol,
            "close 1002",
            Disconnect::ProtocolError,
        ),
        (TransportError::Io("reset".into()), "end", Disconnect::Lost),
    ];
    for (error, told, disconnect) in table {
        let server = server();
        let mut other = Peer::joined(&server, "bob", "a").await;
        let mut peer = Peer::joined(&server, "alice", "a").await;
        other.told().await;
        peer.fail(error);
        assert_eq!(peer.told().await, told);
        assert_eq!(
            other.lines().await,
            ["left a alice DISCONNECTED"],
            "at once"
        );
        assert_eq!(peer.disconnect().await, disconnect);
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_limit_is_exact_even_if_the_transport_does_not_check_it() {
    let server = server_with(|limits| limits.max_message_bytes = 1000);
    let mut peer = Peer::joined(&server, "alice", "a").await;
    peer.frame(Frame::Binary(vec![0xff; 1000].into()));
    assert_eq!(peer.told().await, "error MALFORMED ");
    peer.frame(Frame::Binary(vec![0xff; 1001].into()));
    assert_eq!(peer.told().await, "close 1009");
    assert_eq!(peer.disconnect().await, Disconnect::MessageTooLarge);
}

type Way = fn(&Peer);

#[tokio::test(start_paused = true)]
async fn a_client_may_end_the_connection_in_every_way() {
    let close = |peer: &Peer| {
        let (code, reason) = (1000, "".into());
        peer.frame(Frame::Close(Some(CloseFrame { code, reason })));
    };
    let ways: [(Way, Option<Disconnect>); 3] = [
        (close, Some(Disconnect::Closed)),
        (|peer| peer.wire.hang_up(), Some(Disconnect::Lost)),
        (Peer::abort, None),
    ];
    for (way, disconnect) in ways {
        let server = server();
        let mut other = Peer::joined(&server, "bob", "a").await;
        let peer = Peer::joined(&server, "alice", "a").await;
        other.told().await;
        way(&peer);
        assert_eq!(
            other.lines().await,
            ["left a alice DISCONNECTED"],
            "at once"
        );
        assert_eq!(server.registry().participant_count(&channel("a")), 1);
        if let Some(expected) = disconnect {
            assert_eq!(peer.disconnect().await, expected);
        }
        assert_eq!(server.connections(), 1);
    }
}

/// Some transports, like the one of these tests, do not answer close frames themselves. Without an
/// answer, a browser shows 1006.
#[tokio::test(start_paused = true)]
async fn a_clients_close_frame_is_answered() {
    for (code, told) in [
        (1000, "close 1000"),
        (4000, "close 4000"),
        (1005, "close 1002"),
    ] {
        let server = server();
        let mut peer = Peer::joined(&server, "alice", "a").await;
        let reason = "bye".into();
        peer.frame(Frame::Close(Some(CloseFrame { code, reason })));
        let start = Instant::now();
        assert_eq!(peer.told().await, told);
        assert_eq!(peer.told().await, "end");
        assert_eq!(seconds_since(start), 2, "it lingers");
        assert_eq!(peer.disconnect().await, Disconnect::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_everybody_and_waits_for_them() {
    let server = server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    let mut bob = Peer::new(&server, "bob");
    settle().await;
    let start = Instant::now();
    server.shutdown();
    assert_eq!(alice.told().await, "close 1001");
    assert_eq!(bob.told().await, "close 1001");
    assert_eq!(
        server.connections(),
        0,
        "the seats are free before the closing handshake ends"
    );
    let mut late = Peer::new(&server, "carol");
    assert_eq!(late.told().await, "close 1001");
    let drained = timeout(Duration::from_secs(1), server.drained()).await;
    assert!(drained.is_err(), "not drained, since nobody has hung up");
    for peer in [&alice, &bob, &late] {
        peer.wire.hang_up();
    }
    timeout(Duration::from_millis(10), server.drained())
        .await
        .expect("all have hung up");
    assert_eq!(seconds_since(start), 1);
    for peer in [alice, bob, late] {
        assert_eq!(peer.disconnect().await, Disconnect::GoingAway);
    }
}

#[tokio::test(start_paused = true)]
async fn the_server_drops_input_for_two_seconds_after_its_close_frame() {
    let server = server();
    let mut peer = Peer::joined(&server, "alice", "a").await;
    server.shutdown();
    assert_eq!(peer.told().await, "close 1001");
    let start = Instant::now();
    while !peer.is_done() {
        peer.ask("1", join("a"));
        sleep(Duration::from_millis(100)).await;
        assert!(
            peer.wire.unread() == 0 || peer.is_done(),
            "it no longer reads"
        );
        assert!(seconds_since(start) < 10, "it reads without end");
    }
    assert_eq!(seconds_since(start), 2);
    assert_eq!(peer.told().await, "end", "it answers nothing more");
}

#[tokio::test(start_paused = true)]
async fn one_connection_too_many_is_closed() {
    let server = server_with(|limits| limits.connections_per_user = 1);
    let first = Peer::joined(&server, "alice", "a").await;
    let mut second = Peer::new(&server, "alice");
    assert_eq!(second.told().await, "close 1008");
    assert!(!first.is_done());
    assert_eq!(server.registry().participant_count(&channel("a")), 1);
}

#[tokio::test(start_paused = true)]
async fn a_takeover_leaves_the_old_connection_open() {
    let server = server();
    let mut old = Peer::joined(&server, "alice", "a").await;
    let new = Peer::joined(&server, "alice", "a").await;
    assert_eq!(old.told().await, "error SESSION_REPLACED a");
    old.wire.hang_up();
    assert_eq!(old.disconnect().await, Disconnect::Lost);
    assert_eq!(server.registry().participant_count(&channel("a")), 1);
    drop(new);
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted() {
    let server = turn_server();
    let mut peer = Peer::joined(&server, "alice", "a").await;
    peer.ask("1", speaking("a"));
    peer.ask("2", speaking("b"));
    peer.ask("", speaking("a"));
    assert_eq!(peer.lines().await.len(), 2);
    let stats = server.stats();
    assert_eq!(
        (stats.messages_received, stats.messages_sent, stats.errors),
        (4, 3, 1)
    );
}

/// A quiet connection is written to at once. After a busy turn, a connection first lets other tasks
/// add signals.
#[tokio::test(start_paused = true)]
async fn a_busy_connection_gathers_signals_before_it_writes() {
    // The test runs as a task, so that it takes turns with the others.
    let test = tokio::spawn(async {
        let server = server();
        let alice = Peer::joined(&server, "alice", "room").await;
        let mut bob = Peer::joined(&server, "bob", "room").await;
        let dave = Peer::joined(&server, "dave", "room").await;
        bob.lines().await;
        // The second update comes after the first has woken bob's task, and before that task runs.
        let two_updates = async || {
            let before = bob.wire.flushes();
            alice.ask("", state("room"));
            next_turn().await;
            dave.ask("", state("room"));
            settle().await;
            bob.wire.flushes() - before
        };
        assert_eq!(two_updates().await, 2);
        assert_eq!(two_updates().await, 2);
        alice.ask("", state("room"));
        alice.ask("", state("room"));
        settle().await;
        assert_eq!(two_updates().await, 1);
        assert_eq!(bob.lines().await.len(), 8);
    });
    test.await.expect("no panic");
}

/// Lets every task run that is ready now.
async fn next_turn() {
    let mut waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
