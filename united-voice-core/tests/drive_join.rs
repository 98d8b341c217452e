//! `drive` with a slow directory, and with credentials that expire.

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use support::{
    channel,
    payloads::{ice, join, leave, offer, state},
    peer::{Peer, seconds_since, settle, two},
    server::{build, server, server_with, turn_server},
};
use tokio::time::{Instant, sleep};
use united_voice_core::{IceConfig, TurnConfig};

const NOTHING: [&str; 0] = [];
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_directory_that_does_not_answer_times_out_while_writing_goes_on() {
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
        "later messages follow in order"
    );
    assert_eq!(alice.told().await, "#3 left a alice LEFT");
    server.directory().gate.add_permits(1);
    assert_eq!(alice.lines().await, NOTHING, "the late answer is dropped");
    assert_eq!(server.registry().participant_count(&channel("slow")), 0);
}

#[tokio::test(start_paused = true)]
async fn messages_keep_their_order_after_a_join() {
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
async fn a_client_that_vanishes_during_its_join_leaves_nothing_behind() {
    let server = server();
    let alice = Peer::new(&server, "alice");
    alice.ask("1", join("slow"));
    settle().await;
    alice.wire.hang_up();
    settle().await;
    assert!(alice.is_done(), "the disconnect is noticed during the join");
    server.directory().gate.add_permits(1);
    settle().await;
    assert_eq!(server.registry().room_count(), 0);
    assert_eq!(server.connections(), 0);
    assert_eq!(server.stats().joins, 0);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_vanishes_with_messages_after_its_join_is_removed_within_the_timeout() {
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
    // Its pongs come after the second message, so the server can't read them yet.
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
            "it answers no request, so it has no request id"
        );
        assert_eq!(seconds_since(start), 45 * round);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_and_joins_restart_the_renewal_timer() {
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
    assert_eq!(alice.told().await, "ice b 2", "for the present channel");
    assert_eq!(seconds_since(start), 150);
}

#[tokio::test(start_paused = true)]
async fn a_client_in_no_channel_gets_no_credentials() {
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

/// The clocks are compared while a client has TURN credentials.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_wakes_twice_a_minute_at_most() {
    let turn = TurnConfig::new("turn.example", 3478, "secret", 24 * 3600).expect("valid");
    let with_turn = IceConfig::default().with_turn(turn);
    for (ice, expected) in [(with_turn, 19..=21), (IceConfig::default(), 0..=0)] {
        let server = build(ice, |limits| limits.ping_interval = 24 * 60 * MINUTE);
        let mut alice = Peer::joined(&server, "alice", "a").await;
        alice.idle(MINUTE).await;
        let before = alice.wire.reads();
        alice.idle(10 * MINUTE).await;
        let woken = alice.wire.reads() - before;
        assert!(expected.contains(&woken), "{woken} times");
    }
}
