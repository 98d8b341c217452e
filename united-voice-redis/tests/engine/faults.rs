//! What whole nodes do if the engine or a node fails.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use united_voice_core::{
    ChannelId, CloseReason, UserId,
    cluster::{Cluster as _, CutOff},
    proto::{voice::VoiceErrorCode, ws::envelope::Payload},
    test_util::{ClusterDirectory, ClusterUnderTest},
};
use united_voice_redis::{Nid, NodeState};
use united_voice_redis_server::{Data, Engine, Proxy};

use crate::{
    cluster::Cluster,
    nodes::Nodes,
    overrun::Inbox,
    town::{Client, LEASE, PATIENCE, agree, pause, state, tell, town, town_behind, until},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_pause_of_the_engine_delays_and_costs_nothing() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    pause(&engine, Duration::from_millis(700));
    clients[0].mute(true).await;
    let eve = Client::joined(&nodes, 1, "eve").await;
    clients.push(eve);
    agree(&nodes, &mut clients).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now[..4], sessions);
    // Ann and Eve asked through different nodes, so either may be first.
    clients[3].told.sort_unstable();
    clients[3].hears(&["joined eve", "state ann true"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_engine_each_node_serves_its_own_and_nobody_loses_a_seat() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    pause(&engine, 3 * LEASE);
    state(&nodes, NodeState::CutOff).await;
    let eve = Client::new(&nodes, 0, "eve");
    eve.join().await;
    assert!(eve.connection.seat().is_none(), "nobody can decide");
    // Ann and Cat share a node.
    clients[0].mute(true).await;
    clients[0].hears(&["state ann true"]).await;
    clients[2].hears(&["state ann true"]).await;
    clients[1].hears_nothing();

    state(&nodes, NodeState::Ok).await;
    clients[1].hears(&["state ann true"]).await;
    agree(&nodes, &mut clients).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions, "no seat was lost");
    clients[0].hears_nothing();
    clients[2].hears_nothing();
    let told = eve.sink.take();
    let code = told.first().and_then(|envelope| match &envelope.payload {
        Some(Payload::VoiceError(error)) => Some(error.code()),
        _ => None,
    });
    assert_eq!(code, Some(VoiceErrorCode::Unavailable));
}

/// The engine has the joins, and carries them out when it goes on. Nobody can call them back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_that_a_pause_caught_midway_are_refused_and_undone() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let mut eve = Client::new(&nodes, 1, "eve");
    pause(&engine, 2 * LEASE);
    tokio::join!(clients[0].move_to("b"), eve.join());
    clients[0]
        .hears(&["error VOICE_ERROR_CODE_UNAVAILABLE"])
        .await;
    eve.hears(&["error VOICE_ERROR_CODE_UNAVAILABLE"]).await;
    assert_eq!(clients[0].sink.close_reason(), None, "it may sit yet");

    state(&nodes, NodeState::Ok).await;
    for client in &mut clients[1..] {
        let told = ["joined eve", "left ann MOVED", "left eve DISCONNECTED"];
        client.hears_in_any_order(&told).await;
    }
    let ann = clients.remove(0);
    assert_eq!(ann.sink.close_reason(), Some(CloseReason::SeatLost));
    eve.hears_nothing();
    assert_eq!(eve.sink.close_reason(), None);
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_cut_off_answers_its_host_at_once() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, _clients) = town_behind(&engine, &proxy).await;
    proxy.stall();
    let third = &nodes.nodes[2];
    let deadline = Instant::now() + PATIENCE;
    while third.state() != NodeState::CutOff {
        assert!(Instant::now() < deadline, "it is never cut off");
        sleep(Duration::from_millis(20)).await;
    }
    let channel = ChannelId::new("a").expect("an id");
    // What does not wait is ready before the time-out is looked at.
    let (counts, roster, policy) = (
        timeout(Duration::ZERO, third.counts(std::slice::from_ref(&channel))).await,
        timeout(Duration::ZERO, third.roster(&channel)).await,
        timeout(Duration::ZERO, third.policy_changed()).await,
    );
    counts.expect("at once").expect_err("cut off");
    roster.expect("at once").expect_err("cut off");
    policy.expect("at once").expect_err("cut off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_restarts_with_its_data_costs_nobody_a_seat() {
    let mut engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    engine.wait_until_written();
    engine.restart(Data::Kept);
    clients[1].mute(true).await;
    agree(&nodes, &mut clients).await;
    state(&nodes, NodeState::Ok).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions);
    clients[0].hears(&["state ben true"]).await;
    let mut ben = clients.remove(1);
    ben.leave().await;
    ben.hears(&["state ben true", "left ben LEFT"]).await;
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_comes_back_empty_gets_its_seats_back_and_nobody_is_told() {
    let mut engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    engine.restart(Data::Lost);
    agree(&nodes, &mut clients).await;
    state(&nodes, NodeState::Ok).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions, "the same stays");
    for client in &mut clients {
        client.hears_nothing();
    }
    // And life goes on.
    let eve = Client::joined(&nodes, 2, "eve").await;
    clients.push(eve);
    clients[0].hears(&["joined eve"]).await;
    agree(&nodes, &mut clients).await;
}

/// Each node registers anew, and none has a message of the others that says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relays_arrive_as_soon_as_all_seats_are_back() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    tell(&engine, &["FLUSHALL"]);
    let put_back = || {
        nodes
            .nodes
            .iter()
            .map(|node| node.metrics().reasserted)
            .sum::<u64>()
    };
    until("all seats are back", || put_back() == 4).await;
    let names = ["ann", "ben", "dan"];
    let at = [0, 1, 3];
    // All at once: a message tells its receiver where its sender's inbox is.
    for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
        clients[at[from]].offer(names[to]).await;
    }
    for (client, me) in at.into_iter().zip(names) {
        let others = names.iter().filter(|name| **name != me);
        let offers: Vec<_> = others.map(|name| format!("offer of {name}")).collect();
        let offers: Vec<_> = offers.iter().map(String::as_str).collect();
        clients[client].hears_in_any_order(&offers).await;
    }
    // Until this is over, no node compares its copies with the engine.
    assert_eq!(nodes.nodes[0].state(), NodeState::Recovering);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_host_learns_that_a_kick_cannot_be_decided_while_seats_are_put_back() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let dan = UserId::new("dan").expect("an id");
    tell(&engine, &["FLUSHALL"]);
    state(&nodes, NodeState::Recovering).await;
    assert_eq!(nodes.servers()[0].kick(&dan).await, Err(CutOff));
    state(&nodes, NodeState::Ok).await;
    assert_eq!(nodes.servers()[0].kick(&dan).await, Ok(true));
    for client in &mut clients {
        client.hears(&["left dan KICKED"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_node_that_died_leave_after_its_lease() {
    let engine = Engine::start();
    let (mut nodes, mut clients) = town(&engine).await;
    nodes.kill(2);
    let dan = clients.remove(3);
    for client in &mut clients {
        client.hears(&["left dan DISCONNECTED"]).await;
    }
    // He comes back through another node.
    drop(dan);
    let back = Client::joined(&nodes, 0, "dan").await;
    clients.push(back);
    for client in &mut clients[..3] {
        client.hears(&["joined dan"]).await;
    }
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_reaps_a_large_one_beats_on() {
    // A call of `reap` takes out 32 seats.
    const CALLS: u64 = 60;
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let nodes = Nodes::start_by(&engine, &[proxy.url()], ClusterDirectory::default()).await;
    let mut cluster = Cluster::beside(&engine, &nodes.prefix);
    let mut large = cluster.register_with_theirs(Nid::new(1, 1));
    for session in 0..32 * CALLS {
        let operation = large.joining(session, &format!("user {session}"), "a", 0);
        large.propose(&operation);
    }
    // All calls together would take longer than the node may be silent.
    proxy.delay(LEASE / 75);
    cluster.lease_ends(large.of.nid, 1);
    let (seats, deadline) = (
        cluster.key(&format!("ns:{}", large.of.nid)),
        Instant::now() + PATIENCE,
    );
    while cluster.run::<bool>(&["EXISTS", &seats]) {
        assert_ne!(nodes.nodes[0].state(), NodeState::CutOff);
        assert!(Instant::now() < deadline, "it is not reaped");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The engine restarted from an old snapshot for the second time, and has a registration again that
/// its process reaped after the first. No other node is there to end its seats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_alone_reaps_what_an_old_snapshot_brought_back() {
    let engine = Engine::start();
    let nodes = Nodes::start(&engine, 1, ClusterDirectory::default()).await;
    let ann = Client::joined(&nodes, 0, "ann").await;
    let mut cluster = Cluster::beside(&engine, &nodes.prefix);
    let now = Inbox::of(&engine, &nodes, "node-0").nid();
    let mut old = cluster.register_with_theirs(Nid::new(now.node, now.registration - 1));
    old.propose(&old.joining(1, "gus", "yard", 0));
    assert_eq!(cluster.users("yard"), ["gus"]);
    cluster.lease_ends(old.of.nid, 1);
    let deadline = Instant::now() + PATIENCE;
    while !cluster.users("yard").is_empty() {
        assert!(Instant::now() < deadline, "it is not reaped");
        sleep(Duration::from_millis(20)).await;
    }
    agree(&nodes, &mut [ann]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_of_a_node_that_died_may_come_back_before_its_lease_is_over() {
    let engine = Engine::start();
    let (mut nodes, mut clients) = town(&engine).await;
    nodes.kill(2);
    let dan = clients.remove(3);
    let back = Client::joined(&nodes, 1, "dan").await;
    for client in &mut clients {
        client.hears(&["left dan REPLACED", "joined dan"]).await;
    }
    clients.push(back);
    agree(&nodes, &mut clients).await;
    drop(dan);
    // The reaping of the dead node does not touch his new seat.
    sleep(2 * LEASE).await;
    agree(&nodes, &mut clients).await;
    for client in &mut clients {
        client.hears_nothing();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_ends_takes_its_members_along_at_once() {
    let engine = Engine::shared();
    let (nodes, mut clients) = town(engine).await;
    let begun = Instant::now();
    let dan = clients.remove(3);
    let ending = nodes.servers()[2].clone();
    ending.shutdown();
    drop(dan);
    ending.drained().await;
    ending.close().await;
    for client in &mut clients {
        client.hears(&["left dan DISCONNECTED"]).await;
    }
    assert!(begun.elapsed() < LEASE, "not by the end of its lease");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_cut_off_for_a_moment_loses_nothing() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients) = town_behind(&engine, &proxy).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    proxy.stall();
    clients[0].mute(true).await;
    clients[3].mute(true).await;
    sleep(LEASE / 4).await;
    clients[3].hears_nothing();
    proxy.cut();
    proxy.mend();
    agree(&nodes, &mut clients).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions);
    clients[1]
        .hears(&["state ann true", "state dan true"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_members_of_a_node_that_was_cut_off_for_too_long_lose_their_seats_once() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients) = town_behind(&engine, &proxy).await;
    let mut eve = Client::joined(&nodes, 2, "eve").await;
    for client in &mut clients {
        client.hears(&["joined eve"]).await;
    }
    proxy.stall();
    let mut dan = clients.remove(3);
    for client in &mut clients {
        // Which of the two is reaped first does not matter.
        let deadline = Instant::now() + PATIENCE;
        while client.told.len() < 2 {
            assert!(Instant::now() < deadline, "heard {:?}", client.told);
            sleep(Duration::from_millis(10)).await;
            client.look();
        }
        client.told.sort_unstable();
        let gone = ["left dan DISCONNECTED", "left eve DISCONNECTED"];
        client.hears(&gone).await;
    }
    // Dan comes back through another node. Eve has not noticed anything.
    let back = Client::joined(&nodes, 0, "dan").await;
    clients.push(back);
    for client in &mut clients[..3] {
        client.hears(&["joined dan"]).await;
    }
    proxy.cut();
    proxy.mend();
    agree(&nodes, &mut clients).await;
    let deadline = Instant::now() + PATIENCE;
    while dan.connection.seat().is_some() || eve.connection.seat().is_some() {
        assert!(Instant::now() < deadline, "the lost seats are still there");
        sleep(Duration::from_millis(10)).await;
    }
    // Each is told once that the seat is gone: Dan has another one, and Eve has none.
    for (lost, is_replaced) in [(&mut dan, true), (&mut eve, false)] {
        lost.look();
        let is_that = |line: &&String| line.ends_with("SESSION_REPLACED");
        let replaced = lost.told.iter().filter(is_that);
        assert_eq!(
            replaced.count(),
            usize::from(is_replaced),
            "{:?}",
            lost.told
        );
        assert_eq!(lost.sink.close_reason().is_some(), !is_replaced);
    }
    // What they do late touches nobody.
    dan.leave().await;
    drop((dan, eve));
    sleep(LEASE).await;
    agree(&nodes, &mut clients).await;
    for client in &mut clients {
        client.hears_nothing();
    }
}
