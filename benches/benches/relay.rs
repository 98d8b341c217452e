//! One message to one other participant, and one to a whole room, beside their floors.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use united_voice_benches::{
    Hall, broadcast_floor, candidate_frame, channel, in_json, offer_frame, relay_floor, sent_by,
};
use united_voice_core::Codec;

fn relay(c: &mut Criterion) {
    type MakeFrame = fn(&str, &str) -> bytes::Bytes;
    let messages: [(&str, Codec, MakeFrame); 4] = [
        ("candidate", Codec::Protobuf, candidate_frame),
        ("offer", Codec::Protobuf, offer_frame),
        ("json/candidate", Codec::Json, |room, target| {
            in_json(&candidate_frame(room, target))
        }),
        ("json/offer", Codec::Json, |room, target| {
            in_json(&offer_frame(room, target))
        }),
    ];
    for (name, codec, make_frame) in messages {
        let mut group = c.benchmark_group(format!("relay/{name}"));
        for members in [2, 4, 8, 25, 100] {
            let hall = Hall::with_codec(codec, 1, members);
            let target = members / 2;
            let frame = make_frame(&channel(0), &format!("u-0-{target}"));
            let sender = &hall.seated[0].connection;
            let (_, session) = sender.seat().expect("seated");
            let session = session.to_string();
            let queue = &hall.seated[target].queue;
            let floor = || relay_floor(codec, black_box(&frame), "u-0-0", &session, queue);
            let relay = || hall.handle(sender, codec, black_box(&frame));
            let queues = hall.queues();
            assert_eq!(sent_by(floor, &queues), sent_by(relay, &queues));
            group.bench_function(BenchmarkId::new("floor", members), |b| b.iter(floor));
            group.bench_function(BenchmarkId::new("relay", members), |b| b.iter(relay));
        }
        group.finish();
    }
}

fn broadcast(c: &mut Criterion) {
    for (name, speaking) in [("state", false), ("speaking", true)] {
        let mut group = c.benchmark_group(format!("broadcast/{name}"));
        for members in [2, 8, 25, 100] {
            let hall = Hall::new(1, members);
            let sender = &hall.seated[0].connection;
            let room = channel(0);
            let broadcast = || {
                let told = if speaking {
                    sender.speaking(black_box(&room), true, "")
                } else {
                    sender.update_state(black_box(&room), true, false, "")
                };
                told.expect("seated");
            };
            let queues = hall.queues();
            let sent = sent_by(broadcast, &queues);
            let frame = sent[members - 1][0].clone();
            // Who speaks is not told so.
            let recipients = &queues[usize::from(speaking)..];
            let floor =
                || broadcast_floor(black_box(&frame), recipients.iter().map(|queue| &**queue));
            assert_eq!(sent_by(floor, &queues), sent);
            group.throughput(Throughput::Elements(recipients.len() as u64));
            group.bench_function(BenchmarkId::new("floor", members), |b| b.iter(floor));
            group.bench_function(BenchmarkId::new("broadcast", members), |b| {
                b.iter(broadcast);
            });
        }
        group.finish();
    }
}

criterion_group!(benches, relay, broadcast);
criterion_main!(benches);
