//! A host hears of the end of each stay once, on one node, whatever befell the node of the member.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use united_voice_core::{
    CloseReason, UserId, VoiceEvent, VoiceEvents,
    test_util::{ClusterDirectory, ClusterUnderTest},
};
use united_voice_redis::{Keys, Reaped, Registration, Scripts};
use united_voice_redis_server::{Engine, Proxy};

use crate::{
    failover::{detach, follow, lead_to, promote},
    nodes::Nodes,
    overrun::{Inbox, miss_something},
    town::{Client, PATIENCE, agree, people, town_behind, until},
};

/// What the hosts of all nodes hear.
struct Hosts(Vec<VoiceEvents>);

impl Hosts {
    fn of(nodes: &Nodes) -> Self {
        let servers = nodes.servers().iter();
        Self(servers.map(|server| server.registry().events()).collect())
    }

    /// The nodes whose hosts have heard that the stay ended, once for each time.
    async fn heard_end_of(self, stay: &str) -> Vec<usize> {
        let mut ends = self.heard_ends().await;
        ends.retain(|(_, ended)| ended == stay);
        ends.into_iter().map(|(node, _)| node).collect()
    }

    /// The end of each stay that a host has heard of, with its node.
    async fn heard_ends(mut self) -> Vec<(usize, String)> {
        let mut heard = Vec::new();
        for (node, events) in self.0.iter_mut().enumerate() {
            // Nothing more happens.
            while let Ok(event) = timeout(Duration::from_millis(200), events.recv()).await {
                if let Some(Ok(VoiceEvent::Left { session, .. })) = event {
                    heard.push((node, session.to_string()));
                }
            }
        }
        heard
    }
}

/// A town whose third node, which has Dan, hears nothing from now on.
async fn town_without_third(engine: &Engine, proxy: &Proxy) -> (Nodes, Vec<Client>, Client, Hosts) {
    let (nodes, mut clients) = town_behind(engine, proxy).await;
    let hosts = Hosts::of(&nodes);
    let dan = clients.remove(3);
    proxy.stall();
    (nodes, clients, dan, hosts)
}

/// The third node is back, and Dan's old connection has lost its seat.
async fn third_is_back(nodes: &Nodes, proxy: &Proxy, dan: &Client) {
    proxy.cut();
    proxy.mend();
    let deadline = Instant::now() + PATIENCE;
    while dan.connection.seat().is_some() || nodes.nodes[2].metrics().resyncs == 0 {
        assert!(Instant::now() < deadline, "Dan's old seat is still there");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the others have ended the third node's seats.
async fn third_is_reaped(engine: &Engine, nodes: &Nodes) {
    let pattern = format!("{{{}}}:leases", nodes.prefix);
    let deadline = Instant::now() + PATIENCE;
    let mut connection = engine.connection();
    loop {
        let mut question = redis::cmd("ZCARD");
        let alive: usize = question
            .arg(&pattern)
            .query(&mut connection)
            .expect("a number");
        if alive == 2 {
            return;
        }
        assert!(Instant::now() < deadline, "the third node is not reaped");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_that_was_reaped_ends_once_for_the_hosts() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, dan, hosts) = town_without_third(&engine, &proxy).await;
    let stay = dan.session();
    clients[0].hears(&["left dan DISCONNECTED"]).await;
    third_is_back(&nodes, &proxy, &dan).await;
    agree(&nodes, &mut clients).await;
    let heard = hosts.heard_end_of(&stay).await;
    assert!(heard.len() == 1 && heard[0] < 2, "by the reaper: {heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_that_was_reaped_before_its_user_came_back_ends_once_for_the_hosts() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, dan, hosts) = town_without_third(&engine, &proxy).await;
    let stay = dan.session();
    clients[0].hears(&["left dan DISCONNECTED"]).await;
    clients.push(Client::joined(&nodes, 0, "dan").await);
    third_is_back(&nodes, &proxy, &dan).await;
    agree(&nodes, &mut clients).await;
    assert_eq!(dan.sink.close_reason(), None, "he is told SESSION_REPLACED");
    let heard = hosts.heard_end_of(&stay).await;
    assert!(heard.len() == 1 && heard[0] < 2, "by the reaper: {heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_that_was_taken_over_before_its_node_was_reaped_ends_once_for_the_hosts() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, dan, hosts) = town_without_third(&engine, &proxy).await;
    let stay = dan.session();
    clients.push(Client::joined(&nodes, 0, "dan").await);
    clients[0].hears(&["left dan REPLACED", "joined dan"]).await;
    third_is_reaped(&engine, &nodes).await;
    third_is_back(&nodes, &proxy, &dan).await;
    agree(&nodes, &mut clients).await;
    assert_eq!(hosts.heard_end_of(&stay).await, [2], "by Dan's own node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_that_the_host_ended_while_its_node_was_silent_ends_once_for_the_hosts() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients, dan, hosts) = town_without_third(&engine, &proxy).await;
    let stay = dan.session();
    let user = UserId::new("dan").expect("an id");
    assert_eq!(nodes.servers()[0].kick(&user).await, Ok(true));
    clients[0].hears(&["left dan KICKED"]).await;
    third_is_reaped(&engine, &nodes).await;
    third_is_back(&nodes, &proxy, &dan).await;
    agree(&nodes, &mut clients).await;
    assert_eq!(hosts.heard_end_of(&stay).await, [2], "by Dan's own node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_whose_end_the_engine_lost_ends_once_for_the_hosts() {
    let (primary, replica) = (Engine::start(), Engine::start());
    follow(&replica, &primary);
    let address = Proxy::before(primary.address()).await;
    let urls = vec![address.url(); 3];
    let nodes = Nodes::start_by(&primary, &urls, ClusterDirectory::default()).await;
    let mut clients = people(&nodes).await;
    let hosts = Hosts::of(&nodes);
    detach(&replica, &primary).await;
    let ben = clients.remove(1);
    let stay = ben.session();
    ben.leave().await;
    agree(&nodes, &mut clients).await;
    promote(&replica);
    lead_to(&address, &replica);
    until("all nodes have compared", || {
        nodes.nodes.iter().all(|node| node.metrics().resyncs > 0)
    })
    .await;
    agree(&nodes, &mut clients).await;
    assert_eq!(hosts.heard_end_of(&stay).await, [1], "when he left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stay_that_was_lost_with_entries_of_the_inbox_ends_once_for_the_hosts() {
    let engine = Engine::start();
    let proxy = Proxy::before(engine.address()).await;
    let (nodes, mut clients) = town_behind(&engine, &proxy).await;
    let hosts = Hosts::of(&nodes);
    let dan = clients.remove(3);
    let stay = dan.session();
    let trim = ["XTRIM", "MAXLEN", "0"];
    miss_something(&nodes, &engine, &proxy, &clients[0], &trim).await;
    until("it has compared", || nodes.nodes[2].metrics().resyncs > 0).await;
    assert_eq!(dan.sink.close_reason(), Some(CloseReason::SeatLost));
    agree(&nodes, &mut clients).await;
    assert_eq!(hosts.heard_end_of(&stay).await, [2], "by Dan's own node");
}

/// More than one call of `reap` ends.
const CROWD: usize = 40;

/// Takes the third node for dead and ends some of its seats, in the place of the first one. Both
/// happen in one step, so that no beat comes between.
fn reap_once(engine: &Engine, nodes: &Nodes) {
    let [first, third] = ["node-0", "node-2"].map(|name| Inbox::of(engine, nodes, name).nid());
    let keys = Keys::new(&nodes.prefix).expect("plain");
    let tag = keys.tagged().to_string();
    let mut connection = engine.connection();
    let boot = redis::cmd("GET")
        .arg(format!("{tag}boot"))
        .query(&mut connection);
    let of = Registration {
        boot: boot.expect("a boot id"),
        nid: first,
    };
    let mut reap = redis::pipe();
    reap.atomic()
        .zadd(format!("{tag}leases"), third.to_string(), 1)
        .ignore();
    reap.add_command(Scripts::new(keys).reap(&of, third));
    let (answer,): (redis::Value,) = reap.query(&mut connection).expect("an answer");
    assert_eq!(Reaped::parse(answer).expect("reaped"), Reaped::More(32));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_wakes_while_it_is_being_reaped_takes_the_ends_for_its_own_loss() {
    let engine = Engine::start();
    let nodes = Nodes::start(&engine, 3, ClusterDirectory::default()).await;
    let mut clients = people(&nodes).await;
    for number in 0..CROWD {
        clients.push(Client::joined(&nodes, 2, &format!("user {number}")).await);
    }
    agree(&nodes, &mut clients).await;
    let hosts = Hosts::of(&nodes);
    reap_once(&engine, &nodes);
    until("it has compared", || nodes.nodes[2].metrics().resyncs > 0).await;
    let (mut there, mut gone) = (Vec::new(), Vec::new());
    for client in clients {
        if client.connection.seat().is_some() {
            there.push(client);
        } else {
            gone.push(client);
        }
    }
    agree(&nodes, &mut there).await;
    // Others may have gone on with the reaping before the node came back.
    assert!((32..=CROWD + 1).contains(&gone.len()), "{}", gone.len());
    for client in &mut gone {
        let user = client.connection.user().to_string();
        assert_eq!(
            client.sink.close_reason(),
            Some(CloseReason::SeatLost),
            "{user}"
        );
        client.look();
        let own_end = format!("left {user} DISCONNECTED");
        assert!(!client.told.contains(&own_end), "{user} is told 1013 alone");
    }
    let ends = hosts.heard_ends().await;
    assert_eq!(ends.len(), gone.len(), "each stay once");
    assert!(ends.iter().all(|(node, _)| *node < 2), "by the reaper");
}
