//! Joining, moving and leaving, in small and large houses.

#![allow(missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{
    BatchSize, BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main,
    measurement::WallTime,
};
use united_voice_benches::{Hall, Seated, candidate_frame, channel, join_floor, join_frame};
use united_voice_core::ChannelId;

/// How many rooms there are besides the one in use.
const HOUSES: [usize; 3] = [1, 1_000, 100_000];

fn membership(c: &mut Criterion) {
    for rooms in HOUSES {
        let hall = Hall::new(rooms, 3);
        let mut group = c.benchmark_group("membership");
        let visitor = hall.connect("visitor");
        let room = channel(0);
        let other = channel(rooms);
        join_and_its_floor(&mut group, &hall, &visitor, rooms);
        group.bench_function(BenchmarkId::new("leave", rooms), |b| {
            b.iter_custom(|iterations| {
                timed(
                    iterations,
                    || hall.join(&visitor.session, &room),
                    || {
                        let left = visitor.session.leave(black_box(&room), "");
                        left.expect("seated");
                    },
                )
            });
        });
        group.bench_function(BenchmarkId::new("join+leave", rooms), |b| {
            b.iter(|| {
                hall.join(&visitor.session, black_box(&room));
                visitor.session.leave(&room, "").expect("seated");
            });
        });
        group.bench_function(BenchmarkId::new("move", rooms), |b| {
            b.iter(|| {
                hall.join(&visitor.session, black_box(&room));
                hall.join(&visitor.session, black_box(&other));
            });
        });
        let second = hall.connect("visitor");
        group.bench_function(BenchmarkId::new("replace", rooms), |b| {
            b.iter(|| {
                hall.join(&visitor.session, black_box(&room));
                hall.join(&second.session, black_box(&room));
            });
        });
        group.bench_function(BenchmarkId::new("disconnect", rooms), |b| {
            let arrive = || {
                let guest = hall.connect("guest");
                hall.join(&guest.session, &room);
                guest
            };
            b.iter_batched(arrive, drop, BatchSize::PerIteration);
        });
        group.finish();
    }
}

fn join_and_its_floor(
    group: &mut BenchmarkGroup<'_, WallTime>,
    hall: &Hall,
    visitor: &Seated,
    rooms: usize,
) {
    let room = channel(0);
    let id = ChannelId::new(&room).expect("an id");
    let present = hall.server.registry().participants(&id);
    let queues = hall.seated.iter().map(|seated| &*seated.queue);
    let others: Vec<_> = present.into_iter().zip(queues).collect();
    let frame = join_frame(&room);
    group.bench_function(BenchmarkId::new("join/floor", rooms), |b| {
        b.iter(|| join_floor(black_box(&frame), &others, &visitor.queue));
    });
    group.bench_function(BenchmarkId::new("join", rooms), |b| {
        let leave = || {
            // The first time there is no seat yet.
            let _ = visitor.session.leave(&room, "");
        };
        b.iter_custom(|iterations| {
            timed(iterations, leave, || {
                hall.join(&visitor.session, black_box(&room));
            })
        });
        leave();
    });
}

/// The time of `operation` alone, each run after `prepare`.
fn timed(iterations: u64, mut prepare: impl FnMut(), mut operation: impl FnMut()) -> Duration {
    let mut total = Duration::ZERO;
    for _ in 0..iterations {
        prepare();
        let start = Instant::now();
        operation();
        total += start.elapsed();
    }
    total
}

/// What goes through a room does not depend on how many others there are.
fn traffic(c: &mut Criterion) {
    let mut group = c.benchmark_group("traffic");
    for rooms in HOUSES {
        let hall = Hall::new(rooms, 4);
        let sender = &hall.seated[0].session;
        let room = channel(0);
        let frame = candidate_frame(&room, "u-0-2");
        group.bench_function(BenchmarkId::new("relay", rooms), |b| {
            b.iter(|| hall.handle(sender, black_box(&frame)));
        });
        group.bench_function(BenchmarkId::new("update_state", rooms), |b| {
            b.iter(|| sender.update_state(black_box(&room), true, false, ""));
        });
    }
    group.finish();
}

fn participants(c: &mut Criterion) {
    let mut group = c.benchmark_group("participants");
    for members in [2, 8, 25, 100] {
        let hall = Hall::new(1, members);
        let room = ChannelId::new(channel(0)).expect("an id");
        group.bench_function(BenchmarkId::from_parameter(members), |b| {
            b.iter(|| hall.server.registry().participants(black_box(&room)));
        });
    }
    group.finish();
}

/// Two threads in one room and in two, beside one thread alone.
fn threads(c: &mut Criterion) {
    type Work = fn(&Hall, usize, &str);
    let speaking: Work = |hall, sender, room| {
        let told = hall.seated[sender].session.speaking(room, true, "");
        told.expect("seated");
    };
    let relay: Work = |hall, sender, room| {
        // The last of the eight in the sender's room.
        let target = format!("u-{}-7", sender / 8);
        hall.handle(
            &hall.seated[sender].session,
            &candidate_frame(room, &target),
        );
    };
    for (name, work) in [("speaking", speaking), ("relay", relay)] {
        let mut group = c.benchmark_group(format!("threads/{name}"));
        for (case, threads, rooms) in [
            ("one", 1, 1),
            ("two-one-room", 2, 1),
            ("two-many-rooms", 2, 2),
        ] {
            let hall = Hall::new(rooms, 8);
            group.bench_function(case, |b| {
                b.iter_custom(|iterations| on_threads(threads, rooms, iterations, &hall, work));
            });
        }
        group.finish();
    }
}

fn on_threads(
    threads: usize,
    rooms: usize,
    iterations: u64,
    hall: &Hall,
    work: fn(&Hall, usize, &str),
) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let room = thread % rooms;
                let name = channel(room);
                for _ in 0..iterations {
                    work(hall, room * 8 + thread, &name);
                }
            });
        }
    });
    start.elapsed()
}

criterion_group!(benches, membership, traffic, participants, threads);
criterion_main!(benches);
