//! `drive` over time: pings, and clients that read slowly or not at all.

mod support;

use std::time::Duration;

use support::{
    channel,
    payloads::{offer, speaking, state},
    peer::{Peer, seconds_since, settle, two},
    server::{server, server_with},
};
use tokio::time::{Instant, sleep};
use united_voice_core::{Disconnect, Frame, Limits, OpenDirectory, VoiceServer};

const NOTHING: [&str; 0] = [];
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_then_removed() {
    let server = server();
    let (mut alice, mut bob) = two(&server).await;
    alice.answers_pings = false;
    let start = Instant::now();
    // Reads frames without answering the pings.
    let watch = tokio::spawn(async move {
        let end = alice.told().await;
        (alice, end)
    });
    assert_eq!(bob.told().await, "left a alice DISCONNECTED");
    assert_eq!(seconds_since(start), 25, "the interval and the timeout");
    let (alice, end) = watch.await.expect("watched");
    assert_eq!(end, "end", "a silent client gets no close frame");
    assert_eq!(alice.pings, 1);
    assert_eq!(alice.disconnect().await, Disconnect::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_pong_keeps_the_connection_alive() {
    let server = server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    alice.idle(10 * MINUTE + Duration::from_secs(1)).await;
    assert_eq!(alice.pings, 40, "one every 15 s");
    assert!(!alice.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_is_not_pinged() {
    let server = server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    for _ in 0..60 {
        sleep(Duration::from_secs(14)).await;
        alice.ask("", speaking("a"));
    }
    assert_eq!(alice.lines().await, NOTHING);
    assert_eq!(alice.pings, 0);
}

#[tokio::test(start_paused = true)]
async fn a_late_pong_or_any_message_is_a_sign_of_life() {
    let server = server();
    for sign in [
        Frame::Pong(bytes::Bytes::new()),
        Frame::Ping(bytes::Bytes::new()),
    ] {
        let peer = Peer::joined(&server, "alice", "a").await;
        sleep(Duration::from_secs(24)).await;
        peer.frame(sign);
        sleep(Duration::from_secs(24)).await;
        assert!(!peer.is_done());
        sleep(Duration::from_secs(2)).await;
        assert!(peer.is_done());
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_client_with_full_buffers_is_found_as_fast() {
    let server = server();
    let (alice, mut bob) = two(&server).await;
    let start = Instant::now();
    alice.wire.stall(true);
    assert_eq!(bob.told().await, "left a alice DISCONNECTED");
    assert_eq!(seconds_since(start), 25);
    assert_eq!(alice.disconnect().await, Disconnect::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_is_evicted_at_once_and_cut_after_five_seconds() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (alice, mut bob) = two(&server).await;
    alice.stall(&bob).await;
    let start = Instant::now();
    // One of the four places is taken by what `stall` sent.
    for number in 1..5 {
        assert_eq!(server.registry().participant_count(&channel("a")), 2);
        bob.ask(&number.to_string(), state("a"));
        assert_eq!(bob.told().await, format!("#{number} state a bob"));
    }
    assert_eq!(bob.told().await, "left a alice EVICTED");
    assert_eq!(seconds_since(start), 0);
    assert_eq!(alice.disconnect().await, Disconnect::SlowConsumer);
    assert_eq!(seconds_since(start), 5);
}

#[tokio::test(start_paused = true)]
async fn an_evicted_client_that_reads_again_gets_the_close_frame() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (mut alice, bob) = two(&server).await;
    alice.stall(&bob).await;
    for _ in 0..5 {
        bob.ask("", state("a"));
    }
    sleep(Duration::from_secs(4)).await;
    alice.wire.stall(false);
    assert_eq!(alice.told().await, "close 1013");
    assert_eq!(alice.disconnect().await, Disconnect::SlowConsumer);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_with_too_many_queued_bytes_is_evicted() {
    let server = server_with(|limits| limits.outbound_queue_bytes = 100_000);
    let (alice, mut bob) = two(&server).await;
    alice.stall(&bob).await;
    for _ in 0..2 {
        bob.ask("1", offer("a", "alice", &"x".repeat(60_000)));
    }
    let told = [bob.told().await, bob.told().await];
    assert!(told.contains(&"left a alice EVICTED".into()), "{told:?}");
    assert!(
        told.contains(&"#1 error TARGET_NOT_IN_CHANNEL a".into()),
        "{told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn unread_replies_pause_reading_and_evict_nobody() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let mut alice = Peer::joined(&server, "alice", "a").await;
    alice.wire.stall(true);
    for number in 0..100 {
        alice.ask(&number.to_string(), state("a"));
    }
    settle().await;
    assert!(
        alice.wire.unread() > 90,
        "only {} were left unread",
        alice.wire.unread()
    );
    alice.wire.stall(false);
    for number in 0..100 {
        assert_eq!(alice.told().await, format!("#{number} state a alice"));
    }
    assert_eq!(server.stats().evictions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_client_costs_the_others_nothing() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (alice, mut bob) = two(&server).await;
    let mut carol = Peer::joined(&server, "carol", "a").await;
    bob.told().await;
    alice.wire.stall(true);
    for number in 0..20 {
        bob.ask("", offer("a", "carol", &number.to_string()));
        assert_eq!(carol.told().await, format!("offer bob {number}"));
        bob.ask("", speaking("a"));
        assert_eq!(carol.told().await, "speaking a bob off");
    }
    assert_eq!(
        server.registry().participant_count(&channel("a")),
        3,
        "speaking evicts nobody"
    );
    assert!(!alice.is_done());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_little_at_a_time_is_not_taken_for_dead() {
    let server = server();
    let (alice, bob) = two(&server).await;
    alice.wire.stall(true);
    for _ in 0..10 {
        bob.ask("", speaking("a"));
        sleep(Duration::from_secs(8)).await;
        alice.wire.stall(false);
        settle().await;
        alice.wire.stall(true);
        settle().await;
    }
    assert!(
        !alice.is_done(),
        "the client can't answer pings, but it still reads"
    );
    assert_eq!(alice.disconnect().await, Disconnect::TimedOut);
}

/// Such a limit is refused by its name, or means "never". It must not end connections.
#[tokio::test(start_paused = true)]
async fn a_duration_beyond_the_clock_ends_no_connection() {
    let changes: [(&str, Change); 3] = [
        ("ping_interval", |limits| {
            limits.ping_interval = Duration::MAX;
        }),
        ("ping_timeout", |limits| {
            limits.ping_timeout = Duration::MAX;
        }),
        ("directory_timeout", |limits| {
            limits.directory_timeout = Duration::MAX;
        }),
    ];
    for (name, change) in changes {
        let mut limits = Limits::default();
        change(&mut limits);
        match VoiceServer::builder(OpenDirectory).limits(limits).build() {
            Err(error) => assert_eq!(error.name(), name),
            Ok(_) => {
                let mut alice = Peer::joined(&server_with(change), "alice", "a").await;
                alice.idle(MINUTE).await;
                assert!(!alice.is_done(), "{name}");
            }
        }
    }
}

type Change = fn(&mut Limits);
