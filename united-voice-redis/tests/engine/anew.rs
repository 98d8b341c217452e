//! A node that registers anew: what its members did meanwhile is not lost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::{Instant, sleep};
use united_voice_core::test_util::ClusterDirectory;
use united_voice_redis::{Introduction, Keys, Nid, Registered, Scripts};
use united_voice_redis_server::Engine;

use crate::{
    nodes::Nodes,
    overrun::Inbox,
    town::{Client, PATIENCE, agree, people, town, until},
};

/// Three nodes with people, and a fourth without, which asks the engine for each roster. The third
/// node is a user of the engine of its own.
async fn town_with_witness(engine: &Engine) -> (Nodes, Vec<Client>) {
    third_may(engine, "+get");
    let third = engine.url().replace("//", "//third:third@");
    let urls = [engine.url(), engine.url(), third, engine.url()];
    let nodes = Nodes::start_by(engine, &urls, ClusterDirectory::default()).await;
    let clients = people(&nodes).await;
    (nodes, clients)
}

/// Only `register` uses `GET`, before it writes anything.
fn third_may(engine: &Engine, right: &str) {
    let mut rights = redis::cmd("ACL");
    rights
        .arg("SETUSER")
        .arg("third")
        .arg(&["on", ">third", "~*", "+@all", right]);
    rights.exec(&mut engine.connection()).expect("allowed");
}

#[derive(Clone, Copy, PartialEq)]
enum Loss {
    OfAllData,
    OfTheInbox,
}

impl Loss {
    /// The third node has lost its registration, and tries in vain to get a new one.
    async fn befalls(self, engine: &Engine, nodes: &Nodes) {
        third_may(engine, "-get");
        match self {
            Self::OfAllData => {
                let flushed = redis::cmd("FLUSHALL").exec(&mut engine.connection());
                flushed.expect("flushed");
            }
            Self::OfTheInbox => {
                Inbox::of_third(engine, nodes).ask::<u64>(&["DEL"]);
            }
        }
        until("it tries to register", || {
            nodes.nodes[2].metrics().engine_errors > 0
        })
        .await;
    }
}

async fn a_leave_during(loss: Loss) {
    let engine = Engine::start();
    let (nodes, mut clients) = town_with_witness(&engine).await;
    loss.befalls(&engine, &nodes).await;
    let mut dan = clients.remove(3);
    dan.leave().await;
    third_may(&engine, "+get");
    dan.hears(&["left dan LEFT"]).await;
    agree(&nodes, &mut clients).await;
    for client in &mut clients {
        client.hears(&["left dan LEFT"]).await;
    }
}

async fn a_mute_during(loss: Loss) {
    let engine = Engine::start();
    let (nodes, mut clients) = town_with_witness(&engine).await;
    loss.befalls(&engine, &nodes).await;
    clients[3].mute(true).await;
    third_may(&engine, "+get");
    clients[3].hears(&["state dan true"]).await;
    agree(&nodes, &mut clients).await;
    for client in &mut clients[..3] {
        client.hears(&["state dan true"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_leaves_a_flushed_engine_is_gone() {
    a_leave_during(Loss::OfAllData).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_leaves_while_the_inbox_is_gone_is_gone() {
    a_leave_during(Loss::OfTheInbox).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_mutes_itself_on_a_flushed_engine_is_muted() {
    a_mute_during(Loss::OfAllData).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_mutes_itself_while_the_inbox_is_gone_is_muted() {
    a_mute_during(Loss::OfTheInbox).await;
}

/// A registration that has seats to put back, and never does. It outlives the test.
fn register(engine: &Engine, nodes: &Nodes, nid: Nid) {
    let keys = Keys::new(&nodes.prefix).expect("plain");
    let mut connection = engine.connection();
    let print: Vec<u8> = redis::cmd("GET")
        .arg(format!("{}print", keys.tagged()))
        .query(&mut connection)
        .expect("a fingerprint");
    let lease = 2 * PATIENCE;
    let register = Scripts::new(keys).register(&Introduction {
        boot: b"another",
        nid,
        name: "lost",
        // Behind the format.
        fingerprint: &print[1..],
        rotated: b"",
        lease_us: u64::try_from(lease.as_micros()).expect("short"),
        has_seats: true,
    });
    let answer = register.query(&mut connection).expect("an answer");
    Registered::parse(answer).expect("registered");
}

/// How many registrations have not put their seats back.
fn pending(engine: &Engine, nodes: &Nodes) -> usize {
    let mut question = redis::cmd("SCARD");
    question.arg(format!("{{{}}}:pending", nodes.prefix));
    question.query(&mut engine.connection()).expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registration_whose_answer_was_lost_keeps_nobody_waiting() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let mut inbox = Inbox::of_third(&engine, &nodes);
    let now = inbox.nid();
    register(&engine, &nodes, Nid::new(now.node, now.registration + 1));
    inbox.ask::<u64>(&["DEL"]);
    until("all seats are back", || {
        nodes.nodes[2].metrics().resyncs > 0 && pending(&engine, &nodes) == 0
    })
    .await;
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_never_puts_its_seats_back_keeps_nobody_from_comparing() {
    let engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    register(&engine, &nodes, Nid::new(u32::MAX, 1));
    Inbox::of_third(&engine, &nodes).ask::<u64>(&["DEL"]);
    until("it has compared", || nodes.nodes[2].metrics().resyncs > 0).await;
    assert_eq!(
        pending(&engine, &nodes),
        1,
        "it waits for the other no more"
    );
    agree(&nodes, &mut clients).await;
}

/// As if the clock of the engine had been ahead by an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_inbox_is_not_trimmed_by_what_was_read_of_the_old_one() {
    let engine = Engine::start();
    // An engine trims in steps of so many entries.
    redis::cmd("CONFIG")
        .arg(&["SET", "stream-node-max-entries", "1"])
        .exec(&mut engine.connection())
        .expect("set");
    let (nodes, mut clients) = town(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    let later = SystemTime::now() + Duration::from_secs(3600);
    let later = later.duration_since(UNIX_EPOCH).expect("after 1970");
    let id = format!("{}-0", later.as_millis());
    let mut inbox = Inbox::of_third(&engine, &nodes);
    // A newer node may write what this one does not know.
    inbox.ask::<String>(&["XADD", &id, "x", "y"]);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let first: Vec<(String, Vec<Vec<u8>>)> = inbox.ask(&["XRANGE", "-", "+", "COUNT", "1"]);
        if first.first().is_some_and(|(first, _)| *first == id) {
            break;
        }
        assert!(Instant::now() < deadline, "what was read is not trimmed");
        sleep(Duration::from_millis(20)).await;
    }
    inbox.ask::<u64>(&["DEL"]);
    until("it has compared", || nodes.nodes[2].metrics().resyncs > 0).await;
    agree(&nodes, &mut clients).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions);
    let now = nodes.nodes[2].metrics();
    assert_eq!((now.resyncs, now.seats_lost), (1, 0), "{now:?}");
}

/// The comparison waits for a node that never puts its seats back. It begins with the reaping of
/// earlier registrations, so it must not begin before the seats have moved from there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_that_waits_ends_no_seat_during_the_next_repair() {
    let engine = Engine::start();
    let (nodes, mut clients) = town_with_witness(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    register(&engine, &nodes, Nid::new(u32::MAX, 1));
    Inbox::of_third(&engine, &nodes).ask::<u64>(&["DEL"]);
    until("its seat is back", || {
        nodes.nodes[2].metrics().reasserted == 1
    })
    .await;
    Loss::OfTheInbox.befalls(&engine, &nodes).await;
    third_may(&engine, "+get");
    until("its seat is back again", || {
        nodes.nodes[2].metrics().resyncs == 1
    })
    .await;
    agree(&nodes, &mut clients).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions);
    for client in &mut clients {
        client.hears_nothing();
    }
}
