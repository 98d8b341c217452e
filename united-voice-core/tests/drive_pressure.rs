//! `drive` with clients for which more waits than their queues may hold: those that read stay.

mod support;

use std::time::Duration;

use support::{
    payloads::{offer, state},
    peer::{Peer, settle, two},
    server::{Server, server_with},
};
use tokio::time::sleep;
use united_voice_core::Disconnect;

const NOTHING: [&str; 0] = [];
const NONE: [usize; 0] = [];

fn server_of_small_queues() -> Server {
    server_with(|limits| limits.outbound_queue = 4)
}

/// Sends the offers with these numbers to alice. Returns the numbers of those that were refused.
async fn send_offers(bob: &mut Peer, numbers: std::ops::Range<usize>) -> Vec<usize> {
    for number in numbers {
        let id = number.to_string();
        bob.ask(&id, offer("a", "alice", &id));
    }
    let refused = bob.lines().await.into_iter().map(|line| {
        let id = line.strip_suffix(" error RATE_LIMITED a").expect(&line);
        id.trim_start_matches('#').parse().expect("a number")
    });
    refused.collect()
}

#[tokio::test(start_paused = true)]
async fn relays_to_a_busy_client_are_refused_and_later_ones_pass() {
    let server = server_of_small_queues();
    let (mut alice, mut bob) = two(&server).await;
    for round in 0..30 {
        // It takes nothing for half a second in each round, so it is never stalled.
        alice.wire.stall(true);
        settle().await;
        let first = round * 10;
        let refused = send_offers(&mut bob, first..first + 10).await;
        assert_eq!(refused, (first + 4..first + 10).collect::<Vec<_>>());
        sleep(Duration::from_millis(500)).await;
        alice.wire.stall(false);
        let arrived: Vec<String> = (first..first + 4)
            .map(|number| format!("offer bob {number}"))
            .collect();
        assert_eq!(alice.lines().await, arrived);
        // Nothing waits for it in this time, which does not count.
        sleep(Duration::from_secs(2)).await;
    }
    assert_eq!(server.stats().evictions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_stalls_after_a_second_and_not_before() {
    for (milliseconds, stalled) in [(900, false), (1100, true)] {
        let server = server_of_small_queues();
        let (alice, mut bob) = two(&server).await;
        alice.wire.stall(true);
        assert_eq!(send_offers(&mut bob, 0..4).await, NONE);
        sleep(Duration::from_millis(milliseconds)).await;
        bob.ask("4", offer("a", "alice", "4"));
        let told = bob.lines().await;
        if stalled {
            let expected = ["#4 error TARGET_NOT_IN_CHANNEL a", "left a alice EVICTED"];
            assert!(
                expected.iter().all(|line| told.contains(&line.to_string())),
                "{told:?}"
            );
            assert_eq!(alice.disconnect().await, Disconnect::SlowConsumer);
        } else {
            assert_eq!(told, ["#4 error RATE_LIMITED a"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_again_is_no_longer_stalled() {
    let server = server_of_small_queues();
    let (mut alice, mut bob) = two(&server).await;
    alice.stall(&bob).await;
    alice.wire.stall(false);
    assert_eq!(alice.lines().await, ["speaking a bob off"]);
    alice.wire.stall(true);
    settle().await;
    assert_eq!(send_offers(&mut bob, 0..5).await, [4]);
    assert_eq!(server.stats().evictions, 0);
}

#[tokio::test(start_paused = true)]
async fn events_may_fill_twice_the_limit_of_a_busy_client() {
    let server = server_of_small_queues();
    let (alice, mut bob) = two(&server).await;
    alice.wire.stall(true);
    for number in 0..8 {
        bob.ask(&number.to_string(), state("a"));
        assert_eq!(bob.told().await, format!("#{number} state a bob"));
    }
    assert_eq!(bob.lines().await, NOTHING);
    bob.ask("", state("a"));
    assert_eq!(bob.lines().await, ["state a bob", "left a alice EVICTED"]);
    assert_eq!(alice.disconnect().await, Disconnect::SlowConsumer);
}

/// One large message takes longer than a second on a slow line. The transport takes no other
/// meanwhile, but it counts the bytes of this one.
#[tokio::test(start_paused = true)]
async fn a_part_of_a_message_is_progress() {
    let server = server_of_small_queues();
    let (mut alice, mut bob) = two(&server).await;
    alice.wire.stall(true);
    assert_eq!(send_offers(&mut bob, 0..4).await, NONE);
    for number in 4..40 {
        sleep(Duration::from_millis(900)).await;
        alice.wire.read_part();
        settle().await;
        let refused = send_offers(&mut bob, number..number + 1).await;
        assert_eq!(refused, [number], "it stays");
    }
    alice.wire.stall(false);
    let arrived = alice.lines().await;
    assert_eq!(arrived.len(), 4, "{arrived:?}");
    assert_eq!(server.stats().evictions, 0);
    // Parts before the socket was blocked are no progress.
    alice.wire.read_part();
    alice.stall(&bob).await;
    for _ in 0..4 {
        bob.ask("", state("a"));
    }
    let told = bob.lines().await;
    assert!(told.contains(&"left a alice EVICTED".into()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn replies_to_a_stalled_client_evict_nobody() {
    let server = server_of_small_queues();
    let (mut alice, bob) = two(&server).await;
    alice.stall(&bob).await;
    for number in 0..20 {
        alice.ask(&number.to_string(), offer("a", "nobody", "x"));
    }
    sleep(Duration::from_secs(5)).await;
    alice.wire.stall(false);
    assert_eq!(alice.told().await, "speaking a bob off");
    for number in 0..20 {
        let expected = format!("#{number} error TARGET_NOT_IN_CHANNEL a");
        assert_eq!(alice.told().await, expected);
    }
    assert_eq!(server.stats().evictions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_costs_the_others_nothing() {
    let server = server_of_small_queues();
    let (alice, mut bob) = two(&server).await;
    let mut carol = Peer::joined(&server, "carol", "a").await;
    assert_eq!(bob.told().await, "joined a carol");
    alice.wire.stall(true);
    for number in 0..50 {
        bob.ask("", offer("a", "alice", "x"));
        bob.ask("", offer("a", "carol", &number.to_string()));
        assert_eq!(carol.told().await, format!("offer bob {number}"));
    }
    assert_eq!(server.stats().evictions, 0);
}
