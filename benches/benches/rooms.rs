//! Joining, moving and leaving, in small and large houses.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use united_voice_benches::{Hall, channel};
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

fn two_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("two-threads");
    for (name, rooms) in [("one-room", 1), ("many-rooms", 2)] {
        let hall = Hall::new(rooms, 8);
        group.bench_function(name, |b| {
            b.iter_custom(|iterations| {
                let start = std::time::Instant::now();
                std::thread::scope(|scope| {
                    for thread in 0..2 {
                        let room = thread % rooms;
                        let sender = &hall.seated[room * 8 + thread].session;
                        scope.spawn(move || {
                            let room = channel(room);
                            for _ in 0..iterations {
                                sender.speaking(&room, true, "").expect("seated");
                            }
                        });
                    }
                });
                start.elapsed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, membership, participants, two_threads);
criterion_main!(benches);
