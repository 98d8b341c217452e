//! An inbox that fills up because its node reads too slowly, and one that is gone.

use std::time::Duration;

use redis::Connection;
use tokio::time::{Instant, sleep};
use united_voice_core::{CloseReason, test_util::ClusterDirectory};
use united_voice_redis::{Nid, NodeState};
use united_voice_redis_server::{Engine, Proxy};

use crate::{
    log::Log,
    nodes::Nodes,
    town::{Client, LEASE, PATIENCE, agree, people, state, town_behind, until},
};

/// Entries at which a node warns.
const HALF: usize = 50_000;

/// The inbox of a node, seen by the engine.
pub(crate) struct Inbox {
    connection: Connection,
    key: String,
}

impl Inbox {
    pub(crate) fn of_third(engine: &Engine, nodes: &Nodes) -> Self {
        Self::of(engine, nodes, "node-2")
    }

    /// The one of a node with this name.
    pub(crate) fn of(engine: &Engine, nodes: &Nodes, wanted: &str) -> Self {
        let mut connection = engine.connection();
        let tag = format!("{{{}}}:", nodes.prefix);
        let pattern = format!("{tag}in:*");
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query(&mut connection)
            .expect("keys");
        let is_its_own = |key: &String| {
            let node = key.replace("}:in:", "}:n:");
            let mut question = redis::cmd("HGET");
            let name: String = question
                .arg(node)
                .arg("name")
                .query(&mut connection)
                .expect("a name");
            name == wanted
        };
        let key = keys.into_iter().find(is_its_own).expect("it has an inbox");
        Self { connection, key }
    }

    /// The registration that it belongs to.
    pub(crate) fn nid(&self) -> Nid {
        let (_, nid) = self.key.split_at(self.key.len() - Nid::WIDTH);
        Nid::parse(nid.as_bytes()).expect("a nid")
    }

    pub(crate) fn ask<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&self.key);
        for word in &words[1..] {
            command.arg(word);
        }
        command.query(&mut self.connection).expect("an answer")
    }

    pub(crate) async fn grows_beyond(&mut self, length: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.ask::<usize>(&["XLEN"]) <= length {
            assert!(Instant::now() < deadline, "nothing came");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The third node also has two members in a channel of their own.
async fn start(engine: &Engine, proxy: &Proxy) -> (Nodes, Vec<Client>, Vec<Client>) {
    let (nodes, clients) = town_behind(engine, proxy).await;
    let mut alone = Vec::new();
    for name in ["eve", "fay"] {
        alone.push(Client::joined_in(&nodes, 2, name, "b").await);
    }
    alone[0].hears(&["joined fay"]).await;
    (nodes, clients, alone)
}

/// Something happens in the channel of all nodes, and the third one cannot hear of it any more.
pub(crate) async fn miss_something(
    nodes: &Nodes,
    engine: &Engine,
    proxy: &Proxy,
    ann: &Client,
    lose: &[&str],
) {
    let mut inbox = Inbox::of_third(engine, nodes);
    proxy.stall();
    let length = inbox.ask(&["XLEN"]);
    ann.mute(true).await;
    inbox.grows_beyond(length).await;
    inbox.ask::<u64>(lose);
    // What is on its way may still arrive until the node knows that its connections have ended.
    proxy.cut();
    until("the node dials anew", || proxy.refused() > 0).await;
    proxy.mend();
}

/// Dan's messages may be lost, so he has to come back. Eve and Fay stay.
async fn dan_comes_back(nodes: &Nodes, clients: &mut Vec<Client>, alone: &mut [Client]) {
    let sessions: Vec<_> = alone.iter().map(Client::session).collect();
    let dan = clients.remove(3);
    until("Dan is closed", || dan.sink.close_reason().is_some()).await;
    assert_eq!(dan.sink.close_reason(), Some(CloseReason::SeatLost));
    assert!(dan.connection.seat().is_none());
    clients[1]
        .hears(&["state ann true", "left dan DISCONNECTED"])
        .await;
    drop(dan);
    clients.push(Client::joined(nodes, 2, "dan").await);
    agree(nodes, clients).await;
    let now: Vec<_> = alone.iter().map(Client::session).collect();
    assert_eq!(now, sessions);
    for client in alone {
        client.hears_nothing();
    }
}

#[tokio::test]
async fn members_that_share_a_channel_come_back_if_the_inbox_was_trimmed_and_others_stay() {
    let log = Log::new();
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, mut alone) = start(&engine, &proxy).await;
    let trim = ["XTRIM", "MAXLEN", "0"];
    miss_something(&nodes, &engine, &proxy, &clients[0], &trim).await;
    dan_comes_back(&nodes, &mut clients, &mut alone).await;
    let now = nodes.nodes[2].metrics();
    assert_eq!((now.seats_lost, now.resyncs, now.fenced), (1, 1, 0));
    assert_eq!(now.reasserted, 2, "Eve and Fay");
    assert_eq!(log.lines("entries of its inbox are lost").len(), 1);
    let lost = log.lines("have lost their seats");
    assert!(lost.len() == 1 && lost[0].contains("seats=1"), "{lost:?}");
    // The others are not concerned.
    for other in &nodes.nodes[..2] {
        assert_eq!(other.metrics().resyncs, 0);
    }
}

/// A member of the third node alone in each of a hundred channels. Then the network becomes so slow
/// that a hundred questions, one after the other, take longer than a lease.
async fn many_channels(nodes: &Nodes, proxy: &Proxy) -> Vec<Client> {
    let mut alone = Vec::new();
    for number in 0..100 {
        let name: &'static str = format!("alone {number}").leak();
        alone.push(Client::joined_in(nodes, 2, name, name).await);
    }
    proxy.delay(LEASE / 100);
    alone
}

#[tokio::test]
async fn a_node_with_many_channels_finds_out_in_time_which_are_shared() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients) = town_behind(&engine, &proxy).await;
    let mut alone = many_channels(&nodes, &proxy).await;
    let trim = ["XTRIM", "MAXLEN", "0"];
    miss_something(&nodes, &engine, &proxy, &clients[0], &trim).await;
    proxy.delay(LEASE / 100);
    dan_comes_back(&nodes, &mut clients, &mut alone).await;
    let now = nodes.nodes[2].metrics();
    assert_eq!((now.seats_lost, now.fenced), (1, 0), "{now:?}");
}

#[tokio::test]
async fn an_inbox_that_is_gone_with_unread_entries_is_a_loss() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, mut alone) = start(&engine, &proxy).await;
    miss_something(&nodes, &engine, &proxy, &clients[0], &["DEL"]).await;
    dan_comes_back(&nodes, &mut clients, &mut alone).await;
}

#[tokio::test]
async fn an_inbox_that_is_gone_but_was_read_costs_nobody_a_seat() {
    let log = Log::new();
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, mut alone) = start(&engine, &proxy).await;
    let everybody =
        |clients: &[Client]| -> Vec<_> { clients.iter().map(Client::session).collect() };
    let before = (everybody(&clients), everybody(&alone));
    // It expires if the engine is away for an hour.
    Inbox::of_third(&engine, &nodes).ask::<u64>(&["DEL"]);
    until("the node has registered anew", || {
        nodes.nodes[2].metrics().resyncs == 1
    })
    .await;
    clients[0].mute(true).await;
    clients[3].hears(&["state ann true"]).await;
    agree(&nodes, &mut clients).await;
    assert_eq!((everybody(&clients), everybody(&alone)), before);
    alone[0].hears_nothing();
    assert_eq!(nodes.nodes[2].metrics().seats_lost, 0);
    assert_eq!(log.lines("its inbox is gone").len(), 1);
}

#[tokio::test]
async fn a_node_with_many_channels_hears_everything_while_it_compares_them() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients) = town_behind(&engine, &proxy).await;
    let mut alone = many_channels(&nodes, &proxy).await;
    Inbox::of_third(&engine, &nodes).ask::<u64>(&["DEL"]);
    let third = &nodes.nodes[2];
    until("it has compared", || {
        assert_ne!(third.state(), NodeState::CutOff);
        third.metrics().resyncs == 1
    })
    .await;
    agree(&nodes, &mut clients).await;
    for client in &mut alone {
        client.hears_nothing();
    }
    assert_eq!(third.metrics().seats_lost, 0);
}

#[tokio::test]
async fn a_node_warns_once_if_its_inbox_is_half_full() {
    let log = Log::new();
    let engine = Engine::start();
    // The third node has a user of its own, so that its reading can be stopped while it beats.
    let reads = |may: &str| {
        let mut rights = redis::cmd("ACL");
        rights
            .arg("SETUSER")
            .arg("third")
            .arg(&["on", ">third", "~*", "+@all", may]);
        rights.exec(&mut engine.connection()).expect("allowed");
    };
    reads("+xread");
    let third = engine.url().replace("//", "//third:third@");
    let urls = [engine.url(), engine.url(), third];
    let nodes = Nodes::start_by(&engine, &urls, ClusterDirectory::default()).await;
    let mut clients = people(&nodes).await;
    let mut inbox = Inbox::of_third(&engine, &nodes);
    for episode in 1..=2 {
        reads("-xread");
        // A newer node may write what this one does not know.
        let mut pipeline = redis::pipe();
        for _ in 0..HALF {
            let add = pipeline.cmd("XADD").arg(&inbox.key).arg("*");
            add.arg("x").arg("y").ignore();
        }
        pipeline.exec(&mut inbox.connection).expect("written");
        let warnings = || log.lines("reads its inbox too slowly").len();
        until("it has warned", || warnings() >= episode).await;
        // There are some beats more.
        sleep(2 * LEASE / 3).await;
        assert_eq!(warnings(), episode);
        reads("+xread");
        let deadline = Instant::now() + PATIENCE;
        while inbox.ask::<usize>(&["XLEN"]) > HALF / 4 {
            assert!(Instant::now() < deadline, "what was read is not trimmed");
            sleep(Duration::from_millis(50)).await;
        }
        state(&nodes, NodeState::Ok).await;
        // A beat has to see that it is over.
        sleep(2 * LEASE / 3).await;
    }
    agree(&nodes, &mut clients).await;
    let now = nodes.nodes[2].metrics();
    assert_eq!((now.resyncs, now.seats_lost), (0, 0), "nothing is lost");
}
