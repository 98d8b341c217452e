//! A member of a channel without audio. It answers offers, and records everything that should not
//! happen.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::net::TcpSocket;
use united_voice_client::{Client, Event, Events, LeaveReason, Roster};
use united_voice_scenarios::{User, voice::VoiceParticipant};

/// About the size of a browser's description of one audio line.
const DESCRIPTION_BYTES: usize = 1_500;

/// How long a request may take. Five lost packets in a row cost fifteen seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(40);

/// A user with a connection.
pub(crate) struct Member {
    pub(crate) user: User,
    client: Client,
    seen: Arc<Mutex<Seen>>,
}

/// What the member has seen so far.
#[derive(Default)]
struct Seen {
    roster: Roster,
    /// The offers sent minus the answers received.
    unanswered: i64,
    trouble: Vec<String>,
}

impl Member {
    /// Connects with a socket of some machine.
    pub(crate) async fn connect(
        user: &User,
        server: SocketAddr,
        socket: impl Fn() -> TcpSocket + Send + Sync + 'static,
    ) -> Self {
        let (client, events) = Client::builder(format!("ws://{server}/ws"))
            .token(&user.token)
            .open_timeout(REQUEST_TIMEOUT)
            .request_timeout(REQUEST_TIMEOUT)
            .dial_with(move |_| socket().connect(server))
            .connect()
            .await
            .expect("the server lets a member in");
        let seen = Arc::default();
        tokio::spawn(follow(events, client.clone(), Arc::clone(&seen)));
        Self {
            user: user.clone(),
            client,
            seen,
        }
    }

    /// Joins, and sends an offer to every participant.
    pub(crate) async fn join(&self, channel: &str) {
        let snapshot = self.client.join(channel).await.expect("let in");
        for participant in &snapshot.participants {
            self.seen().unanswered += 1;
            let offered = self.client.offer(participant, description("offer")).await;
            offered.expect("the connection is open");
        }
    }

    pub(crate) async fn leave(&self) {
        self.client.leave().await.expect("let out");
    }

    pub(crate) async fn mute(&self, muted: bool) {
        let told = self.client.set_state(muted, false).await;
        told.expect("a member may mute");
    }

    /// Whether this member has the server's roster, with order and states, and an answer to each
    /// offer.
    pub(crate) fn agrees(&self, server: &[VoiceParticipant]) -> Result<(), String> {
        let seen = self.seen();
        let others = server
            .iter()
            .filter(|participant| participant.user_id != self.user.id);
        if !seen.roster.participants().iter().eq(others) {
            return Err(format!("{} knows {:?}", self.user.name, seen.roster));
        }
        match seen.unanswered {
            0 => Ok(()),
            missing => Err(format!("{} waits for {missing} answers", self.user.name)),
        }
    }

    /// Checks that the connection lasted, and that nobody was evicted.
    pub(crate) fn assert_untroubled(&self) {
        let trouble = &self.seen().trouble;
        assert!(trouble.is_empty(), "{}: {trouble:?}", self.user.name);
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

async fn follow(mut events: Events, client: Client, seen: Arc<Mutex<Seen>>) {
    while let Some(event) = events.next().await {
        if let Event::Offer(offer) = &event {
            let answered = client.answer(&offer.from, description("answer")).await;
            answered.expect("the connection is open");
        }
        lock(&seen).note(&event);
    }
}

impl Seen {
    fn note(&mut self, event: &Event) {
        self.roster.apply(event);
        match event {
            Event::Answer(_) => self.unanswered -= 1,
            Event::Left { reason, .. } if *reason == LeaveReason::Left => {}
            Event::Entered {
                rejoined: false, ..
            }
            | Event::Exited { .. }
            | Event::Joined { .. }
            | Event::Offer(_)
            | Event::State { .. } => {}
            other => self.trouble.push(format!("{other:?}")),
        }
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn description(kind: &str) -> String {
    format!("{kind:x<DESCRIPTION_BYTES$}")
}
