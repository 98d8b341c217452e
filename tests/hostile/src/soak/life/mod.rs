//! One client: it connects, joins, acts, crashes and comes back.
//!
//! `hearing.rs` checks what the server says, `acting.rs` does what every client does, and
//! `mischief.rs` what only those do that break the rules.

mod acting;
mod hearing;
mod mischief;

use std::{collections::HashMap, rc::Rc, time::Duration};

use fastrand::Rng;
use futures::SinkExt as _;
use tokio::time::{Instant, sleep_until};
use united_voice_scenarios::{Client, Codec, Handshake, Payload, User, ws::Envelope};

use super::{settings::Settings, world::World};

/// A time that no soak reaches.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the server may take for an answer. It is long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest pause before a client connects again.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// One client and what it waits for.
pub(super) struct Life {
    world: Rc<World>,
    /// Its place among the clients.
    number: usize,
    breaks_rules: bool,
    codec: Codec,
    chance: Rng,
    connection: Option<Client>,
    /// The requests that are not answered yet, by request id.
    asked: HashMap<String, Question>,
    requests: u64,
    /// The code with which the server must close, since this client broke the framing.
    doom: Option<u16>,
    next_action: Instant,
}

#[derive(Debug)]
struct Question {
    kind: Kind,
    asked_at: Instant,
}

/// What was asked, as far as it matters for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Join,
    Leave,
    State,
    Speaking,
    IceServers,
    /// Something that must be refused.
    Mischief,
}

impl Life {
    /// A client that is not connected yet. It does so within `spread`.
    pub(super) fn new(world: Rc<World>, number: usize, spread: Duration) -> Self {
        let mut chance = Rng::with_seed(world.settings.seed ^ ((number as u64) << 32));
        let next_action = Instant::now() + spread.mul_f64(chance.f64());
        Self {
            breaks_rules: Settings::breaks_rules(number),
            codec: if number.is_multiple_of(2) {
                Codec::Protobuf
            } else {
                Codec::Json
            },
            world,
            number,
            chance,
            connection: None,
            asked: HashMap::new(),
            requests: 0,
            doom: None,
            next_action,
        }
    }

    /// Lives until the task is aborted.
    pub(super) async fn live(mut self) {
        loop {
            match &mut self.connection {
                Some(connection) => tokio::select! {
                    incoming = connection.incoming_within(LONG) => {
                        if let Some(incoming) = incoming {
                            self.hear(incoming);
                        }
                    }
                    () = sleep_until(self.next_action) => self.act().await,
                },
                None => {
                    sleep_until(self.next_action).await;
                    self.act().await;
                }
            }
        }
    }

    async fn act(&mut self) {
        self.next_action = Instant::now() + self.pause();
        self.check_questions();
        if self.world.is_ending() || self.doom.is_some() {
            return;
        }
        if self.connection.is_none() {
            self.connection = self.connect().await;
            self.join_somewhere().await;
        } else if self.asked.is_empty() {
            if self.breaks_rules && self.chance.u8(..) < 40 {
                self.do_mischief().await;
            } else {
                self.do_something().await;
            }
        }
    }

    /// The pauses between the actions of all clients together make the pace.
    fn pause(&mut self) -> Duration {
        let settings = &self.world.settings;
        let mean = settings.clients as f64 / settings.pace;
        // Pauses without memory. `f64` of fastrand is below one, so the logarithm is finite.
        Duration::from_secs_f64(-mean * (1.0 - self.chance.f64()).ln())
    }

    fn check_questions(&mut self) {
        let now = Instant::now();
        let (world, number) = (&self.world, self.number);
        self.asked.retain(|id, question| {
            let waits = now - question.asked_at <= PATIENCE;
            if !waits {
                let kind = question.kind;
                let complaint = anyhow::anyhow!("{kind:?} ({id}) is not answered");
                world.check(number, Err(complaint));
            }
            waits
        });
    }

    fn user(&self) -> User {
        self.world.users[self.number].clone()
    }

    async fn connect(&self) -> Option<Client> {
        let user = self.user();
        let handshake = Handshake {
            bearer: Some(&user.token),
            subprotocols: &[self.codec.subprotocol()],
            ..Handshake::default()
        };
        match handshake.open(self.world.server.address()).await {
            Ok((socket, _)) => {
                self.world.tally.count("connections");
                Some(Client::over(socket, &user, self.codec))
            }
            Err(refusal) => {
                let complaint = anyhow::anyhow!("no WebSocket: {refusal:?}");
                self.world.check(self.number, Err(complaint));
                None
            }
        }
    }

    /// Notes that the connection is gone, and connects again after a short pause.
    fn disconnected(&mut self) {
        self.connection = None;
        self.doom = None;
        self.asked.clear();
        self.world.end_stay(self.number, true);
        self.next_action = Instant::now() + MAX_PAUSE.mul_f64(self.chance.f64());
    }

    async fn ask(&mut self, kind: Kind, payload: Payload) {
        self.requests += 1;
        let id = format!("q{}", self.requests);
        let asked_at = Instant::now();
        self.asked.insert(id.clone(), Question { kind, asked_at });
        self.send(&id, payload).await;
    }

    async fn send(&mut self, request_id: &str, payload: Payload) {
        let envelope = Envelope {
            request_id: request_id.to_owned(),
            payload: Some(payload),
        };
        if let Some(connection) = &mut self.connection {
            // If the connection has ended, the next read says how.
            let _ = connection.socket.send(self.codec.encode(&envelope)).await;
        }
    }
}
