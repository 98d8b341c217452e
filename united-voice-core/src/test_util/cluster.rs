//! What any backend of a cluster must do, as checks over its nodes.

mod client;
mod directory;

use std::{future::Future, sync::Arc, task::Poll};

use futures::{future::join_all, poll};
use parking_lot::Mutex;
use united_voice_proto::{
    voice::{VoiceErrorCode as Code, VoiceLeaveReason as Reason, VoiceSpeakingEvent},
    ws::envelope::Payload,
};

use self::client::{Client, candidate, channel, join, leave, line, short, state, user};
pub use self::directory::ClusterDirectory;
use super::RecordingSink;
use crate::VoiceServer;

/// What the conformance suite needs of nodes that share their channels.
pub trait ClusterUnderTest {
    /// The servers of the nodes, at least two. All have the directory that the suite gave.
    fn servers(&self) -> &[VoiceServer<ClusterDirectory>];

    /// Lets messages between the nodes move: waits for a moment, or moves some of them.
    fn pass_time(&self) -> impl Future<Output = ()>;
}

/// Checks that nodes behave as one server does: one order of events, exact limits, one seat for a
/// user, relays in order, refusals with their request's id, and the host's own actions from any
/// node.
///
/// `start` makes the nodes of a new cluster, with this directory. It is called once for each check,
/// and the clusters of two checks must not see each other.
///
/// # Panics
///
/// If the nodes fail a check, or if something has not happened after `patience` calls of
/// [`ClusterUnderTest::pass_time`].
pub async fn cluster_conformance<C, S>(
    patience: usize,
    mut start: impl FnMut(ClusterDirectory) -> S,
) where
    C: ClusterUnderTest,
    S: Future<Output = C>,
{
    macro_rules! check {
        ($($check:ident),*) => {$(
            let directory = ClusterDirectory::default();
            let nodes = start(directory.clone()).await;
            assert!(nodes.servers().len() > 1, "the suite needs two nodes");
            $check(&Site { nodes, directory, patience }).await;
        )*};
    }
    check!(
        members_of_all_nodes_see_one_order,
        a_limit_is_exact,
        a_takeover_ends_the_seat_on_another_node,
        a_move_is_one_step,
        relays_arrive_once_and_in_order,
        a_relay_that_cannot_arrive_is_refused,
        speaking_is_passed_on,
        the_host_acts_from_any_node,
        a_new_limit_binds_every_node
    );
}

struct Site<C> {
    nodes: C,
    directory: ClusterDirectory,
    patience: usize,
}

impl<C: ClusterUnderTest> Site<C> {
    fn server(&self, node: usize) -> &VoiceServer<ClusterDirectory> {
        let servers = self.nodes.servers();
        &servers[node % servers.len()]
    }

    fn client(&self, node: usize, name: &str) -> Client {
        let sink = Arc::new(RecordingSink::default());
        let server = self.server(node).clone();
        let connection = server.connect(&user(name), sink.clone());
        Client {
            name: name.into(),
            connection: connection.expect("a node accepts connections"),
            server,
            sink,
            heard: Mutex::default(),
        }
    }

    /// A client that has joined a channel.
    async fn joined(&self, node: usize, name: &str, channel: &str) -> Client {
        let client = self.client(node, name);
        let response = self.ask(&client, join(channel)).await;
        assert!(
            matches!(response, Payload::VoiceJoinResponse(_)),
            "{response:?}"
        );
        client
    }

    /// Waits for a future while time goes by.
    async fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        for _ in 0..self.patience {
            if let Poll::Ready(result) = poll!(&mut future) {
                return result;
            }
            self.nodes.pass_time().await;
        }
        panic!("a request was not answered");
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..self.patience {
            if is_so() {
                return;
            }
            self.nodes.pass_time().await;
        }
        panic!("it never happened: {what}");
    }

    /// Sends a request and waits for its reply.
    async fn ask(&self, client: &Client, payload: Payload) -> Payload {
        self.wait(client.send("request", payload)).await;
        let mut reply = None;
        self.until("a reply", || {
            reply = client.take_reply("request");
            reply.is_some()
        })
        .await;
        reply.expect("it was there")
    }

    /// Waits until the client has heard this, as the next events.
    async fn hears(&self, client: &Client, events: &[&str]) {
        self.until("enough events", || client.events().len() >= events.len())
            .await;
        assert_eq!(client.events(), events, "what {} heard", client.name);
        client.forget_events();
    }
}

async fn members_of_all_nodes_see_one_order<C: ClusterUnderTest>(site: &Site<C>) {
    let nodes = site.nodes.servers().len();
    let mut watchers = Vec::new();
    for node in 0..nodes {
        watchers.push(site.joined(node, &format!("watcher-{node}"), "a").await);
        let present = format!("joined watcher-{node}");
        for watcher in &watchers[..node] {
            site.hears(watcher, &[&present]).await;
        }
    }
    let crowd: Vec<Client> = (0..8)
        .map(|number| site.client(number, &format!("user-{number}")))
        .collect();
    // Each joins, says something and leaves, all at once.
    let lives = crowd.iter().map(async |client| {
        client.send("1", join("a")).await;
        client.send("2", state("a", true, false)).await;
        client.send("3", leave("a")).await;
    });
    site.wait(join_all(lives)).await;
    for watcher in &watchers {
        site.until("three events of each", || {
            watcher.events().len() >= 3 * crowd.len()
        })
        .await;
    }
    let seen = watchers[0].events();
    assert_eq!(seen.len(), 3 * crowd.len(), "each event once: {seen:?}");
    for watcher in &watchers {
        assert_eq!(watcher.events(), seen, "all see one order");
    }
    for client in &crowd {
        for request in ["1", "2", "3"] {
            site.until("a reply", || client.take_reply(request).is_some())
                .await;
            assert!(
                client.take_reply(request).is_none(),
                "one request, one reply"
            );
        }
    }
}

async fn a_limit_is_exact<C: ClusterUnderTest>(site: &Site<C>) {
    site.directory.limit(&channel("a"), 5);
    let crowd: Vec<Client> = (0..24)
        .map(|number| site.client(number, &format!("user-{number}")))
        .collect();
    let joins = crowd.iter().map(|client| client.send("request", join("a")));
    site.wait(join_all(joins)).await;
    let mut found = Vec::new();
    for client in &crowd {
        match client.take_reply("request") {
            Some(Payload::VoiceJoinResponse(response)) => found.push(response.participants.len()),
            Some(Payload::VoiceError(error)) => assert_eq!(error.code(), Code::ChannelFull),
            other => panic!("no answer to a join: {other:?}"),
        }
    }
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2, 3, 4], "what those who got in found");
}

async fn a_takeover_ends_the_seat_on_another_node<C: ClusterUnderTest>(site: &Site<C>) {
    let watcher = site.joined(1, "watcher", "a").await;
    let first = site.joined(0, "alice", "a").await;
    site.hears(&watcher, &["joined alice"]).await;
    let second = site.joined(1, "alice", "a").await;
    site.hears(&watcher, &["left alice REPLACED", "joined alice"])
        .await;
    site.hears(&first, &["error SESSION_REPLACED"]).await;
    assert_eq!(first.connection.seat(), None);
    // What the old connection does late touches nobody.
    drop(first);
    let update = site.ask(&second, state("a", true, true)).await;
    assert!(matches!(update, Payload::VoiceStateUpdate(_)), "{update:?}");
    site.hears(&watcher, &["state alice true true"]).await;
}

async fn a_move_is_one_step<C: ClusterUnderTest>(site: &Site<C>) {
    let here = site.joined(1, "here", "a").await;
    let there = site.joined(0, "there", "b").await;
    let alice = site.joined(0, "alice", "a").await;
    site.hears(&here, &["joined alice"]).await;
    let response = site.ask(&alice, join("b")).await;
    let Payload::VoiceJoinResponse(response) = response else {
        panic!("a move: {response:?}");
    };
    assert_eq!(response.participants.len(), 1);
    site.hears(&here, &["left alice MOVED"]).await;
    site.hears(&there, &["joined alice"]).await;
    let counts = [channel("a"), channel("b")];
    let counts = site.wait(site.server(1).counts(&counts)).await;
    assert_eq!(counts, Ok(vec![1, 2]));
}

async fn relays_arrive_once_and_in_order<C: ClusterUnderTest>(site: &Site<C>) {
    const MESSAGES: usize = 100;
    let alice = site.joined(0, "alice", "a").await;
    let bob = site.joined(1, "bob", "a").await;
    site.hears(&alice, &["joined bob"]).await;
    for number in 0..MESSAGES {
        alice.send("", candidate("a", "bob", number)).await;
        bob.send("", candidate("a", "alice", number)).await;
    }
    for (client, sender) in [(&alice, "bob"), (&bob, "alice")] {
        let sent: Vec<String> = (0..MESSAGES)
            .map(|number| format!("candidate {sender} {number}"))
            .collect();
        site.until("all messages", || client.events().len() >= MESSAGES)
            .await;
        assert_eq!(client.events(), sent);
    }
}

async fn a_relay_that_cannot_arrive_is_refused<C: ClusterUnderTest>(site: &Site<C>) {
    let alice = site.joined(0, "alice", "a").await;
    let bob = site.joined(1, "bob", "a").await;
    site.hears(&alice, &["joined bob"]).await;
    // The leave and the message cross: the message arrives, or it is refused.
    bob.send("", leave("a")).await;
    alice.send("relay", candidate("a", "bob", 1)).await;
    site.hears(&alice, &["left bob LEFT"]).await;
    let arrived = |client: &Client| {
        client
            .events()
            .iter()
            .any(|line| line.starts_with("candidate"))
    };
    site.until("the message arrives or is refused", || {
        let refused = alice.take_reply("relay").map(|reply| line(&reply));
        refused.as_deref() == Some("error TARGET_NOT_IN_CHANNEL") || arrived(&bob)
    })
    .await;
    let late = site.ask(&alice, candidate("a", "bob", 2)).await;
    assert_eq!(line(&late), "error TARGET_NOT_IN_CHANNEL");
}

async fn speaking_is_passed_on<C: ClusterUnderTest>(site: &Site<C>) {
    let alice = site.joined(0, "alice", "a").await;
    let bob = site.joined(1, "bob", "a").await;
    site.hears(&alice, &["joined bob"]).await;
    let event = VoiceSpeakingEvent {
        channel_id: "a".into(),
        speaking: true,
        ..VoiceSpeakingEvent::default()
    };
    alice.send("", Payload::VoiceSpeakingEvent(event)).await;
    site.hears(&bob, &["speaking alice true"]).await;
}

async fn the_host_acts_from_any_node<C: ClusterUnderTest>(site: &Site<C>) {
    let (a, alice_id) = (channel("a"), user("alice"));
    let alice = site.joined(0, "alice", "a").await;
    let bob = site.joined(1, "bob", "a").await;
    site.hears(&alice, &["joined bob"]).await;
    let [one, other] = [site.server(0), site.server(1)];
    let rosters = [
        site.wait(one.roster(&a)).await,
        site.wait(other.roster(&a)).await,
    ];
    assert_eq!(rosters[0], rosters[1]);
    assert_eq!(rosters[0].as_ref().map(Vec::len), Ok(2));
    assert_eq!(
        site.wait(other.kick_from(&alice_id, &channel("b"))).await,
        Ok(false)
    );
    assert_eq!(site.wait(other.kick(&alice_id)).await, Ok(true));
    site.hears(&alice, &["left alice KICKED"]).await;
    site.hears(&bob, &["left alice KICKED"]).await;
    assert_eq!(site.wait(one.leave_all_channels(&user("bob"))).await, Ok(1));
    site.hears(
        &bob,
        &[&format!("left bob {}", short(Reason::Disconnected))],
    )
    .await;
    for client in [&alice, &bob] {
        let response = site.ask(client, join("a")).await;
        assert!(
            matches!(response, Payload::VoiceJoinResponse(_)),
            "{response:?}"
        );
    }
    site.until("both have joined", || alice.events().len() == 1)
        .await;
    alice.forget_events();
    assert_eq!(site.wait(one.close_channel(&a)).await, Ok(2));
    site.until("all are out", || {
        alice.connection.seat().is_none() && bob.connection.seat().is_none()
    })
    .await;
    assert_eq!(
        site.wait(other.counts(std::slice::from_ref(&a))).await,
        Ok(vec![0])
    );
}

async fn a_new_limit_binds_every_node<C: ClusterUnderTest>(site: &Site<C>) {
    let a = channel("a");
    let _alice = site.joined(0, "alice", "a").await;
    for node in 0..site.nodes.servers().len() {
        let name = format!("user-{node}");
        let client = site.joined(node, &name, "a").await;
        drop(client);
        site.directory.limit(&a, 1);
        site.wait(site.server(node + 1).policy_changed(&a))
            .await
            .expect("the engine answers");
        let late = site.client(node, &format!("late-{node}"));
        let refused = site.ask(&late, join("a")).await;
        assert_eq!(line(&refused), "error CHANNEL_FULL");
        site.directory.limit(&a, 0);
        site.wait(site.server(node).policy_changed(&a))
            .await
            .expect("the engine answers");
    }
}
