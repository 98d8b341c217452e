//! Joining, moving and leaving, in small and large houses, each beside its floor.

#![allow(missing_docs)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use united_voice_benches::{
    FrameQueue, Hall, Replay, Seated, broadcast_floor, candidate_frame, channel, relay_floor,
    sent_by,
};
use united_voice_core::{ChannelId, Codec, VoiceConnection, proto};

/// How many rooms there are besides the one in use.
const HOUSES: [usize; 3] = [1, 1_000, 100_000];

/// Who comes to a room of three and goes again.
fn membership(c: &mut Criterion) {
    for rooms in HOUSES {
        let hall = Hall::new(rooms, 3);
        let visitors = [hall.connect("visitor"), hall.connect("visitor")];
        let told = hall.seated[..3].iter().chain(&visitors);
        let mut beside_floor = BesideFloor {
            group: c.benchmark_group("membership"),
            queues: told.map(|seated| Arc::clone(&seated.queue)).collect(),
            rooms,
        };
        come_and_go(&mut beside_floor, &hall, &visitors[0].connection);
        replace(&mut beside_floor, &hall, &visitors);
        disconnect(&mut beside_floor, &hall);
        beside_floor.group.finish();
    }
}

fn come_and_go(beside_floor: &mut BesideFloor<'_>, hall: &Hall, visitor: &VoiceConnection) {
    let (room, other) = (channel(0), channel(beside_floor.rooms));
    let join = |channel| hall.join(visitor, black_box(channel));
    let leave = || visitor.leave_channel(black_box(&room), "").expect("seated");
    let leave_if_seated = || {
        let _ = visitor.leave_channel(&room, "");
    };
    // The answer, and three who are told.
    beside_floor.prepared("join", 4, leave_if_seated, |()| join(&room));
    beside_floor.prepared("leave", 4, || join(&room), |()| leave());
    beside_floor.repeated("join+leave", 8, || {
        join(&room);
        leave();
    });
    // In with three who are told, out again likewise, and two answers.
    beside_floor.repeated("move", 8, || {
        join(&room);
        join(&other);
    });
}

/// Two connections of one user take the seat from each other.
fn replace(beside_floor: &mut BesideFloor<'_>, hall: &Hall, visitors: &[Seated; 2]) {
    let room = channel(0);
    // Twice: the answer, the one who lost the seat, and three who are told of a leave and a join.
    beside_floor.repeated("replace", 16, || {
        for visitor in visitors {
            hall.join(&visitor.connection, black_box(&room));
        }
    });
    visitors[1]
        .connection
        .leave_channel(&room, "")
        .expect("seated");
}

fn disconnect(beside_floor: &mut BesideFloor<'_>, hall: &Hall) {
    let arrive = || {
        let guest = hall.connect("guest");
        hall.join(&guest.connection, &channel(0));
        guest
    };
    // The queue is the host's, and so is its end.
    beside_floor.prepared("disconnect", 3, arrive, |guest| {
        drop(guest.connection);
        guest.queue
    });
}

/// Measures operations that tell `queues` something, and after each its floor.
struct BesideFloor<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    queues: Vec<Arc<FrameQueue>>,
    rooms: usize,
}

impl BesideFloor<'_> {
    /// An operation that ends where it begins, and sends `frames` frames.
    fn repeated(&mut self, name: &str, frames: usize, mut operation: impl FnMut()) {
        // The first time the visitor comes from somewhere else.
        operation();
        let floor = Replay::of(&self.queues, frames, &mut operation);
        let (id, floor_id) = self.ids(name);
        self.group.bench_function(floor_id, |b| {
            b.iter(|| black_box(&floor).run());
        });
        self.group.bench_function(id, |b| b.iter(&mut operation));
    }

    /// An operation that needs a preparation each time, which is not measured, and sends `frames` frames.
    fn prepared<T, U>(
        &mut self,
        name: &str,
        frames: usize,
        mut prepare: impl FnMut() -> T,
        mut operation: impl FnMut(T) -> U,
    ) {
        let prepared = prepare();
        let floor = Replay::of(&self.queues, frames, || {
            operation(prepared);
        });
        let (id, floor_id) = self.ids(name);
        self.group.bench_function(floor_id, |b| {
            b.iter_custom(|iterations| timed(iterations, || (), |()| black_box(&floor).run()));
        });
        self.group.bench_function(id, |b| {
            b.iter_custom(|iterations| timed(iterations, &mut prepare, &mut operation));
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

/// The time of `operation` alone, each run after `prepare`.
fn timed<T, U>(
    iterations: u64,
    mut prepare: impl FnMut() -> T,
    mut operation: impl FnMut(T) -> U,
) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        let prepared = prepare();
        let start = Instant::now();
        // Bound, so that it is dropped after the clock was read.
        let _outcome = operation(prepared);
        total += start.elapsed();
    }
    total
}

/// What goes through a room does not depend on how many others there are.
fn traffic(c: &mut Criterion) {
    let mut group = c.benchmark_group("traffic");
    for rooms in HOUSES {
        let hall = Hall::new(rooms, 4);
        let sender = Sender::of(&hall, 4, 0, 0);
        sender.check_floors();
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

/// A snapshot of a room, whose floor is a copy of one that stands ready.
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

/// Two threads in one room and in two, beside one thread alone.
fn threads(c: &mut Criterion) {
    type Work = fn(&Sender<'_>);
    let works: [(&str, Work, Work); 2] = [
        ("speaking", |s| s.speaking_floor(), |s| s.speaking()),
        ("relay", |s| s.relay_floor(), |s| s.relay()),
    ];
    for (name, floor, operation) in works {
        let mut group = c.benchmark_group(format!("threads/{name}"));
        for (case, threads, rooms) in [
            ("one", 1, 1),
            ("two-one-room", 2, 1),
            ("two-many-rooms", 2, 2),
        ] {
            let hall = Hall::new(rooms, 8);
            let senders: Vec<_> = (0..threads)
                .map(|thread| Sender::of(&hall, 8, thread % rooms, thread))
                .collect();
            senders.iter().for_each(Sender::check_floors);
            for (id, work) in [(format!("{case}/floor"), floor), (case.into(), operation)] {
                group.bench_function(id, |b| {
                    b.iter_custom(|iterations| on_threads(&senders, iterations, work));
                });
            }
        }
        group.finish();
    }
}

/// The time in which each of `senders`, on a thread of its own, does its work so many times.
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

/// A member who tells the others something, and the floors of that.
struct Sender<'a> {
    hall: &'a Hall,
    connection: &'a VoiceConnection,
    session_id: String,
    channel: String,
    /// Of the room's members, in their order.
    queues: Vec<Arc<FrameQueue>>,
    /// Where the sender's own is.
    seat: usize,
    /// For the last of the room.
    candidate: bytes::Bytes,
}

impl<'a> Sender<'a> {
    /// The member in seat `seat` of room `room`, where each room has `members`.
    fn of(hall: &'a Hall, members: usize, room: usize, seat: usize) -> Self {
        let seated = &hall.seated[room * members..][..members];
        let connection = &seated[seat].connection;
        let (channel, session_id) = connection.seat().expect("seated");
        let target = seated[members - 1].connection.user();
        Self {
            hall,
            connection,
            session_id: session_id.to_string(),
            channel: channel.to_string(),
            queues: seated.iter().map(|one| Arc::clone(&one.queue)).collect(),
            seat,
            candidate: candidate_frame(channel.as_str(), target.as_str()),
        }
    }

    /// # Panics
    ///
    /// Where a floor sends other frames than its operation, or to others.
    fn check_floors(&self) {
        let same = |floor: fn(&Self), operation: fn(&Self)| {
            let sent = sent_by(|| operation(self), &self.queues);
            assert_eq!(sent_by(|| floor(self), &self.queues), sent);
        };
        same(Self::relay_floor, Self::relay);
        same(Self::speaking_floor, Self::speaking);
        same(Self::update_state_floor, Self::update_state);
    }

    fn relay(&self) {
        self.hall
            .handle(self.connection, Codec::Protobuf, black_box(&self.candidate));
    }

    fn relay_floor(&self) {
        let target = self.queues.last().expect("a room has members");
        let user = self.connection.user().as_str();
        relay_floor(
            Codec::Protobuf,
            black_box(&self.candidate),
            user,
            &self.session_id,
            target,
        );
    }

    fn speaking(&self) {
        let told = self.connection.speaking(black_box(&self.channel), true, "");
        told.expect("seated");
    }

    fn speaking_floor(&self) {
        let user = self.connection.user().as_str();
        let frame = proto::encode_speaking_event("", black_box(&self.channel), user, true);
        let (before, rest) = self.queues.split_at(self.seat);
        let others = before.iter().chain(&rest[1..]);
        broadcast_floor(&frame, others.map(|queue| &**queue));
    }

    fn update_state(&self) {
        let channel = black_box(&self.channel);
        let told = self.connection.update_state(channel, true, false, "");
        told.expect("seated");
    }

    fn update_state_floor(&self) {
        let user = self.connection.user().as_str();
        let frame = proto::encode_state_update("", black_box(&self.channel), user, true, false);
        broadcast_floor(&frame, self.queues.iter().map(|queue| &**queue));
    }
}

criterion_group!(benches, membership, traffic, participants, threads);
criterion_main!(benches);
