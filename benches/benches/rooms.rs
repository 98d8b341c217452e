//! Joining, moving and leaving, with few rooms and with many, each beside its floor.

#![allow(missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use parking_lot::Mutex;
use united_voice_benches::{
    BareQueue, Hall, Inbox, Replay, Seated, broadcast_floor, candidate_frame, channel, floor_room,
    relay_floor, state_signal,
};
use united_voice_core::{ChannelId, Codec, QueueSink, Signal, VoiceConnection};

/// How many rooms there are besides the one in use.
const HOUSES: [usize; 3] = [1, 1_000, 100_000];

/// A visitor joins a room of three and leaves it again.
fn membership(c: &mut Criterion) {
    for rooms in HOUSES {
        let mut hall = Hall::new(rooms, 3);
        // The room's own members, then two connections of one visitor.
        let mut told: Vec<Seated> = hall.seated.drain(..3).collect();
        told.extend([hall.connect("visitor"), hall.connect("visitor")]);
        let mut beside_floor = BesideFloor {
            group: c.benchmark_group("membership"),
            hall,
            told,
            rooms,
        };
        come_and_go(&mut beside_floor);
        replace(&mut beside_floor);
        disconnect(&mut beside_floor);
        beside_floor.group.finish();
    }
}

/// The places of the visitor's two connections in `told`.
const VISITORS: [usize; 2] = [3, 4];

fn come_and_go(beside_floor: &mut BesideFloor<'_>) {
    let (room, other) = (channel(0), channel(beside_floor.rooms));
    let join = |hall: &Hall, told: &[Seated], channel| {
        hall.join(&told[VISITORS[0]].connection, black_box(channel));
    };
    let leave = |told: &[Seated]| told[VISITORS[0]].connection.leave_channel(&room, "");
    // 4 frames: the answer, and one event for each of three members.
    beside_floor.prepared(
        "join",
        4,
        |_, told| {
            let _ = leave(told);
        },
        |hall, told, ()| join(hall, told, &room),
    );
    beside_floor.prepared(
        "leave",
        4,
        |hall, told| join(hall, told, &room),
        |_, told, ()| leave(told).expect("seated"),
    );
    beside_floor.repeated("join+leave", 8, |hall, told| {
        join(hall, told, &room);
        leave(told).expect("seated");
    });
    // 8 frames: two answers, and for each of three members a leave and a join.
    beside_floor.repeated("move", 8, |hall, told| {
        join(hall, told, &room);
        join(hall, told, &other);
    });
}

/// Two connections of one user take the seat from each other.
fn replace(beside_floor: &mut BesideFloor<'_>) {
    let room = channel(0);
    // 16 frames, since it happens twice: the answer, the error to the connection that lost the
    // seat, and for each of three members a leave and a join.
    beside_floor.repeated("replace", 16, |hall, told| {
        for visitor in VISITORS {
            hall.join(&told[visitor].connection, black_box(&room));
        }
    });
    let last = &beside_floor.told[VISITORS[1]].connection;
    last.leave_channel(&room, "").expect("seated");
}

fn disconnect(beside_floor: &mut BesideFloor<'_>) {
    // The queue is the host's, and so is its end.
    beside_floor.prepared(
        "disconnect",
        3,
        |hall, _| {
            let guest = hall.connect("guest");
            hall.join(&guest.connection, &channel(0));
            guest
        },
        |_, _, guest| {
            drop(guest.connection);
            guest.inbox
        },
    );
}

/// Measures operations that send frames to some connections, and after each operation its floor.
struct BesideFloor<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    hall: Hall,
    told: Vec<Seated>,
    rooms: usize,
}

/// The frames that each of `told` got since the last read.
fn read(told: &mut [Seated]) -> Vec<Vec<Bytes>> {
    told.iter_mut().map(|one| one.inbox.take()).collect()
}

fn clear(told: &mut [Seated]) {
    told.iter_mut().for_each(|one| one.inbox.clear());
}

impl BesideFloor<'_> {
    /// Measures an operation that sends `frames` frames and leaves everything as it was.
    fn repeated(&mut self, name: &str, frames: usize, operation: impl Fn(&Hall, &[Seated])) {
        let Self { hall, told, .. } = self;
        // Runs once unmeasured: the first time, the visitor comes from another state.
        operation(hall, told);
        clear(told);
        operation(hall, told);
        let floor = Replay::of(read(told), frames);
        let (id, floor_id) = self.ids(name);
        self.group.bench_function(floor_id, |b| {
            b.iter(|| black_box(&floor).run());
        });
        let Self { hall, told, .. } = self;
        self.group.bench_function(id, |b| {
            b.iter(|| {
                operation(hall, told);
                clear(told);
            });
        });
    }

    /// Measures an operation that sends `frames` frames and needs a preparation each time. The
    /// preparation is not measured.
    fn prepared<T, U>(
        &mut self,
        name: &str,
        frames: usize,
        prepare: impl Fn(&Hall, &[Seated]) -> T,
        operation: impl Fn(&Hall, &[Seated], T) -> U,
    ) {
        let Self { hall, told, .. } = self;
        let prepared = prepare(hall, told);
        clear(told);
        operation(hall, told, prepared);
        let floor = Replay::of(read(told), frames);
        let (id, floor_id) = self.ids(name);
        self.group.bench_function(floor_id, |b| {
            b.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let start = Instant::now();
                    black_box(&floor).run();
                    total += start.elapsed();
                }
                total
            });
        });
        let Self { hall, told, .. } = self;
        self.group.bench_function(id, |b| {
            b.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let prepared = prepare(hall, told);
                    clear(told);
                    let start = Instant::now();
                    // Bound to a name, so that it is dropped after the clock was read.
                    let _outcome = operation(hall, told, prepared);
                    clear(told);
                    total += start.elapsed();
                }
                total
            });
        });
    }

    fn ids(&self, name: &str) -> (BenchmarkId, BenchmarkId) {
        let floor = format!("{name}/floor");
        (
            BenchmarkId::new(name, self.rooms),
            BenchmarkId::new(floor, self.rooms),
        )
    }
}

/// Messages within one room. Their cost must not depend on the number of other rooms.
fn traffic(c: &mut Criterion) {
    let mut group = c.benchmark_group("traffic");
    for rooms in HOUSES {
        let mut hall = Hall::new(rooms, 4);
        let room = BusyRoom::of(&mut hall, 4);
        let sender = Sender::of(&hall, &room, 0);
        group.bench_function(BenchmarkId::new("relay/floor", rooms), |b| {
            b.iter(|| sender.relay_floor());
        });
        group.bench_function(BenchmarkId::new("relay", rooms), |b| {
            b.iter(|| sender.relay());
        });
        group.bench_function(BenchmarkId::new("update_state/floor", rooms), |b| {
            b.iter(|| sender.update_state_floor());
        });
        group.bench_function(BenchmarkId::new("update_state", rooms), |b| {
            b.iter(|| sender.update_state());
        });
    }
    group.finish();
}

/// A snapshot of a room. Its floor is a copy of a snapshot that is ready.
fn participants(c: &mut Criterion) {
    let mut group = c.benchmark_group("participants");
    let mut beside_floor = |rooms, members| {
        let hall = Hall::new(rooms, members);
        let registry = hall.server.registry();
        let room = ChannelId::new(channel(0)).expect("an id");
        let ready = registry.participants(&room);
        assert_eq!(ready.len(), members);
        let case = format!("{members}-people-{rooms}-rooms");
        group.bench_function(BenchmarkId::new("floor", &case), |b| {
            b.iter(|| black_box(&ready).clone());
        });
        group.bench_function(BenchmarkId::new("participants", &case), |b| {
            b.iter(|| registry.participants(black_box(&room)));
        });
    };
    for members in [2, 8, 25, 100] {
        beside_floor(1, members);
    }
    for rooms in &HOUSES[1..] {
        beside_floor(*rooms, 4);
    }
    group.finish();
}

/// Two threads in one room, two threads in two rooms, and one thread alone.
fn threads(c: &mut Criterion) {
    type Work = fn(&Sender<'_>);
    let works: [(&str, Work, Work); 2] = [
        ("state", |s| s.update_state_floor(), |s| s.update_state()),
        ("relay", |s| s.relay_floor(), |s| s.relay()),
    ];
    for (name, floor, operation) in works {
        let mut group = c.benchmark_group(format!("threads/{name}"));
        for (case, threads, rooms) in [
            ("one", 1, 1),
            ("two-one-room", 2, 1),
            ("two-many-rooms", 2, 2),
        ] {
            let mut hall = Hall::new(rooms, 8);
            let rooms: Vec<_> = (0..rooms).map(|_| BusyRoom::of(&mut hall, 8)).collect();
            let senders: Vec<_> = (0..threads)
                .map(|thread| Sender::of(&hall, &rooms[thread % rooms.len()], thread))
                .collect();
            for (id, work) in [(format!("{case}/floor"), floor), (case.into(), operation)] {
                group.bench_function(id, |b| {
                    b.iter_custom(|iterations| on_threads(&senders, iterations, work));
                });
            }
        }
        group.finish();
    }
}

/// How long the `senders` take to do `work` `iterations` times each, on one thread for each sender.
fn on_threads(senders: &[Sender<'_>], iterations: u64, work: fn(&Sender<'_>)) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for sender in senders {
            scope.spawn(move || {
                for _ in 0..iterations {
                    work(sender);
                }
            });
        }
    });
    start.elapsed()
}

/// A room that several threads may use, and as many recipients without a server.
struct BusyRoom {
    connections: Vec<VoiceConnection>,
    inboxes: Vec<Mutex<Inbox>>,
    floor_queues: Vec<QueueSink>,
    floor_inboxes: Vec<Mutex<Inbox>>,
    /// The floor of a relay: a bare queue.
    bare: BareQueue,
}

impl BusyRoom {
    /// Takes the first `members` members out of a hall.
    fn of(hall: &mut Hall, members: usize) -> Self {
        let seated = hall.seated.drain(..members);
        let (connections, inboxes) = seated
            .map(|seated| (seated.connection, Mutex::new(seated.inbox)))
            .unzip();
        let (floor_queues, floor_inboxes) = floor_room(members);
        Self {
            connections,
            inboxes,
            floor_queues,
            floor_inboxes: floor_inboxes.into_iter().map(Mutex::new).collect(),
            bare: BareQueue::default(),
        }
    }
}

/// Takes a frame out of each inbox, if there is one. If there are several threads, they read the
/// same inboxes, so a frame may be one that another thread sent.
fn read_one_each(inboxes: &[Mutex<Inbox>]) {
    for inbox in inboxes {
        inbox.lock().pop();
    }
}

/// A member that tells the others something, and the input for that and for its floors.
struct Sender<'a> {
    hall: &'a Hall,
    room: &'a BusyRoom,
    connection: &'a VoiceConnection,
    session_id: String,
    channel: String,
    /// A candidate for the last member of the room.
    candidate: Bytes,
    /// The signal that tells the room about an update of this sender's state, encoded already.
    state: Signal,
}

impl<'a> Sender<'a> {
    /// The member in seat `seat` of `room`.
    ///
    /// # Panics
    ///
    /// If a floor sends other frames than its operation, or to other members.
    fn of(hall: &'a Hall, room: &'a BusyRoom, seat: usize) -> Self {
        let connection = &room.connections[seat];
        let (channel, session_id) = connection.seat().expect("seated");
        let target = room.connections.last().expect("a room has members");
        let sender = Self {
            hall,
            room,
            connection,
            session_id: session_id.to_string(),
            channel: channel.to_string(),
            candidate: candidate_frame(channel.as_str(), target.user().as_str()),
            state: state_signal(channel.as_str(), connection.user().as_str()),
        };
        sender.check_floors();
        sender
    }

    fn check_floors(&self) {
        let read = |inboxes: &[Mutex<Inbox>]| -> Vec<Vec<Bytes>> {
            inboxes.iter().map(|inbox| inbox.lock().take()).collect()
        };
        self.send_state_floor();
        self.send_state();
        let sent = read(&self.room.inboxes);
        assert_eq!(read(&self.room.floor_inboxes), sent);
        self.send_candidate_floor();
        self.send_candidate();
        let mut sent = read(&self.room.inboxes);
        assert_eq!(Some(self.room.bare.take()), sent.pop());
        assert!(sent.iter().all(Vec::is_empty));
    }

    fn relay(&self) {
        self.send_candidate();
        read_one_each(&self.room.inboxes[self.room.inboxes.len() - 1..]);
    }

    fn relay_floor(&self) {
        self.send_candidate_floor();
        self.room.bare.pop();
    }

    fn update_state(&self) {
        self.send_state();
        read_one_each(&self.room.inboxes);
    }

    fn update_state_floor(&self) {
        self.send_state_floor();
        read_one_each(&self.room.floor_inboxes);
    }

    fn send_candidate(&self) {
        let frame = black_box(&self.candidate);
        self.hall.handle(self.connection, Codec::Protobuf, frame);
    }

    fn send_candidate_floor(&self) {
        relay_floor(
            Codec::Protobuf,
            black_box(&self.candidate),
            self.connection.user().as_str(),
            &self.session_id,
            &self.room.bare,
        );
    }

    fn send_state(&self) {
        let channel = black_box(&self.channel);
        let told = self.connection.update_state(channel, true, false, "");
        told.expect("seated");
    }

    fn send_state_floor(&self) {
        broadcast_floor(black_box(&self.state), &self.room.floor_queues);
    }
}

criterion_group!(benches, membership, traffic, participants, threads);
criterion_main!(benches);
