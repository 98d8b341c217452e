//! `Stats`: everything that happens is counted under its label.

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::{
    payloads::{join, leave, offer, relayed, requests, speaking, state},
    peer::{Peer, settle, two},
    server::{Server, server, server_with},
    user,
};
use tokio::time::sleep;
use united_voice_core::{
    ConnectError, Counts, Disconnect, Frame, Histogram, TransportError, outbound_queue,
    proto::{voice::VoiceSdpOffer, ws::envelope::Payload},
};

/// The labels that have a number, with their numbers.
fn counted(counts: Counts) -> Vec<(&'static str, u64)> {
    counts.iter().filter(|(_, number)| *number > 0).collect()
}

fn handled(server: &Server) -> Vec<(&'static str, u64)> {
    let stats = server.stats();
    let kinds = stats.handling().map(|(kind, times)| (kind, times.count()));
    kinds.filter(|(_, number)| *number > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn joins_are_counted_by_their_outcome() {
    let server = server();
    let mut peer = Peer::new(&server, "alice");
    for channel in [
        "a", "a", "b", "text", "unknown", "banned", "broken", "", "unknown",
    ] {
        peer.ask("1", join(channel));
        peer.told().await;
    }
    let mut other = Peer::joined(&server, "bob", "tiny").await;
    peer.ask("1", join("tiny"));
    peer.told().await;
    other.ask("1", leave("tiny"));
    other.told().await;
    let stats = server.stats();
    let expected = [
        ("joined", 4),
        ("malformed", 1),
        ("channel_not_found", 2),
        ("not_a_voice_channel", 1),
        ("forbidden", 1),
        ("channel_full", 1),
        ("unavailable", 1),
    ];
    assert_eq!(counted(stats.join_requests), expected);
    assert_eq!(
        (stats.joins, stats.leaves),
        (3, 2),
        "a repeated join is no new stay"
    );
    assert_eq!(counted(stats.errors_by_code), expected[1..]);
    assert_eq!(stats.errors, 7);
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_a_join_for_the_directory_is_measured() {
    let server = server_with(|limits| limits.directory_timeout = Duration::from_secs(5));
    let mut alice = Peer::joined(&server, "alice", "a").await;
    alice.ask("1", join("slow"));
    sleep(Duration::from_millis(300)).await;
    server.directory().gate.add_permits(1);
    assert_eq!(alice.told().await, "#1 response slow []");
    alice.ask("2", join("slow-2"));
    assert_eq!(alice.told().await, "#2 error UNAVAILABLE slow-2");
    let stats = server.stats();
    let waits: Histogram = stats.join_wait;
    let ms = |number: u64| number * 1_000_000;
    let up_to = |bound| waits.buckets().find(|(other, _)| *other == bound);
    assert_eq!(
        up_to(ms(1)),
        Some((ms(1), 1)),
        "the first directory answered at once"
    );
    assert_eq!(up_to(ms(100)), Some((ms(100), 1)));
    assert_eq!(up_to(ms(500)), Some((ms(500), 2)));
    assert_eq!(up_to(ms(2_500)), Some((ms(2_500), 2)));
    assert_eq!(up_to(ms(10_000)), Some((ms(10_000), 3)));
    assert_eq!(waits.count(), 3);
    assert!((ms(5_300)..ms(5_400)).contains(&waits.sum()), "{waits:?}");
    assert_eq!(
        counted(stats.join_requests),
        [("joined", 2), ("unavailable", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn relays_that_arrive_are_counted_by_kind() {
    let server = server();
    let (alice, mut bob) = two(&server).await;
    for payload in relayed("a", "bob", "x") {
        alice.ask("", payload);
    }
    alice.ask("", offer("a", "bob", "x"));
    alice.ask("1", offer("a", "nobody", "x"));
    assert_eq!(bob.lines().await.len(), 4);
    let stats = server.stats();
    let expected = [("offer", 2), ("answer", 1), ("candidate", 1)];
    assert_eq!(counted(stats.relays), expected);
    assert_eq!(
        counted(stats.errors_by_code),
        [("target_not_in_channel", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn relays_that_are_refused_are_counted_by_reason() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (alice, mut bob) = two(&server).await;
    alice.wire.stall(true);
    for _ in 0..7 {
        bob.ask("busy", offer("a", "alice", "x"));
    }
    bob.ask("gone", offer("a", "nobody", "x"));
    bob.ask("gone", offer("a", "bob", "x"));
    let stale = VoiceSdpOffer {
        channel_id: "a".into(),
        target_user_id: "alice".into(),
        target_session_id: "an earlier session".into(),
        ..VoiceSdpOffer::default()
    };
    bob.ask("old", Payload::VoiceSdpOffer(stale));
    for payload in relayed("b", "alice", "x") {
        bob.ask("elsewhere", payload);
    }
    // Neither is a refusal of what could be passed on.
    bob.ask("unreadable", offer("a", "", "x"));
    bob.ask("large", offer("a", "alice", &"x".repeat(70_000)));
    assert_eq!(bob.lines().await.len(), 3 + 2 + 1 + 3 + 2);
    let stats = server.stats();
    let expected = [
        ("not_in_channel", 3),
        ("target_not_in_channel", 2),
        ("stale_session", 1),
        ("target_busy", 3),
    ];
    assert_eq!(counted(stats.relays_refused), expected);
    assert_eq!(counted(stats.relays), [("offer", 4)]);
    assert_eq!(stats.errors_by_code.of("rate_limited"), 3);
    assert_eq!(stats.rate_limited, 0, "the rate has dropped nothing");
}

#[tokio::test(start_paused = true)]
async fn connections_are_counted_by_the_way_they_ended() {
    let server = server_with(|limits| limits.connections_per_user = 1);
    let peers: Vec<_> = (0..7)
        .map(|number| Peer::new(&server, &format!("user-{number}")))
        .collect();
    settle().await;
    let refused = Peer::new(&server, "user-0");
    assert_eq!(refused.disconnect().await, Disconnect::PolicyViolation);
    peers[0].frame(Frame::Close(None));
    peers[1].wire.hang_up();
    peers[2].fail(TransportError::TooLarge);
    peers[3].fail(TransportError::InvalidUtf8);
    peers[4].fail(TransportError::Protocol);
    settle().await;
    // Nobody answers the pings of this one.
    sleep(Duration::from_secs(60)).await;
    let last = Peer::new(&server, "user-5");
    settle().await;
    server.shutdown();
    settle().await;
    let (sink, _stream) = outbound_queue(1, 1);
    let late = server.connect(&user("late"), sink.into()).map(drop);
    assert_eq!(late, Err(ConnectError::ShuttingDown));
    let stats = server.stats();
    let expected = [
        ("closed", 1),
        ("lost", 1),
        ("timed_out", 2),
        ("going_away", 1),
        ("policy_violation", 1),
        ("message_too_large", 1),
        ("invalid_utf8", 1),
        ("protocol_error", 1),
    ];
    assert_eq!(counted(stats.connections_ended), expected);
    let expected = [("shutting_down", 1), ("too_many_connections", 1)];
    assert_eq!(counted(stats.connections_refused), expected);
    assert_eq!((stats.connections_opened, stats.connections), (8, 0));
    drop(last);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_shows_in_blocked_writes_drops_and_evictions() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (alice, mut bob) = two(&server).await;
    alice.wire.stall(true);
    for _ in 0..10 {
        bob.ask("", speaking("a"));
    }
    settle().await;
    let stats = server.stats();
    assert_eq!((stats.writes_blocked, stats.speaking_dropped), (1, 6));
    // Before that it counts as busy.
    sleep(Duration::from_secs(2)).await;
    for _ in 0..3 {
        bob.ask("", state("a"));
        bob.told().await;
    }
    settle().await;
    sleep(Duration::from_secs(10)).await;
    let stats = server.stats();
    assert_eq!(stats.evictions, 1);
    assert_eq!(counted(stats.connections_ended), [("slow_consumer", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_write_is_blocked_again_only_after_the_transport_was_ready() {
    let server = server();
    let (mut alice, bob) = two(&server).await;
    for times in 1..4 {
        alice.wire.stall(true);
        bob.ask("", speaking("a"));
        settle().await;
        assert_eq!(server.stats().writes_blocked, times);
        // A part of a message is progress, but there is no room for another message.
        alice.wire.read_part();
        bob.ask("", speaking("a"));
        settle().await;
        assert_eq!(server.stats().writes_blocked, times);
        alice.wire.stall(false);
        assert!(!alice.lines().await.is_empty());
    }
}

/// Each connection begins its samples at another place. Of 61 connections that send the same, each
/// message is timed once.
#[tokio::test(start_paused = true)]
async fn one_of_61_messages_is_timed_under_its_kind() {
    let server = server();
    let mut peers = Vec::new();
    for number in 0..61 {
        let peer = Peer::new(&server, &format!("user-{number}"));
        for payload in requests("a") {
            peer.ask("1", payload);
        }
        peer.frame(Frame::Binary(Bytes::from_static(b"\xff")));
        peer.frame(Frame::Ping(Bytes::new()));
        settle().await;
        peers.push(peer);
    }
    let expected = [
        ("join", 1),
        ("leave", 1),
        ("offer", 1),
        ("answer", 1),
        ("candidate", 1),
        ("state", 1),
        ("speaking", 1),
        ("ice_servers", 1),
        ("other", 1),
    ];
    assert_eq!(handled(&server), expected);
    let stats = server.stats();
    assert!(
        stats.handling().all(|(_, times)| times.sum() > 0),
        "{stats:?}"
    );
}

/// The message after a join that waits is held. What is timed then is not its handling.
#[tokio::test(start_paused = true)]
async fn a_message_that_has_to_wait_is_not_timed() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    alice.ask("1", join("slow"));
    alice.ask("2", state("slow"));
    settle().await;
    assert_eq!(handled(&server), [("join", 1)]);
    // The second connection times its second message.
    let mut bob = Peer::new(&server, "bob");
    bob.ask("1", join("slow"));
    bob.ask("2", state("slow"));
    settle().await;
    assert_eq!(handled(&server), [("join", 1)]);
    server.directory().gate.add_permits(2);
    assert!(bob.told().await.starts_with("#1 response"));
}

#[tokio::test(start_paused = true)]
async fn one_of_61_wake_ups_shows_how_many_signals_wait() {
    let server = server();
    let (alice, bob) = two(&server).await;
    for _ in 0..300 {
        bob.ask("", speaking("a"));
        sleep(Duration::from_millis(20)).await;
    }
    let stats = server.stats();
    let queued = stats.queued_signals;
    assert!((3..=12).contains(&queued.count()), "{queued:?}");
    assert_eq!(queued.buckets().next(), Some((1, queued.count())));
    assert_eq!(queued.sum(), queued.count());
    drop(alice);
}
