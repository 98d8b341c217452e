//! What a node counts, and what its server counts in a cluster.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use united_voice_core::{CloseReason, SignalSink, test_util::ClusterUnderTest};
use united_voice_redis::{NodeMetrics, NodeState};
use united_voice_redis_server::{Data, Engine, Proxy};

use crate::{
    nodes::Nodes,
    town::{Client, LEASE, PATIENCE, agree, pause, state, town, town_behind},
};

fn metrics(nodes: &Nodes) -> Vec<NodeMetrics> {
    nodes.nodes.iter().map(|node| node.metrics()).collect()
}

/// Waits until the numbers of a node are as they should be.
async fn counts(nodes: &Nodes, node: usize, expected: impl Fn(&NodeMetrics) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = nodes.nodes[node].metrics();
        if expected(&now) {
            return;
        }
        assert!(Instant::now() < deadline, "{now:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_counts_its_own_members_and_those_of_other_nodes_apart() {
    let engine = Engine::start();
    // Ann and Cat are on the first node, Ben and Dan on one each, all in one channel.
    let (nodes, mut clients) = town(&engine).await;
    let stats = |node: usize| nodes.servers()[node].stats();
    let own = |node| {
        let stats = stats(node);
        let counts = (stats.participants, stats.connections, stats.rooms);
        (counts, stats.remote_participants)
    };
    assert_eq!(
        [own(0), own(1), own(2)],
        [((2, 2, 1), 2), ((1, 1, 1), 3), ((1, 1, 1), 3)]
    );
    clients.remove(3).leave().await;
    agree(&nodes, &mut clients).await;
    assert_eq!(
        [own(0), own(1), own(2)],
        [((2, 2, 1), 1), ((1, 1, 1), 2), ((0, 0, 0), 0)]
    );
    for node in 0..3 {
        let stats = stats(node);
        assert_eq!(stats.joins - stats.leaves, stats.participants);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_to_another_node_is_forwarded_and_one_that_it_refuses_is_bounced() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    // Cat is on the same node.
    clients[0].offer("cat").await;
    clients[0].offer("ben").await;
    clients[1].hears(&["offer of ann"]).await;
    counts(&nodes, 0, |now| (now.forwarded, now.bounced) == (1, 0)).await;
    clients[1].sink.close(CloseReason::SlowConsumer);
    clients[0].offer("ben").await;
    counts(&nodes, 0, |now| (now.forwarded, now.bounced) == (2, 1)).await;
    for other in &metrics(&nodes)[1..] {
        assert_eq!((other.forwarded, other.bounced), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_is_seen_while_the_engine_pauses_and_so_is_the_lag() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    counts(&nodes, 0, |now| now.outbox_messages == 0).await;
    let errors = nodes.nodes[0].metrics().engine_errors;
    pause(&engine, 2 * LEASE);
    clients[0].mute(true).await;
    clients[0].offer("ben").await;
    counts(&nodes, 0, |now| now.outbox_messages == 2).await;
    counts(&nodes, 0, |now| now.inbox_lag > LEASE / 3).await;
    state(&nodes, NodeState::CutOff).await;
    let now = nodes.nodes[0].metrics();
    assert!(!now.up && now.lease_age >= LEASE * 2 / 3, "{now:?}");
    // The offer came back. The state waits on.
    assert_eq!((now.outbox_messages, now.bounced), (1, 1));
    state(&nodes, NodeState::Ok).await;
    counts(&nodes, 0, |now| {
        now.up && now.outbox_messages == 0 && now.lease_age < LEASE
    })
    .await;
    agree(&nodes, &mut clients).await;
    let now = nodes.nodes[0].metrics();
    assert!(now.engine_errors > errors, "{now:?}");
    assert_eq!((now.resyncs, now.seats_lost), (0, 0), "nothing was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_that_cannot_be_trimmed_counts_as_an_error_of_the_engine() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let errors = nodes.nodes[0].metrics().engine_errors;
    let mut deny = redis::cmd("ACL");
    deny.arg("SETUSER").arg("default").arg("-xtrim");
    deny.exec(&mut engine.connection()).expect("denied");
    counts(&nodes, 0, |now| now.engine_errors > errors).await;
    clients[0].mute(true).await;
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_that_are_put_back_at_an_empty_engine_are_reasserted_and_none_is_lost() {
    let mut engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    engine.restart(Data::Lost);
    for (node, seats) in [(0, 2), (1, 1), (2, 1)] {
        counts(&nodes, node, |now| now.reasserted == seats).await;
        counts(&nodes, node, |now| now.resyncs == 1).await;
    }
    agree(&nodes, &mut clients).await;
    for now in metrics(&nodes) {
        assert_eq!((now.fenced, now.seats_lost), (0, 0), "{now:?}");
        assert!(now.engine_errors > 0, "its connections broke: {now:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_silent_for_too_long_is_fenced_and_has_lost_its_seats() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients) = town_behind(&engine, &proxy).await;
    proxy.stall();
    let dan = clients.remove(3);
    for client in &mut clients {
        client.hears(&["left dan DISCONNECTED"]).await;
    }
    assert!(!nodes.nodes[2].metrics().up);
    proxy.cut();
    proxy.mend();
    counts(&nodes, 2, |now| now.seats_lost == 1).await;
    counts(&nodes, 2, |now| now.resyncs == 1).await;
    let now = nodes.nodes[2].metrics();
    assert_eq!((now.fenced, now.reasserted, now.up), (1, 0, true));
    assert!(dan.connection.seat().is_none());
    for other in &metrics(&nodes)[..2] {
        assert_eq!((other.fenced, other.seats_lost, other.resyncs), (0, 0, 0));
    }
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_is_taken_over_in_the_ordinary_way_is_not_lost() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let again = Client::joined(&nodes, 0, "dan").await;
    clients[0].hears(&["left dan REPLACED", "joined dan"]).await;
    let old = std::mem::replace(&mut clients[3], again);
    agree(&nodes, &mut clients).await;
    assert!(old.connection.seat().is_none());
    for now in metrics(&nodes) {
        assert_eq!((now.seats_lost, now.resyncs, now.reasserted), (0, 0, 0));
    }
}
