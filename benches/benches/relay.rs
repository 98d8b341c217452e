//! One message to one other participant, and one message to a whole room, beside their floors.

#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use united_voice_benches::{
    BareQueue, Hall, Inbox, broadcast_floor, candidate_frame, channel, floor_room, in_json,
    offer_frame, relay_floor,
};
use united_voice_core::{Codec, Signal, Urgency, proto};

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
            let mut hall = Hall::with_codec(codec, 1, members);
            let target = members / 2;
            let frame = make_frame(&channel(0), &format!("u-0-{target}"));
            let (_, session) = hall.seated[0].connection.seat().expect("seated");
            let session = session.to_string();
            let queue = BareQueue::default();
            let push = || relay_floor(codec, black_box(&frame), "u-0-0", &session, &queue);
            let mut sent = hall.sent_by(|hall| {
                hall.handle(&hall.seated[0].connection, codec, &frame);
            });
            push();
            assert_eq!(queue.take(), sent.swap_remove(target));
            assert!(sent.iter().all(Vec::is_empty));
            let floor = || {
                push();
                queue.take_one();
            };
            let mut relay = || {
                hall.handle(&hall.seated[0].connection, codec, black_box(&frame));
                hall.seated[target].inbox.take_one();
            };
            group.bench_function(BenchmarkId::new("floor", members), |b| b.iter(floor));
            group.bench_function(BenchmarkId::new("relay", members), |b| b.iter(&mut relay));
        }
        group.finish();
    }
}

fn broadcast(c: &mut Criterion) {
    for (name, speaking) in [("state", false), ("speaking", true)] {
        let mut group = c.benchmark_group(format!("broadcast/{name}"));
        for members in [2, 8, 25, 100] {
            let mut hall = Hall::new(1, members);
            let room = channel(0);
            let tell = |hall: &Hall| {
                let sender = &hall.seated[0].connection;
                let told = if speaking {
                    sender.speaking(black_box(&room), true, "")
                } else {
                    sender.update_state(black_box(&room), true, false, "")
                };
                told.expect("seated");
            };
            // The speaker is not told that it speaks itself.
            let first = usize::from(speaking);
            let sent = hall.sent_by(tell);
            let frame = sent[first][0].clone();
            assert!(sent[..first].iter().all(Vec::is_empty));
            assert!(sent[first..].iter().all(|got| *got == [frame.clone()]));
            let envelope = proto::decode(Codec::Protobuf, &frame, frame.len());
            let payload = envelope.expect("an envelope").payload.expect("a payload");
            let signal = Signal::new("", payload, Urgency::Event);
            assert_eq!(*signal.as_protobuf(), frame);
            let (queues, mut inboxes) = floor_room(members - first);
            group.throughput(Throughput::Elements(queues.len() as u64));
            group.bench_function(BenchmarkId::new("floor", members), |b| {
                b.iter(|| {
                    broadcast_floor(black_box(&signal), &queues);
                    inboxes.iter_mut().for_each(Inbox::take_one);
                });
            });
            group.bench_function(BenchmarkId::new("broadcast", members), |b| {
                b.iter(|| {
                    tell(&hall);
                    let told = hall.seated[first..].iter_mut();
                    told.for_each(|seated| seated.inbox.take_one());
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, relay, broadcast);
criterion_main!(benches);
