//! A replica that is behind takes the place of the engine.

use std::time::Duration;

use redis::InfoDict;
use tokio::time::{Instant, sleep};
use united_voice_core::{
    ChannelId, CloseReason, UserId,
    test_util::{ClusterDirectory, ClusterUnderTest},
};
use united_voice_redis_server::{Engine, Proxy, free_port};

use crate::{
    nodes::Nodes,
    overrun::Inbox,
    town::{Client, LEASE, PATIENCE, agree, people, tell, until},
};

fn replication(engine: &Engine) -> InfoDict {
    let question = redis::cmd("INFO").arg("replication").to_owned();
    question.query(&mut engine.connection()).expect("an answer")
}

/// Makes one engine a replica of another.
pub(crate) fn follow(replica: &Engine, primary: &Engine) {
    let port = primary.address().port().to_string();
    tell(replica, &["REPLICAOF", "127.0.0.1", &port]);
}

/// Waits until the replica has everything, and cuts its link. From now on it falls behind.
pub(crate) async fn detach(replica: &Engine, primary: &Engine) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (of, by) = (replication(primary), replication(replica));
        let is_up = by.get::<String>("master_link_status").as_deref() == Some("up");
        let offset = |of: &InfoDict, key| of.get::<u64>(key).unwrap_or_default();
        let written = offset(&of, "master_repl_offset");
        if is_up && offset(&by, "slave_repl_offset") >= written {
            break;
        }
        assert!(Instant::now() < deadline, "the replica does not catch up");
        sleep(Duration::from_millis(5)).await;
    }
    // Nothing listens there. It stays a replica.
    let nowhere = free_port().to_string();
    tell(replica, &["REPLICAOF", "127.0.0.1", &nowhere]);
}

/// All connections end, and new ones lead to this engine.
pub(crate) fn lead_to(address: &Proxy, engine: &Engine) {
    address.lead_to(engine.address());
    address.cut();
    address.mend();
}

pub(crate) fn promote(replica: &Engine) {
    tell(replica, &["REPLICAOF", "NO", "ONE"]);
}

/// An engine with a replica, and three nodes, of which the third has a way of its own.
struct Apart {
    primary: Engine,
    replica: Engine,
    most: Proxy,
    third: Proxy,
    nodes: Nodes,
}

impl Apart {
    async fn start(directory: ClusterDirectory) -> Self {
        let (primary, replica) = (Engine::start(), Engine::start());
        follow(&replica, &primary);
        let most = Proxy::before(primary.address()).await;
        let third = Proxy::before(primary.address()).await;
        let urls = [most.url(), most.url(), third.url()];
        let nodes = Nodes::start_by(&primary, &urls, directory).await;
        Self {
            primary,
            replica,
            most,
            third,
            nodes,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_gets_what_it_lacks_and_nobody_is_told() {
    let (primary, replica) = (Engine::start(), Engine::start());
    follow(&replica, &primary);
    let address = Proxy::before(primary.address()).await;
    let urls = vec![address.url(); 3];
    let nodes = Nodes::start_by(&primary, &urls, ClusterDirectory::default()).await;
    let mut clients = people(&nodes).await;
    detach(&replica, &primary).await;
    // The replica lacks a join, a state, a leave and a move of a seat to another node.
    clients.push(Client::joined(&nodes, 2, "eve").await);
    clients[0].mute(true).await;
    clients[1].leave().await;
    let cat = Client::joined(&nodes, 1, "cat").await;
    let old_cat = std::mem::replace(&mut clients[2], cat);
    let ben = clients.remove(1);
    agree(&nodes, &mut clients).await;
    for client in &mut clients {
        client.told.clear();
    }
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();

    promote(&replica);
    lead_to(&address, &replica);
    until("all nodes have noticed and compared", || {
        nodes.nodes.iter().all(|node| node.metrics().resyncs > 0)
    })
    .await;
    agree(&nodes, &mut clients).await;
    let now: Vec<_> = clients.iter().map(Client::session).collect();
    assert_eq!(now, sessions, "the same stays");
    for client in &mut clients {
        client.hears_nothing();
    }
    assert!(ben.connection.seat().is_none() && old_cat.connection.seat().is_none());
    for node in &nodes.nodes {
        let now = node.metrics();
        assert_eq!((now.seats_lost, now.fenced), (0, 0), "{now:?}");
    }
    // And life goes on.
    clients.push(Client::joined(&nodes, 0, "ben").await);
    clients[2].hears(&["joined ben"]).await;
    agree(&nodes, &mut clients).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_was_filled_meanwhile_costs_its_member_a_1013_and_nothing_else() {
    let directory = ClusterDirectory::default();
    directory.limit(&ChannelId::new("a").expect("an id"), 5);
    let Apart {
        primary,
        replica,
        most,
        third,
        nodes,
    } = Apart::start(directory).await;
    let mut clients = people(&nodes).await;
    detach(&replica, &primary).await;
    // The replica does not know that Eve took the last place.
    let eve = Client::joined(&nodes, 2, "eve").await;
    for client in &mut clients {
        client.hears(&["joined eve"]).await;
    }
    third.stall();
    promote(&replica);
    lead_to(&most, &replica);
    clients.push(Client::joined(&nodes, 0, "fay").await);
    lead_to(&third, &replica);
    until("Eve is closed", || eve.sink.close_reason().is_some()).await;
    assert_eq!(eve.sink.close_reason(), Some(CloseReason::SeatLost));
    agree(&nodes, &mut clients).await;
    for client in &mut clients[..4] {
        // Which comes first depends on when Eve's node comes back.
        client.told.sort_unstable();
        client.hears(&["joined fay", "left eve DISCONNECTED"]).await;
    }
    assert_eq!(nodes.servers()[0].stats().participants, 3);
}

/// The replica lacks the kick of one, and the seat of the other when that one is kicked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_kicked_around_a_failover_stays_away_and_is_told_why() {
    let Apart {
        primary,
        replica,
        most,
        third,
        nodes,
    } = Apart::start(ClusterDirectory::default()).await;
    let mut clients = people(&nodes).await;
    let mut dora = Client::joined(&nodes, 2, "dora").await;
    detach(&replica, &primary).await;
    let mut eve = Client::joined(&nodes, 2, "eve").await;
    for client in &mut clients {
        client.hears(&["joined dora", "joined eve"]).await;
    }
    third.stall();
    let kick = async |name: &str| {
        let user = UserId::new(name).expect("an id");
        nodes.servers()[0].kick(&user).await
    };
    assert_eq!(kick("dora").await, Ok(true));
    promote(&replica);
    lead_to(&most, &replica);
    // It cannot be decided until the first node has noticed.
    let deadline = Instant::now() + LEASE / 2;
    while let Err(error) = kick("eve").await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(10)).await;
    }
    lead_to(&third, &replica);
    for (member, name) in [(&mut dora, "dora"), (&mut eve, "eve")] {
        member.is_told_of(&format!("left {name} KICKED")).await;
        assert_eq!(member.sink.close_reason(), None);
    }
    agree(&nodes, &mut clients).await;
}

/// The third node does not hear that its connections to the engine have ended, and puts back what
/// the replica lacks some seconds after the others. They must not take its members for gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_notices_the_failover_last_costs_its_members_nothing() {
    let Apart {
        primary,
        replica,
        most,
        third,
        nodes,
    } = Apart::start(ClusterDirectory::default()).await;
    let mut clients = people(&nodes).await;
    detach(&replica, &primary).await;
    let eve = Client::joined(&nodes, 2, "eve").await;
    for client in &mut clients {
        client.hears(&["joined eve"]).await;
    }
    // So that the other nodes notice that they are behind, too.
    clients[0].mute(true).await;
    clients[1].mute(true).await;
    for client in &mut clients {
        client.told_of_states(&["ann", "ben"]).await;
    }
    clients.push(eve);
    clients[4].told_of_states(&["ann", "ben"]).await;
    // So long a silence is added to the leases that the replica knows.
    sleep(LEASE).await;
    // A beat that has just been made is the last one to arrive. The next one waits for an answer.
    let mut inbox = Inbox::of_third(&primary, &nodes);
    let length = inbox.ask(&["XLEN"]);
    inbox.grows_beyond(length).await;
    promote(&replica);
    third.lead_to(replica.address());
    third.swallow();
    lead_to(&most, &replica);
    let deadline = Instant::now() + PATIENCE;
    let mut muted = true;
    while nodes.nodes.iter().any(|node| node.metrics().resyncs == 0) {
        assert!(Instant::now() < deadline, "not all nodes have compared");
        // A node compares between two entries of its inbox, so there are some.
        muted = !muted;
        clients[0].mute(muted).await;
        sleep(Duration::from_millis(50)).await;
    }
    agree(&nodes, &mut clients).await;
    for client in &mut clients {
        client.told.retain(|told| !told.starts_with("state ann"));
        client.hears_nothing();
    }
}
