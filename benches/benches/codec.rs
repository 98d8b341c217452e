//! Decoding and encoding in both forms, and minting credentials.
//!
//! The floor of a codec is its library alone on the same message, without limits and checks.

#![allow(missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use criterion::{Criterion, criterion_group, criterion_main};
use united_voice_benches::{candidate_frame, offer_frame, state_frame};
use united_voice_core::{
    Codec, SharedSecret, generate_turn_credentials,
    proto::{self, Incoming, ws::Envelope},
};

const MAX_FRAME: usize = 128 << 10;

fn codec(c: &mut Criterion) {
    let frames = [
        ("state", state_frame("general")),
        ("candidate", candidate_frame("general", "user")),
        ("offer", offer_frame("general", "user")),
    ];
    let mut group = c.benchmark_group("codec");
    for (name, protobuf) in frames {
        let envelope = proto::decode(Codec::Protobuf, &protobuf, MAX_FRAME).expect("an envelope");
        let json = proto::encode_json(&envelope);
        group.bench_function(format!("decode/protobuf/{name}"), |b| {
            b.iter(|| proto::decode(Codec::Protobuf, black_box(&protobuf), MAX_FRAME));
        });
        group.bench_function(format!("decode/borrowed/{name}"), |b| {
            b.iter(|| {
                // Kept from being optimised away, not returned: it borrows.
                let _ = black_box(Incoming::decode(
                    Codec::Protobuf,
                    black_box(&protobuf),
                    MAX_FRAME,
                ));
            });
        });
        let decode_json_floor = || serde_json::from_slice::<Envelope>(black_box(json.as_bytes()));
        assert_eq!(decode_json_floor().ok().as_ref(), Some(&envelope));
        group.bench_function(format!("decode/json/floor/{name}"), |b| {
            b.iter(decode_json_floor);
        });
        group.bench_function(format!("decode/json/{name}"), |b| {
            b.iter(|| proto::decode(Codec::Json, black_box(json.as_bytes()), MAX_FRAME));
        });
        group.bench_function(format!("encode/protobuf/{name}"), |b| {
            b.iter(|| proto::encode_protobuf(black_box(&envelope)));
        });
        let encode_json_floor = || serde_json::to_string(black_box(&envelope));
        assert_eq!(encode_json_floor().ok().as_ref(), Some(&json));
        group.bench_function(format!("encode/json/floor/{name}"), |b| {
            b.iter(encode_json_floor);
        });
        group.bench_function(format!("encode/json/{name}"), |b| {
            b.iter(|| proto::encode_json(black_box(&envelope)));
        });
    }
    group.finish();
}

fn credentials(c: &mut Criterion) {
    let secret = SharedSecret::new("a shared secret of some length");
    let now = SystemTime::now();
    let ttl = Duration::from_secs(3600);
    c.bench_function("credentials/prepared", |b| {
        b.iter(|| secret.mint(black_box("alice"), ttl, now));
    });
    c.bench_function("credentials/from-text", |b| {
        b.iter(|| generate_turn_credentials(black_box("alice"), "a shared secret", 3600));
    });
}

criterion_group!(benches, codec, credentials);
criterion_main!(benches);
