//! What whole nodes do if the engine or a node fails.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};
use united_voice_core::{
    ChannelId, UserId, VoiceConnection, VoiceServer,
    proto::{
        voice::{
            VoiceErrorCode, VoiceJoinRequest, VoiceLeaveRequest, VoiceParticipant, VoiceStateUpdate,
        },
        ws::{Envelope, envelope::Payload},
    },
    signaling::dispatch,
    test_util::{ClusterDirectory, ClusterUnderTest, RecordingSink},
};
use united_voice_redis::NodeState;

use crate::{
    nodes::Nodes,
    server::{self, Engine},
};

/// The lease of [`Nodes`].
const LEASE: Duration = Duration::from_secs(3);
/// Long enough for a machine with other work. What must come sooner is compared by order.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that keeps its own list of the others, by what it is told.
struct Client {
    server: VoiceServer<ClusterDirectory>,
    connection: VoiceConnection,
    sink: Arc<RecordingSink>,
    others: Vec<VoiceParticipant>,
    /// Unasked events, and errors, since the last look.
    told: Vec<String>,
}

impl Client {
    fn new(nodes: &Nodes, node: usize, name: &str) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let server = nodes.servers()[node].clone();
        let user = UserId::new(name).expect("an id");
        let connection = server.connect(&user, sink.clone()).expect("connected");
        Self {
            server,
            connection,
            sink,
            others: Vec::new(),
            told: Vec::new(),
        }
    }

    async fn joined(nodes: &Nodes, node: usize, name: &str) -> Self {
        let mut client = Self::new(nodes, node, name);
        // The first join may meet a cluster that has not begun.
        let deadline = Instant::now() + PATIENCE;
        while client.connection.seat().is_none() {
            assert!(Instant::now() < deadline, "{name} never got in");
            client.join().await;
            sleep(Duration::from_millis(20)).await;
        }
        client.look();
        client.told.clear();
        client
    }

    async fn ask(&self, payload: Payload) {
        let envelope = Envelope {
            request_id: "1".into(),
            payload: Some(payload),
        };
        dispatch(&self.server, &self.connection, envelope, SystemTime::now()).await;
    }

    async fn join(&self) {
        let channel_id = "a".into();
        self.ask(Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id }))
            .await;
    }

    async fn mute(&self, muted: bool) {
        let update = VoiceStateUpdate {
            channel_id: "a".into(),
            muted,
            ..VoiceStateUpdate::default()
        };
        self.ask(Payload::VoiceStateUpdate(update)).await;
    }

    async fn leave(&self) {
        let channel_id = "a".into();
        self.ask(Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id }))
            .await;
    }

    fn session(&self) -> String {
        let (_, session) = self.connection.seat().expect("seated");
        session.to_string()
    }

    /// Takes in what has arrived.
    fn look(&mut self) {
        for envelope in self.sink.take() {
            match envelope.payload.expect("a payload") {
                Payload::VoiceJoinResponse(response) => self.others = response.participants,
                Payload::VoiceParticipantJoinedEvent(event) => {
                    let who = event.participant.expect("a participant");
                    self.told.push(format!("joined {}", who.user_id));
                    self.others.push(who);
                }
                Payload::VoiceLeaveEvent(event) => {
                    let reason = event.reason().as_str_name();
                    let reason = reason.trim_start_matches("VOICE_LEAVE_REASON_");
                    self.told.push(format!("left {} {reason}", event.user_id));
                    self.others
                        .retain(|other| other.session_id != event.session_id);
                }
                Payload::VoiceStateUpdate(update) => {
                    self.told
                        .push(format!("state {} {}", update.user_id, update.muted));
                    for other in &mut self.others {
                        if other.user_id == update.user_id {
                            (other.muted, other.deafened) = (update.muted, update.deafened);
                        }
                    }
                }
                Payload::VoiceError(error) => {
                    self.told
                        .push(format!("error {}", error.code().as_str_name()));
                }
                other => panic!("not expected here: {other:?}"),
            }
        }
    }

    /// Waits until it was told exactly this, and forgets it.
    async fn hears(&mut self, expected: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while self.told.len() < expected.len() {
            assert!(
                Instant::now() < deadline,
                "heard {:?}, not {expected:?}",
                self.told
            );
            sleep(Duration::from_millis(10)).await;
            self.look();
        }
        assert_eq!(self.told, expected);
        self.told.clear();
    }

    fn hears_nothing(&mut self) {
        self.look();
        assert!(self.told.is_empty(), "{:?}", self.told);
    }
}

/// Waits until every node, the engine and these clients have the same roster, which has only these
/// clients.
async fn agree(nodes: &Nodes, clients: &mut [Client]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match disagreement(nodes, clients).await {
            None => return,
            Some(why) => assert!(Instant::now() < deadline, "{why}"),
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn disagreement(nodes: &Nodes, clients: &mut [Client]) -> Option<String> {
    let channel = ChannelId::new("a").expect("an id");
    let mut rosters = Vec::new();
    for server in nodes.servers() {
        match server.roster(&channel).await {
            Ok(roster) => rosters.push(roster),
            Err(error) => return Some(error.to_string()),
        }
    }
    let truth = &rosters[0];
    if rosters.iter().any(|roster| roster != truth) {
        return Some(format!("the nodes differ: {rosters:#?}"));
    }
    if truth.len() != clients.len() {
        return Some(format!("{} clients, {} seats", clients.len(), truth.len()));
    }
    for client in clients {
        client.look();
        let Some((_, session)) = client.connection.seat() else {
            return Some(format!("{} has no seat", client.connection.user()));
        };
        let session = session.to_string();
        let mut others = truth.clone();
        others.retain(|other| other.session_id != session);
        let mut seen = client.others.clone();
        // A repair keeps the order, but a client that was told of one after the other has it.
        seen.sort_by(|one, other| one.session_id.cmp(&other.session_id));
        others.sort_by(|one, other| one.session_id.cmp(&other.session_id));
        if seen != others {
            return Some(format!(
                "{} sees {seen:#?}, not {others:#?}",
                client.connection.user()
            ));
        }
    }
    None
}

async fn state(nodes: &Nodes, expected: NodeState) {
    let deadline = Instant::now() + PATIENCE;
    while nodes.nodes.iter().any(|node| node.state() != expected) {
        assert!(Instant::now() < deadline, "not all nodes are {expected:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn pause(engine: &Engine, time: Duration) {
    let mut control = engine.connection();
    let millis = u64::try_from(time.as_millis()).expect("short");
    let paused = redis::cmd("CLIENT")
        .arg("PAUSE")
        .arg(millis)
        .exec(&mut control);
    paused.expect("paused");
}

async fn town(engine: &Engine) -> (Nodes, Vec<Client>) {
    let nodes = Nodes::start(engine, 3, ClusterDirectory::default()).await;
    let mut clients = Vec::new();
    for (node, name) in [(0, "ann"), (1, "ben"), (0, "cat"), (2, "dan")] {
        clients.push(Client::joined(&nodes, node, name).await);
    }
    agree(&nodes, &mut clients).await;
    for client in &mut clients {
        client.told.clear();
    }
    (nodes, clients)
}

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
    clients[3].hears(&["state ann true", "joined eve"]).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_restarts_with_its_data_costs_nobody_a_seat() {
    let mut engine = Engine::start();
    let (nodes, mut clients) = town(&engine).await;
    let sessions: Vec<_> = clients.iter().map(Client::session).collect();
    engine.wait_until_written();
    engine.restart("keep");
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
    engine.restart("empty");
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
    let engine = server::shared();
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
