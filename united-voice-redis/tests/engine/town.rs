//! A few clients on three nodes, and whether all agree who is there.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, sleep};
use united_voice_core::{
    ChannelId, UserId, VoiceConnection, VoiceServer,
    proto::{
        voice::{
            VoiceJoinRequest, VoiceLeaveRequest, VoiceParticipant, VoiceSdpOffer,
            VoiceSpeakingEvent, VoiceStateUpdate,
        },
        ws::{Envelope, envelope::Payload},
    },
    signaling::dispatch,
    test_util::{ClusterDirectory, ClusterUnderTest, RecordingSink},
};
use united_voice_redis::NodeState;
use united_voice_redis_server::{Engine, Proxy};

use crate::nodes::Nodes;

/// The lease of [`Nodes`].
pub(crate) const LEASE: Duration = Duration::from_secs(3);
/// Long enough for a machine with other work. What must come sooner is compared by order.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client that keeps its own list of the others, by what it is told.
pub(crate) struct Client {
    server: VoiceServer<ClusterDirectory>,
    channel: &'static str,
    pub(crate) connection: VoiceConnection,
    pub(crate) sink: Arc<RecordingSink>,
    others: Vec<VoiceParticipant>,
    /// Unasked events, and errors, since the last look.
    pub(crate) told: Vec<String>,
}

impl Client {
    pub(crate) fn new(nodes: &Nodes, node: usize, name: &str) -> Self {
        Self::new_for(nodes, node, name, "a")
    }

    /// A client that joins this channel.
    fn new_for(nodes: &Nodes, node: usize, name: &str, channel: &'static str) -> Self {
        let sink = Arc::new(RecordingSink::default());
        let server = nodes.servers()[node].clone();
        let user = UserId::new(name).expect("an id");
        let connection = server.connect(&user, sink.clone()).expect("connected");
        Self {
            server,
            channel,
            connection,
            sink,
            others: Vec::new(),
            told: Vec::new(),
        }
    }

    pub(crate) async fn joined(nodes: &Nodes, node: usize, name: &str) -> Self {
        Self::joined_in(nodes, node, name, "a").await
    }

    pub(crate) async fn joined_in(
        nodes: &Nodes,
        node: usize,
        name: &str,
        channel: &'static str,
    ) -> Self {
        let mut client = Self::new_for(nodes, node, name, channel);
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

    pub(crate) async fn join(&self) {
        let channel_id = self.channel.into();
        self.ask(Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id }))
            .await;
    }

    pub(crate) async fn move_to(&mut self, channel: &'static str) {
        self.channel = channel;
        self.join().await;
    }

    pub(crate) async fn mute(&self, muted: bool) {
        let update = VoiceStateUpdate {
            channel_id: self.channel.into(),
            muted,
            ..VoiceStateUpdate::default()
        };
        self.ask(Payload::VoiceStateUpdate(update)).await;
    }

    pub(crate) async fn leave(&self) {
        let channel_id = self.channel.into();
        self.ask(Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id }))
            .await;
    }

    pub(crate) async fn offer(&self, to: &str) {
        let offer = VoiceSdpOffer {
            channel_id: self.channel.into(),
            target_user_id: to.into(),
            sdp: "v=0".into(),
            ..VoiceSdpOffer::default()
        };
        self.ask(Payload::VoiceSdpOffer(offer)).await;
    }

    pub(crate) async fn speak(&self, speaking: bool) {
        let event = VoiceSpeakingEvent {
            channel_id: self.channel.into(),
            speaking,
            ..VoiceSpeakingEvent::default()
        };
        self.ask(Payload::VoiceSpeakingEvent(event)).await;
    }

    pub(crate) fn session(&self) -> String {
        let (_, session) = self.connection.seat().expect("seated");
        session.to_string()
    }

    /// Takes in what has arrived.
    pub(crate) fn look(&mut self) {
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
                Payload::VoiceSpeakingEvent(event) => {
                    self.told
                        .push(format!("speaking {} {}", event.user_id, event.speaking));
                }
                Payload::VoiceSdpOffer(offer) => {
                    self.told.push(format!("offer of {}", offer.sender_user_id));
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
    pub(crate) async fn hears(&mut self, expected: &[&str]) {
        self.is_told(expected.len()).await;
        assert_eq!(self.told, expected);
        self.told.clear();
    }

    /// The same, if several nodes asked. `expected` is sorted.
    pub(crate) async fn hears_in_any_order(&mut self, expected: &[&str]) {
        self.is_told(expected.len()).await;
        self.told.sort_unstable();
        assert_eq!(self.told, expected);
        self.told.clear();
    }

    async fn is_told(&mut self, count: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.told.len() < count {
            assert!(
                Instant::now() < deadline,
                "heard {:?}, not {count} things",
                self.told
            );
            sleep(Duration::from_millis(10)).await;
            self.look();
        }
    }

    /// Waits until it was told this, among other things.
    pub(crate) async fn is_told_of(&mut self, what: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.told.iter().any(|told| told == what) {
            assert!(Instant::now() < deadline, "heard {:?}", self.told);
            sleep(Duration::from_millis(10)).await;
            self.look();
        }
    }

    /// Waits until it was told that these have muted themselves, in any order, and forgets it.
    pub(crate) async fn told_of_states(&mut self, of: &[&str]) {
        let expected: Vec<_> = of.iter().map(|who| format!("state {who} true")).collect();
        let deadline = Instant::now() + PATIENCE;
        while !expected.iter().all(|state| self.told.contains(state)) {
            assert!(Instant::now() < deadline, "heard {:?}", self.told);
            sleep(Duration::from_millis(10)).await;
            self.look();
        }
        self.told.clear();
    }

    pub(crate) fn hears_nothing(&mut self) {
        self.look();
        assert!(self.told.is_empty(), "{:?}", self.told);
    }
}

/// Waits until every node, the engine and these clients have the same roster, which has only these
/// clients.
pub(crate) async fn agree(nodes: &Nodes, clients: &mut [Client]) {
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

pub(crate) async fn state(nodes: &Nodes, expected: NodeState) {
    let deadline = Instant::now() + PATIENCE;
    while nodes.nodes.iter().any(|node| node.state() != expected) {
        assert!(Instant::now() < deadline, "not all nodes are {expected:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Sends the engine a command by a way of its own.
pub(crate) fn tell(engine: &Engine, words: &[&str]) {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.exec(&mut engine.connection()).expect("done");
}

pub(crate) fn pause(engine: &Engine, time: Duration) {
    let mut control = engine.connection();
    let millis = u64::try_from(time.as_millis()).expect("short");
    let paused = redis::cmd("CLIENT")
        .arg("PAUSE")
        .arg(millis)
        .exec(&mut control);
    paused.expect("paused");
}

pub(crate) async fn town(engine: &Engine) -> (Nodes, Vec<Client>) {
    let nodes = Nodes::start(engine, 3, ClusterDirectory::default()).await;
    let clients = people(&nodes).await;
    (nodes, clients)
}

/// A town whose third node has a way of its own to the engine.
pub(crate) async fn town_behind(engine: &Engine, proxy: &Proxy) -> (Nodes, Vec<Client>) {
    let urls = [engine.url(), engine.url(), proxy.url()];
    let nodes = Nodes::start_by(engine, &urls, ClusterDirectory::default()).await;
    let clients = people(&nodes).await;
    (nodes, clients)
}

pub(crate) async fn people(nodes: &Nodes) -> Vec<Client> {
    let mut clients = Vec::new();
    for (node, name) in [(0, "ann"), (1, "ben"), (0, "cat"), (2, "dan")] {
        clients.push(Client::joined(nodes, node, name).await);
    }
    agree(nodes, &mut clients).await;
    for client in &mut clients {
        client.told.clear();
    }
    clients
}
