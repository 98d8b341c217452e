//! Whole servers as nodes of a cluster: what a client gets, and what a host asks.

#![cfg(feature = "cluster")]

mod support;

use std::{
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicUsize},
};

use futures::FutureExt;
use support::{
    channel,
    hosted::Hosted,
    payloads::{join, leave, offer, state},
    server::{Gated, Server},
    user,
};
use tokio::sync::Semaphore;
use united_voice_core::{
    Limits, VoiceServer,
    cluster::{CutOff, NodeId},
    test_util::{MemoryEngine, MemoryNode},
};

/// An engine and two servers.
struct Site {
    nodes: [(Arc<MemoryNode>, Server); 2],
}

impl Site {
    fn new() -> Self {
        let engine = MemoryEngine::new();
        Self {
            nodes: [0, 1].map(|_| {
                let node = engine.node();
                let directory = Gated {
                    gate: Semaphore::new(0),
                    asked: AtomicUsize::new(0),
                };
                let server = VoiceServer::builder(directory).cluster(node.clone());
                let server = server.build().expect("valid limits");
                node.serve(server.replica());
                (node, server)
            }),
        }
    }

    fn server(&self, node: usize) -> &Server {
        &self.nodes[node].1
    }

    fn settle(&self) {
        let moves = |node: &MemoryNode| node.send_one() | node.receive_one();
        while self
            .nodes
            .iter()
            .fold(false, |any, (node, _)| any | moves(node))
        {}
    }

    /// A client of a node that has joined and read everything.
    fn joined(&self, node: usize, name: &str, channel: &str) -> Hosted {
        let mut client = Hosted::new(self.server(node), name);
        client.ask("join", join(channel));
        assert!(client.steps().is_empty(), "the engine has not decided");
        self.settle();
        let steps = client.steps();
        assert!(steps[0].starts_with("#join response"), "{steps:?}");
        client
    }
}

fn ready<T>(future: impl Future<Output = T>) -> T {
    future
        .now_or_never()
        .expect("the engine in memory does not wait")
}

#[test]
fn clients_of_two_nodes_share_a_channel() {
    let site = Site::new();
    let mut alice = site.joined(0, "alice", "a");
    let mut bob = site.joined(1, "bob", "a");
    assert_eq!(alice.steps(), ["joined a bob"]);
    bob.ask("1", state("a"));
    bob.ask("2", offer("a", "alice", "O"));
    bob.ask("3", leave("a"));
    site.settle();
    assert_eq!(bob.steps(), ["#1 state a bob", "#3 left a bob LEFT"]);
    let heard = alice.steps();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert_eq!(heard[0], "state a bob");
    assert!(heard[1].starts_with("offer bob"), "{heard:?}");
    assert_eq!(heard[2], "left a bob LEFT");
}

#[test]
fn refused_relays_are_counted_where_the_sender_is() {
    let site = Site::new();
    let mut alice = site.joined(0, "alice", "a");
    let mut bob = site.joined(1, "bob", "a");
    alice.ask("1", leave("a"));
    bob.ask("2", offer("a", "alice", "O"));
    site.settle();
    let told = bob.steps();
    assert!(
        told.contains(&"#2 error TARGET_NOT_IN_CHANNEL a".into()),
        "{told:?}"
    );
    let refused = [0, 1].map(|node| site.server(node).stats().relays_refused);
    assert_eq!(refused[0].total(), 0);
    assert_eq!(
        (refused[1].of("target_not_in_channel"), refused[1].total()),
        (1, 1)
    );
}

/// The machine's own time limit ends the wait, whatever the engine does later.
#[test]
fn a_join_that_waits_too_long_for_the_engine_is_answered_once_and_undone() {
    let site = Site::new();
    let mut bob = site.joined(1, "bob", "a");
    let mut alice = Hosted::new(site.server(0), "alice");
    alice.ask("1", join("a"));
    assert!(alice.steps().is_empty());
    alice.wait(Limits::default().directory_timeout);
    assert_eq!(alice.steps(), ["#1 error UNAVAILABLE a"]);
    site.settle();
    assert!(alice.steps().is_empty(), "one request, one answer");
    assert_eq!(bob.steps(), ["joined a alice", "left a alice DISCONNECTED"]);
    alice.ask("2", join("a"));
    assert!(alice.steps().is_empty());
    site.settle();
    assert_eq!(alice.steps(), ["#2 response a [bob]"]);
}

/// The engine's answer and the time limit come in the same moment: the answer counts.
#[test]
fn a_join_that_is_decided_at_the_last_moment_is_answered_once() {
    let site = Site::new();
    let mut alice = Hosted::new(site.server(0), "alice");
    alice.ask("1", join("a"));
    assert!(alice.steps().is_empty());
    alice.wait(Limits::default().directory_timeout);
    site.settle();
    assert_eq!(alice.steps(), ["#1 response a []"]);
}

#[test]
fn requests_wait_behind_a_join_and_keep_their_order() {
    let site = Site::new();
    let mut alice = Hosted::new(site.server(0), "alice");
    alice.ask("1", join("a"));
    alice.ask("2", state("a"));
    assert!(alice.steps().is_empty());
    site.settle();
    assert_eq!(alice.steps(), ["#1 response a []"]);
    site.settle();
    assert_eq!(alice.steps(), ["#2 state a alice"]);
}

#[test]
fn a_full_channel_is_full_on_every_node() {
    let site = Site::new();
    let _alice = site.joined(0, "alice", "tiny");
    let mut bob = Hosted::new(site.server(1), "bob");
    bob.ask("1", join("tiny"));
    assert!(bob.steps().is_empty());
    site.settle();
    assert_eq!(bob.steps(), ["#1 error CHANNEL_FULL tiny"]);
}

#[test]
fn a_policy_that_changes_while_a_join_waits_asks_the_directory_again() {
    let site = Site::new();
    let mut alice = Hosted::new(site.server(0), "alice");
    alice.ask("1", join("a"));
    assert!(alice.steps().is_empty());
    ready(site.server(1).policy_changed(&channel("a"))).expect("not cut off");
    site.settle();
    assert!(alice.steps().is_empty(), "it asks again");
    site.settle();
    assert_eq!(alice.steps(), ["#1 response a []"]);
    let asked = &site.server(0).directory().asked;
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 2);
}

#[test]
fn a_host_asks_any_node() {
    let site = Site::new();
    let mut alice = site.joined(0, "alice", "a");
    let a = channel("a");
    let here = ready(site.server(0).roster(&a)).expect("not cut off");
    let there = ready(site.server(1).roster(&a)).expect("not cut off");
    assert_eq!(here, there);
    assert_eq!(there[0].user_id, "alice");
    let counts = [a.clone(), channel("b")];
    assert_eq!(ready(site.server(1).counts(&counts)), Ok(vec![1, 0]));
    let elsewhere = ready(site.server(1).kick_from(&user("alice"), &channel("b")));
    assert_eq!(elsewhere, Ok(false));
    assert_eq!(ready(site.server(1).kick(&user("alice"))), Ok(true));
    site.settle();
    assert_eq!(alice.steps(), ["left a alice KICKED"]);
    assert_eq!(ready(site.server(1).close_channel(&a)), Ok(0));
    assert_eq!(
        ready(site.server(1).leave_all_channels(&user("alice"))),
        Ok(0)
    );
}

#[test]
fn a_host_is_told_if_the_engine_does_not_answer() {
    let site = Site::new();
    let _alice = site.joined(0, "alice", "a");
    for (node, _) in &site.nodes {
        node.set_cut_off(true);
    }
    let (a, alice) = (channel("a"), user("alice"));
    let [with, without] = [site.server(0), site.server(1)];
    assert_eq!(ready(with.roster(&a)).map(|roster| roster.len()), Ok(1));
    assert_eq!(ready(without.roster(&a)), Err(CutOff));
    assert_eq!(ready(without.counts(std::slice::from_ref(&a))), Err(CutOff));
    assert_eq!(ready(without.kick(&alice)), Err(CutOff));
    assert_eq!(ready(without.close_channel(&a)), Err(CutOff));
    assert_eq!(ready(without.policy_changed(&a)), Err(CutOff));
}

#[test]
fn without_a_cluster_a_host_asks_the_same_way() {
    let server = support::server::server();
    let mut alice = Hosted::joined(&server, "alice", "a");
    let a = channel("a");
    assert_eq!(ready(server.counts(std::slice::from_ref(&a))), Ok(vec![1]));
    assert_eq!(ready(server.roster(&a)).map(|roster| roster.len()), Ok(1));
    assert_eq!(ready(server.policy_changed(&a)), Ok(()));
    assert_eq!(ready(server.kick(&user("alice"))), Ok(true));
    assert_eq!(alice.steps(), ["left a alice KICKED"]);
}

#[test]
fn nodes_have_numbers_of_their_own() {
    let engine = MemoryEngine::new();
    let number = |number| NodeId::new(NonZeroU32::new(number).expect("not zero"));
    assert_eq!(
        [engine.node().id(), engine.node().id()],
        [number(1), number(2)]
    );
}
