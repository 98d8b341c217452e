//! Well-behaved clients in ten rooms of four. They exchange numbered messages while others attack,
//! and notice each message that is lost, doubled or late.
//!
//! They run on a thread and a runtime of their own, so that what the attackers do in this process
//! does not delay them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use futures::SinkExt as _;
use tokio::{
    runtime::Builder,
    sync::Barrier,
    task::JoinSet,
    time::{sleep, timeout},
};
use united_voice_load::{
    latency::{Delays, Pacer, Schedule},
    payload::Stamp,
};
use united_voice_scenarios::{Client, Codec, Handshake, Incoming, Payload, User, request, ws};

/// Members of each room.
pub const SEATS: usize = 4;

/// The time between two relayed messages of one client.
const INTERVAL: Duration = Duration::from_millis(100);

/// One state update comes with so many relayed messages.
const RELAYS_PER_STATE: u64 = 5;

/// Muted and deafened tell four updates in a row apart.
const STATES: u64 = 4;

/// How long the last messages may take. It is long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// A room and its four users.
#[derive(Clone, Debug)]
pub struct Room {
    /// The channel.
    pub channel: String,
    /// The users, in the order in which they join.
    pub users: Vec<User>,
}

/// The running innocents.
#[derive(Debug)]
pub struct Innocents {
    shared: Arc<Shared>,
    thread: JoinHandle<anyhow::Result<()>>,
}

/// What the innocents saw.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// 99 of 100 messages took at most this long before the attack.
    pub before: Duration,
    /// The same during the attack.
    pub during: Duration,
    /// Messages that arrived.
    pub arrived: u64,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    before: Delays,
    during: Delays,
    /// When the attack began, in nanoseconds from the start.
    attacked: AtomicU64,
    ready: AtomicBool,
    stopped: AtomicBool,
    sent: AtomicU64,
    arrived: AtomicU64,
}

impl Innocents {
    /// Seats them, and lets them talk.
    #[must_use]
    pub fn start(address: SocketAddr, rooms: Vec<Room>) -> Self {
        let start = Instant::now();
        let shared = Arc::new(Shared {
            start,
            before: Delays::new(start),
            during: Delays::new(start),
            attacked: AtomicU64::new(u64::MAX),
            ready: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
        });
        let of_thread = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(talk(address, rooms, of_thread))
        });
        Self { shared, thread }
    }

    /// Waits until all are seated and talk.
    ///
    /// # Errors
    ///
    /// They are not within the time limit.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let seated = async {
            while !self.shared.ready.load(Relaxed) && !self.thread.is_finished() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, seated)
            .await
            .context("they are not seated")?;
        self.shared.before.begin(Instant::now());
        Ok(())
    }

    /// The messages from now on count as those during the attack.
    pub fn attack_begins(&self) {
        let now = Instant::now();
        self.shared.during.begin(now);
        self.shared
            .attacked
            .store(nanos(now - self.shared.start), Relaxed);
    }

    /// Lets the last messages arrive, and says what was measured.
    ///
    /// # Errors
    ///
    /// A message was lost, doubled or out of order, or somebody lost the seat or the connection.
    pub async fn finish(self) -> anyhow::Result<Measured> {
        self.shared.stopped.store(true, Relaxed);
        while !self.thread.is_finished() {
            sleep(Duration::from_millis(10)).await;
        }
        let ended = self.thread.join();
        ended.map_err(|panic| anyhow!("an innocent panicked: {panic:?}"))??;
        Ok(Measured {
            before: self.shared.before.quantile(0.99),
            during: self.shared.during.quantile(0.99),
            arrived: self.shared.arrived.load(Relaxed),
        })
    }
}

async fn talk(address: SocketAddr, rooms: Vec<Room>, shared: Arc<Shared>) -> anyhow::Result<()> {
    let clients = rooms.len() * SEATS;
    let barrier = Arc::new(Barrier::new(clients + 1));
    let mut talking = JoinSet::new();
    for (place, room) in rooms.into_iter().enumerate() {
        let mut members = Vec::with_capacity(SEATS);
        for (seat, user) in room.users.iter().enumerate() {
            let codec = if place.is_multiple_of(2) {
                Codec::Protobuf
            } else {
                Codec::Json
            };
            members.push(Innocent::seat(address, &room, user, seat, codec).await?);
        }
        for mut member in members {
            // Equal intervals, but not all at the same moment.
            let first = INTERVAL.mul_f64((talking.len() + 1) as f64 / clients as f64);
            let (shared, barrier) = (Arc::clone(&shared), Arc::clone(&barrier));
            talking.spawn(async move {
                member.meet_the_others().await?;
                barrier.wait().await;
                member.talk(&shared, first).await
            });
        }
    }
    tokio::select! {
        _ = barrier.wait() => {}
        Some(ended) = talking.join_next() => return ended?.and_then(|()| bail!("one left early")),
    }
    shared.ready.store(true, Relaxed);
    let mut stopped = None;
    loop {
        tokio::select! {
            Some(ended) = talking.join_next() => {
                return ended?.and_then(|()| bail!("one left early"));
            }
            () = sleep(Duration::from_millis(50)) => {}
        }
        if !shared.stopped.load(Relaxed) {
            continue;
        }
        let since = *stopped.get_or_insert_with(Instant::now);
        let (sent, arrived) = (shared.sent.load(Relaxed), shared.arrived.load(Relaxed));
        // A client that has not seen the stop may still send once.
        if sent == arrived && since.elapsed() > 2 * INTERVAL {
            return Ok(());
        }
        ensure!(
            since.elapsed() < PATIENCE,
            "of {sent} messages {arrived} arrived"
        );
    }
}

/// One of them.
struct Innocent {
    client: Client,
    channel: String,
    mates: Vec<Mate>,
    /// The number of the next own state update.
    states_sent: u64,
    own_states: u64,
}

/// Another one in the room.
struct Mate {
    user: String,
    here: bool,
    /// The number of the next message to it.
    to: u64,
    /// The number that its next message must have.
    from: u64,
    /// The number that its next state update must have.
    states: u64,
}

impl Innocent {
    async fn seat(
        address: SocketAddr,
        room: &Room,
        user: &User,
        seat: usize,
        codec: Codec,
    ) -> anyhow::Result<Self> {
        let handshake = Handshake {
            bearer: Some(&user.token),
            subprotocols: &[codec.subprotocol()],
            ..Handshake::default()
        };
        let (socket, _) = handshake
            .open(address)
            .await
            .map_err(|refusal| anyhow!("an innocent gets no WebSocket: {refusal:?}"))?;
        let mut client = Client::over(socket, user, codec);
        let snapshot = client.join(&room.channel).await.participants;
        ensure!(
            snapshot.len() == seat,
            "{} sit there already",
            snapshot.len()
        );
        let others = room.users.iter().filter(|it| it.id != user.id);
        let mates = others.map(|other| Mate {
            user: other.id.clone(),
            here: snapshot.iter().any(|it| it.user_id == other.id),
            to: 0,
            from: 0,
            states: 0,
        });
        Ok(Self {
            mates: mates.collect(),
            channel: room.channel.clone(),
            client,
            states_sent: 0,
            own_states: 0,
        })
    }

    async fn meet_the_others(&mut self) -> anyhow::Result<()> {
        while self.mates.iter().any(|mate| !mate.here) {
            let Payload::VoiceParticipantJoinedEvent(event) = self.client.event().await else {
                bail!("something comes before all are here")
            };
            let newcomer = event.participant.context("nobody joined")?.user_id;
            let mate = self.mates.iter_mut().find(|mate| mate.user == newcomer);
            mate.context("a stranger joined")?.here = true;
        }
        Ok(())
    }

    async fn talk(&mut self, shared: &Shared, first: Duration) -> anyhow::Result<()> {
        let schedule = Schedule {
            first: shared.start.elapsed() + first,
            interval: INTERVAL,
        };
        let pacer = Pacer::new(schedule.seen_after(shared.start.elapsed()))?;
        let mut number = 0;
        loop {
            tokio::select! {
                due = pacer.tick() => for _ in 0..due? {
                    if !shared.stopped.load(Relaxed) {
                        self.send(shared, number, schedule.due(number)).await?;
                    }
                    number += 1;
                },
                incoming = self.client.incoming_within(PATIENCE) => {
                    let name = &self.client.user.name;
                    match incoming {
                        None => {}
                        Some(Incoming::Envelope(envelope)) => {
                            let name = name.clone();
                            self.hear(shared, envelope).context(name)?;
                        }
                        Some(end) => bail!("{name} loses the connection: {end:?}"),
                    }
                }
            }
        }
    }

    async fn send(&mut self, shared: &Shared, number: u64, due: u64) -> anyhow::Result<()> {
        let place = usize::try_from(number)? % self.mates.len();
        let mate = &mut self.mates[place];
        let stamp = Stamp {
            number: mate.to,
            due,
        };
        mate.to += 1;
        let candidate = request::candidate(&self.channel, &mate.user, &stamp.text(200));
        shared.sent.fetch_add(1, Relaxed);
        self.write("relay", candidate).await?;
        if number.is_multiple_of(RELAYS_PER_STATE) {
            let bits = self.states_sent % STATES;
            self.states_sent += 1;
            let state = request::state(&self.channel, bits % 2 == 1, bits / 2 == 1);
            shared.sent.fetch_add(SEATS as u64, Relaxed);
            self.write("state", state).await?;
        }
        Ok(())
    }

    async fn write(&mut self, request_id: &str, payload: Payload) -> anyhow::Result<()> {
        let envelope = ws::Envelope {
            request_id: request_id.to_owned(),
            payload: Some(payload),
        };
        let message = self.client.codec().encode(&envelope);
        Ok(self.client.socket.send(message).await?)
    }

    fn hear(&mut self, shared: &Shared, envelope: ws::Envelope) -> anyhow::Result<()> {
        match envelope.payload.context("nothing in an envelope")? {
            Payload::VoiceIceCandidate(candidate) => {
                let Some(mate) = mate(&mut self.mates, &candidate.sender_user_id) else {
                    return Ok(());
                };
                let now = Instant::now();
                let stamp = Stamp::parse(&candidate.candidate_json)?;
                expect(&mut mate.from, stamp.number, u64::MAX)?;
                shared.arrived(stamp.due, now);
            }
            Payload::VoiceStateUpdate(update) => {
                let number = u64::from(update.muted) + 2 * u64::from(update.deafened);
                if update.user_id == self.client.user.id {
                    expect(&mut self.own_states, number, STATES)?;
                } else if let Some(mate) = mate(&mut self.mates, &update.user_id) {
                    expect(&mut mate.states, number, STATES)?;
                } else {
                    return Ok(());
                }
                shared.arrived.fetch_add(1, Relaxed);
            }
            Payload::VoiceLeaveEvent(event) => {
                let known = mate(&mut self.mates, &event.user_id).is_some();
                ensure!(!known, "one of the four is gone: {event:?}");
            }
            Payload::VoiceError(error) => bail!("a request is refused: {error:?}"),
            // What strangers do in the room.
            _ => {}
        }
        Ok(())
    }
}

impl Shared {
    fn arrived(&self, due: u64, now: Instant) {
        self.arrived.fetch_add(1, Relaxed);
        if due < self.attacked.load(Relaxed) {
            self.before.record(due, now);
        } else {
            self.during.record(due, now);
        }
    }
}

fn mate<'a>(mates: &'a mut [Mate], user: &str) -> Option<&'a mut Mate> {
    mates.iter_mut().find(|mate| mate.user == user)
}

/// Checks a number that is known only modulo `modulus`, and counts on.
fn expect(expected: &mut u64, number: u64, modulus: u64) -> anyhow::Result<()> {
    ensure!(
        number == *expected % modulus,
        "a message is lost, doubled or out of order: number {number} instead of {expected}"
    );
    *expected += 1;
    Ok(())
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a run is shorter than 500 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_doubles_are_noticed() {
        let mut next = 0;
        for number in [0, 1, 2, 3, 0, 1] {
            expect(&mut next, number, STATES).unwrap();
        }
        assert!(expect(&mut next, 1, STATES).is_err(), "a double");
        assert!(expect(&mut next, 3, STATES).is_err(), "a gap");
        assert!(expect(&mut next, 7, u64::MAX).is_err(), "a gap");
        expect(&mut next, 6, u64::MAX).unwrap();
    }
}
