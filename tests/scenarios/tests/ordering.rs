//! Many clients join and leave at random at the same time: section 2, rules 2, 3 and 9.
//!
//! Each connection keeps a replica of its channel, built only from its own stream of messages. At
//! the end every replica must equal the roster of the REST route, and all connections must have
//! seen the joins and leaves of a channel in the same order.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use fastrand::Rng;
use futures::future::join_all;
use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, User, eventually, request,
    voice::{VoiceErrorCode, VoiceParticipant},
    ws::Envelope,
};

scenarios! {
    each codec:;
    once:
        replicas_equal_the_roster,
        replicas_survive_takeovers_and_cuts,
}

const CHANNELS: [&str; 3] = ["general", "lounge", "small"];
const CONFIG: &str =
    "[limits]\nmessages_per_second = 100000\nburst = 100000\noutbound_queue = 100000\n";

/// A join (`true`) or a leave: the channel, the session, and which of the two.
type Step = (String, String, bool);

/// A connection, its replica of its channel, and the joins and leaves that it saw.
struct Observer {
    client: Client,
    seat: Option<(String, Vec<VoiceParticipant>)>,
    /// The joins and leaves that it saw without a gap, one list per stay.
    stays: Vec<Vec<Step>>,
}

impl Observer {
    fn new(client: Client) -> Self {
        Self {
            client,
            seat: None,
            stays: Vec::new(),
        }
    }

    /// Sends a request and reads until it is answered.
    async fn ask(&mut self, payload: Payload) {
        let id = self.client.send_request(payload).await;
        while self.read().await != id {}
    }

    /// Reads one message into the replica and returns its request id.
    async fn read(&mut self) -> String {
        let Envelope {
            request_id,
            payload,
        } = self.client.next().await;
        self.apply(payload.expect("decoding checks that"));
        request_id
    }

    fn apply(&mut self, payload: Payload) {
        let me = self.client.user.id.clone();
        match payload {
            Payload::VoiceJoinResponse(response) => {
                if self.client.session != response.session_id {
                    self.client.session = response.session_id;
                    self.stays.push(vec![(
                        response.channel_id.clone(),
                        self.client.session.clone(),
                        true,
                    )]);
                    let mut members = response.participants;
                    members.push(self.client.as_participant());
                    self.seat = Some((response.channel_id, members));
                } else {
                    let (_, members) = self.seat.as_ref().expect("only a member rejoins");
                    let others: Vec<_> = members
                        .iter()
                        .filter(|p| p.user_id != me)
                        .cloned()
                        .collect();
                    assert_eq!(
                        others, response.participants,
                        "a rejoin's snapshot differs from the replica"
                    );
                }
            }
            Payload::VoiceParticipantJoinedEvent(event) => {
                let joined = event
                    .participant
                    .expect("a joined event names the participant");
                let session = joined.session_id.clone();
                let members = self.members(&event.channel_id);
                assert!(
                    members.iter().all(|p| p.user_id != joined.user_id),
                    "{} joined twice",
                    joined.user_id
                );
                members.push(joined);
                self.saw(event.channel_id, session, true);
            }
            Payload::VoiceLeaveEvent(event) => {
                let members = self.members(&event.channel_id);
                let place = members
                    .iter()
                    .position(|p| p.user_id == event.user_id)
                    .expect("only a member leaves");
                assert_eq!(members.remove(place).session_id, event.session_id);
                self.saw(event.channel_id, event.session_id, false);
                if event.user_id == me {
                    self.seat = None;
                }
            }
            Payload::VoiceStateUpdate(update) => {
                let members = self.members(&update.channel_id);
                let member = members
                    .iter_mut()
                    .find(|p| p.user_id == update.user_id)
                    .expect("only a member changes its state");
                (member.muted, member.deafened) = (update.muted, update.deafened);
            }
            Payload::VoiceError(error) => self.apply_error(error.code(), &error.channel_id),
            Payload::VoiceIceServersResponse(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn apply_error(&mut self, code: VoiceErrorCode, channel: &str) {
        match code {
            VoiceErrorCode::SessionReplaced => {
                let (seat, _) = self.seat.take().expect("only a member can lose its seat");
                assert_eq!(seat, channel);
            }
            VoiceErrorCode::NotInChannel | VoiceErrorCode::ChannelFull => {}
            other => panic!("{other:?} about {channel}"),
        }
    }

    /// The replica, which must be of this channel. A connection gets events of its own channel
    /// only.
    fn members(&mut self, channel: &str) -> &mut Vec<VoiceParticipant> {
        let (seat, members) = self.seat.as_mut().unwrap_or_else(|| {
            panic!("an event of {channel}, but the connection is in no channel")
        });
        assert_eq!(seat, channel, "an event of another channel");
        members
    }

    fn saw(&mut self, channel: String, session: String, came: bool) {
        self.stays
            .last_mut()
            .expect("a stay began")
            .push((channel, session, came));
    }

    async fn act_at_random(&mut self, channels: &[String], rng: &mut Rng) {
        let anywhere = rng.choice(channels).expect("there are channels").clone();
        let here = self
            .seat
            .as_ref()
            .map_or(anywhere.clone(), |(channel, _)| channel.clone());
        let payload = match rng.u8(..10) {
            0..4 => request::join(&anywhere),
            4 => request::join(&here),
            5 => request::leave(&anywhere),
            6 => request::leave(&here),
            _ => request::state(&here, rng.bool(), rng.bool()),
        };
        self.ask(payload).await;
    }
}

async fn channels(server: &Server) -> (User, Vec<String>) {
    let admin = server.user("Admin").await;
    let small = server.channel(&admin, CHANNELS[2], Some(2)).await;
    let channels = vec![CHANNELS[0].to_owned(), CHANNELS[1].to_owned(), small];
    (admin, channels)
}

fn codec_of(index: usize) -> Codec {
    if index.is_multiple_of(2) {
        Codec::Protobuf
    } else {
        Codec::Json
    }
}

/// Checks that every participant's replica equals the roster of the REST route, and that the roster
/// lists no other users. What one node tells, the others may tell up to a second later.
async fn compare(server: &Server, admin: &User, channels: &[String], observers: &mut [Observer]) {
    let deadline = match server.kind() {
        ServerKind::Nodes => Instant::now() + Duration::from_secs(2),
        ServerKind::Axum | ServerKind::Actix => Instant::now(),
    };
    loop {
        for observer in &mut *observers {
            // This request is answered after all earlier events, so waiting for the answer reads
            // them.
            observer.ask(request::ice_servers("nowhere")).await;
        }
        match difference(server, admin, channels, observers).await {
            None => return,
            Some(difference) => assert!(Instant::now() < deadline, "{difference}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn difference(
    server: &Server,
    admin: &User,
    channels: &[String],
    observers: &[Observer],
) -> Option<String> {
    for channel in channels {
        let roster = server.participants(admin, channel).await;
        let mut replicas = 0;
        for observer in observers {
            if let Some((seat, members)) = &observer.seat
                && seat == channel
            {
                replicas += 1;
                if *members != roster {
                    let name = &observer.client.user.name;
                    return Some(format!("{name} in {seat}: {members:?}, and not {roster:?}"));
                }
            }
        }
        if replicas != roster.len() {
            return Some(format!("{channel} lists a user without a seat: {roster:?}"));
        }
    }
    None
}

/// Checks that one order exists that agrees with every stay.
fn assert_one_order(stays: &[Vec<Step>]) {
    let mut after: BTreeMap<&Step, BTreeSet<&Step>> = BTreeMap::new();
    let mut blockers: BTreeMap<&Step, usize> = BTreeMap::new();
    for steps in stays {
        for step in steps {
            blockers.entry(step).or_default();
        }
        for pair in steps.windows(2) {
            if after.entry(&pair[0]).or_default().insert(&pair[1]) {
                *blockers.entry(&pair[1]).or_default() += 1;
            }
        }
    }
    let total = blockers.len();
    let mut free: Vec<&Step> = blockers
        .iter()
        .filter(|(_, count)| **count == 0)
        .map(|(step, _)| *step)
        .collect();
    let mut ordered = 0;
    while let Some(step) = free.pop() {
        ordered += 1;
        for next in after.remove(step).unwrap_or_default() {
            let count = blockers.get_mut(next).expect("every step has a count");
            *count -= 1;
            if *count == 0 {
                free.push(next);
            }
        }
    }
    assert_eq!(
        ordered, total,
        "two participants saw the same events in different orders"
    );
}

#[expect(
    clippy::print_stdout,
    reason = "a failing run can be repeated with its seed"
)]
fn seeded() -> Rng {
    let seed = std::env::var("SCENARIO_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| fastrand::u64(..));
    println!("SCENARIO_SEED={seed}");
    Rng::with_seed(seed)
}

/// Lets all observers act at once, each with its own random numbers, then compares them.
async fn act_and_compare(
    server: &Server,
    admin: &User,
    channels: &[String],
    observers: &mut [Observer],
    rng: &mut Rng,
) {
    let acting = observers.iter_mut().map(|observer| {
        let mut rng = rng.fork();
        async move {
            for _ in 0..15 {
                observer.act_at_random(channels, &mut rng).await;
            }
        }
    });
    join_all(acting).await;
    compare(server, admin, channels, observers).await;
}

async fn replicas_equal_the_roster(kind: ServerKind) {
    let mut rng = seeded();
    let server = Server::with_config(kind, CONFIG).await;
    let (admin, channels) = channels(&server).await;
    let mut observers = Vec::new();
    for index in 0..8 {
        let client = Client::new(&server, &format!("User {index}"), codec_of(index)).await;
        observers.push(Observer::new(client));
    }
    for _ in 0..12 {
        act_and_compare(&server, &admin, &channels, &mut observers, &mut rng).await;
    }
    let stays: Vec<_> = observers
        .into_iter()
        .flat_map(|observer| observer.stays)
        .collect();
    assert_one_order(&stays);
}

/// As above, with two connections for each user, some of which break.
async fn replicas_survive_takeovers_and_cuts(kind: ServerKind) {
    let mut rng = seeded();
    let server = Server::with_config(kind, CONFIG).await;
    let (admin, channels) = channels(&server).await;
    let mut users = Vec::new();
    for index in 0..4 {
        users.push(server.user(&format!("User {index}")).await);
    }
    let mut observers = Vec::new();
    for index in 0..8 {
        observers.push(Observer::new(
            Client::connect(&server, &users[index / 2], codec_of(index)).await,
        ));
    }
    let mut stays = Vec::new();
    for _ in 0..12 {
        act_and_compare(&server, &admin, &channels, &mut observers, &mut rng).await;
        for index in [rng.usize(..8), rng.usize(..8)] {
            let fresh = Client::connect(&server, &users[index / 2], codec_of(index)).await;
            let broken = std::mem::replace(&mut observers[index], Observer::new(fresh));
            let session = broken.client.session.clone();
            stays.extend(broken.stays);
            drop(broken.client);
            gone(&server, &admin, &channels, &session).await;
        }
    }
    compare(&server, &admin, &channels, &mut observers).await;
    stays.extend(observers.into_iter().flat_map(|observer| observer.stays));
    assert_one_order(&stays);
}

/// Waits until no roster contains a session.
async fn gone(server: &Server, admin: &User, channels: &[String], session: &str) {
    eventually("the broken connection to be gone", async || {
        for channel in channels {
            if server
                .participants(admin, channel)
                .await
                .iter()
                .any(|p| p.session_id == session)
            {
                return None;
            }
        }
        Some(())
    })
    .await;
}
