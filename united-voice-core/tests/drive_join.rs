//! `drive` and what it waits for: a directory that is slow, and credentials that age.

mod support;

use std::{sync::atomic::Ordering, time::Duration};

use support::{
    channel,
    payloads::{ice, join, leave, offer, state},
    peer::{Peer, seconds_since, settle},
    server::{Server, server, server_with, turn_server},
};
use tokio::time::{Instant, sleep};

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
