//! `drive` and the clock: pings, slow readers, slow directories, credentials that age.

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use support::{
    channel,
    payloads::{ice, join, leave, offer, speaking, state},
    peer::{Peer, seconds_since, settle},
    server::{Server, server, server_with, turn_server},
};
use tokio::time::{Instant, sleep};
use united_voice_core::{Disconnect, Frame};

const NOTHING: [&str; 0] = [];
const MINUTE: Duration = Duration::from_secs(60);

/// alice, and a bob who watches, in channel `a`.
async fn two(server: &Server) -> (Peer, Peer) {
    let mut bob = Peer::joined(server, "bob", "a").await;
    let alice = Peer::joined(server, "alice", "a").await;
    assert_eq!(bob.told().await, "joined a alice");
    (alice, bob)
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_and_then_gone() {
    let server = server();
    let (mut alice, mut bob) = two(&server).await;
    alice.answers_pings = false;
    let start = Instant::now();
    // Looks at what comes without answering.
    let watch = tokio::spawn(async move {
        let end = alice.told().await;
        (alice, end)
    });
    assert_eq!(bob.told().await, "left a alice DISCONNECTED");
    assert_eq!(seconds_since(start), 25, "the interval and the timeout");
    let (alice, end) = watch.await.expect("watched");
    assert_eq!(end, "end", "there is nobody to send a close frame to");
    assert_eq!(alice.pings, 1);
    assert_eq!(alice.disconnect().await, Disconnect::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_pong_keeps_alive() {
    let server = server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    alice.idle(10 * MINUTE + Duration::from_secs(1)).await;
    assert_eq!(alice.pings, 40, "one each 15 s");
    assert!(!alice.is_done());
}

#[tokio::test(start_paused = true)]
async fn who_talks_is_not_pinged() {
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
async fn a_dead_client_whose_buffers_are_full_is_found_as_fast() {
    let server = server();
    let (alice, mut bob) = two(&server).await;
    let start = Instant::now();
    alice.wire.stall(true);
    assert_eq!(bob.told().await, "left a alice DISCONNECTED");
    assert_eq!(seconds_since(start), 25);
    assert_eq!(alice.disconnect().await, Disconnect::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_evicted_at_once_and_cut_after_five_seconds() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (alice, mut bob) = two(&server).await;
    alice.wire.stall(true);
    let start = Instant::now();
    for number in 0..5 {
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
async fn a_slow_consumer_that_reads_again_gets_the_close_frame() {
    let server = server_with(|limits| limits.outbound_queue = 4);
    let (mut alice, bob) = two(&server).await;
    alice.wire.stall(true);
    for _ in 0..5 {
        bob.ask("", state("a"));
    }
    sleep(Duration::from_secs(4)).await;
    alice.wire.stall(false);
    assert_eq!(alice.told().await, "close 1013");
    assert_eq!(alice.disconnect().await, Disconnect::SlowConsumer);
}

#[tokio::test(start_paused = true)]
async fn bytes_evict_as_messages_do() {
    let server = server_with(|limits| limits.outbound_queue_bytes = 100_000);
    let (alice, mut bob) = two(&server).await;
    alice.wire.stall(true);
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
async fn own_replies_stop_the_reading_and_evict_nobody() {
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
async fn a_directory_that_does_not_answer_is_given_up_while_writing_goes_on() {
    let server = server();
    let (mut alice, bob) = two(&server).await;
    let start = Instant::now();
    alice.ask("1", join("slow"));
    alice.ask("2", state("a"));
    alice.ask("3", leave("a"));
    sleep(Duration::from_secs(3)).await;
    bob.ask("", offer("a", "alice", "hello"));
    assert_eq!(alice.told().await, "offer bob hello");
    assert_eq!(seconds_since(start), 3, "it is still written to");
    assert_eq!(alice.told().await, "#1 error UNAVAILABLE slow");
    assert_eq!(seconds_since(start), 10);
    assert_eq!(
        alice.told().await,
        "#2 state a alice",
        "what came behind it follows in order"
    );
    assert_eq!(alice.told().await, "#3 left a alice LEFT");
    server.directory().gate.add_permits(1);
    assert_eq!(alice.lines().await, NOTHING, "the answer comes too late");
    assert_eq!(server.registry().participant_count(&channel("slow")), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_keep_their_order_behind_a_join() {
    let server = server();
    let mut alice = Peer::new(&server, "alice");
    for name in ["slow-1", "slow-2"] {
        alice.ask(name, join(name));
        alice.ask(name, state(name));
    }
    alice.ask("end", leave("slow-2"));
    assert_eq!(alice.lines().await, NOTHING);
    assert_eq!(server.directory().asked.load(Ordering::SeqCst), 1);
    server.directory().gate.add_permits(2);
    let expected = [
        "#slow-1 response slow-1 []",
        "#slow-1 state slow-1 alice",
        "#slow-2 response slow-2 []",
        "#slow-2 state slow-2 alice",
        "#end left slow-2 alice LEFT",
    ];
    assert_eq!(alice.lines().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_vanishes_during_its_join_leaves_nothing() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    alice.ask("1", join("slow"));
    settle().await;
    alice.wire.hang_up();
    settle().await;
    assert!(
        alice.is_done(),
        "it is noticed though the join is under way"
    );
    server.directory().gate.add_permits(1);
    settle().await;
    assert_eq!(server.registry().room_count(), 0);
    assert_eq!(server.connections(), 0);
    assert_eq!(server.stats().joins, 0);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_vanishes_with_messages_behind_its_join_is_gone_within_the_timeout() {
    let server = server();
    let (alice, mut bob) = two(&server).await;
    let start = Instant::now();
    alice.ask("1", join("slow"));
    alice.ask("2", state("a"));
    settle().await;
    alice.wire.hang_up();
    let mut told = bob.told().await;
    if told == "state a alice" {
        told = bob.told().await;
    }
    assert_eq!(told, "left a alice DISCONNECTED");
    assert!(seconds_since(start) <= 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_waits_for_its_join_is_not_taken_for_dead() {
    let server = server_with(|limits| limits.directory_timeout = 2 * MINUTE);
    let mut alice = Peer::new(&server, "alice");
    alice.ask("1", join("slow"));
    alice.ask("2", state("slow"));
    // Its pongs stand behind the second message and can't be read.
    alice.idle(MINUTE).await;
    server.directory().gate.add_permits(1);
    assert_eq!(
        alice.lines().await,
        ["#1 response slow []", "#2 state slow alice"]
    );
}

#[tokio::test(start_paused = true)]
async fn credentials_are_renewed_at_three_quarters_of_their_life() {
    let server = turn_server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    let start = Instant::now();
    for round in 1..=3 {
        assert_eq!(
            alice.told().await,
            "ice a 2",
            "unasked, hence without a request id"
        );
        assert_eq!(seconds_since(start), 45 * round);
    }
}

#[tokio::test(start_paused = true)]
async fn asking_and_joining_restart_the_clock() {
    let server = turn_server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    let start = Instant::now();
    alice.idle(Duration::from_secs(30)).await;
    alice.ask("1", ice("a"));
    assert_eq!(alice.told().await, "#1 ice a 2");
    assert_eq!(alice.told().await, "ice a 2");
    assert_eq!(seconds_since(start), 75);
    alice.idle(Duration::from_secs(30)).await;
    alice.ask("2", join("b"));
    assert_eq!(alice.told().await, "#2 response b []");
    assert_eq!(
        alice.told().await,
        "ice b 2",
        "of the channel in which it is now"
    );
    assert_eq!(seconds_since(start), 150);
}

#[tokio::test(start_paused = true)]
async fn who_is_in_no_channel_is_sent_no_credentials() {
    let server = turn_server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    alice.ask("1", leave("a"));
    assert_eq!(alice.told().await, "#1 left a alice LEFT");
    alice.idle(5 * MINUTE).await;
    alice.ask("2", join("a"));
    assert_eq!(alice.told().await, "#2 response a []");
    assert_eq!(alice.told().await, "ice a 2");
}

#[tokio::test(start_paused = true)]
async fn without_turn_there_is_nothing_to_renew() {
    let server = server();
    let mut alice = Peer::joined(&server, "alice", "a").await;
    alice.idle(30 * MINUTE).await;
}
