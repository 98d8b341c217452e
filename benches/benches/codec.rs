//! Decoding and encoding in both forms, and minting credentials.
//!
//! The floor of a codec is its library alone on the same message, without limits and checks. The
//! floor of a credential is the HMAC of a user name that is ready.

#![allow(missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use criterion::{Criterion, criterion_group, criterion_main};
use hmac::{Hmac, KeyInit, Mac};
use prost::Message as _;
use sha1::Sha1;
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
    for (name, protobuf) in frames {
        let envelope = proto::decode(Codec::Protobuf, &protobuf, MAX_FRAME).expect("an envelope");
        in_protobuf(c, name, &protobuf, &envelope);
        in_json(c, name, &envelope);
    }
}

fn in_protobuf(c: &mut Criterion, name: &str, frame: &[u8], envelope: &Envelope) {
    let mut group = c.benchmark_group("codec");
    let decode_floor = || Envelope::decode(black_box(frame));
    assert_eq!(decode_floor().as_ref(), Ok(envelope));
    group.bench_function(format!("decode/protobuf/floor/{name}"), |b| {
        b.iter(decode_floor);
    });
    group.bench_function(format!("decode/protobuf/{name}"), |b| {
        b.iter(|| proto::decode(Codec::Protobuf, black_box(frame), MAX_FRAME));
    });
    group.bench_function(format!("decode/borrowed/{name}"), |b| {
        b.iter(|| {
            // `black_box` keeps it from being optimised away. It cannot be returned, because it
            // borrows.
            let _ = black_box(Incoming::decode(
                Codec::Protobuf,
                black_box(frame),
                MAX_FRAME,
            ));
        });
    });
    let encode_floor = || black_box(envelope).encode_to_vec();
    assert_eq!(encode_floor(), frame);
    group.bench_function(format!("encode/protobuf/floor/{name}"), |b| {
        b.iter(encode_floor);
    });
    group.bench_function(format!("encode/protobuf/{name}"), |b| {
        b.iter(|| proto::encode_protobuf(black_box(envelope)));
    });
    group.finish();
}

fn in_json(c: &mut Criterion, name: &str, envelope: &Envelope) {
    let json = proto::encode_json(envelope);
    let mut group = c.benchmark_group("codec");
    let decode_floor = || serde_json::from_slice::<Envelope>(black_box(json.as_bytes()));
    assert_eq!(decode_floor().ok().as_ref(), Some(envelope));
    group.bench_function(format!("decode/json/floor/{name}"), |b| {
        b.iter(decode_floor);
    });
    group.bench_function(format!("decode/json/{name}"), |b| {
        b.iter(|| proto::decode(Codec::Json, black_box(json.as_bytes()), MAX_FRAME));
    });
    let encode_floor = || serde_json::to_string(black_box(envelope));
    assert_eq!(encode_floor().ok().as_ref(), Some(&json));
    group.bench_function(format!("encode/json/floor/{name}"), |b| {
        b.iter(encode_floor);
    });
    group.bench_function(format!("encode/json/{name}"), |b| {
        b.iter(|| proto::encode_json(black_box(envelope)));
    });
    group.finish();
}

const SECRET: &str = "a shared secret of some length";

fn credentials(c: &mut Criterion) {
    let secret = SharedSecret::new(SECRET);
    let now = SystemTime::now();
    let ttl = Duration::from_secs(3600);
    let minted = secret.mint("alice", ttl, now);
    let prepared = key();
    let mut group = c.benchmark_group("credentials");
    let floor = || sign(black_box(&prepared).clone(), black_box(&minted.username));
    assert_eq!(floor(), minted.credential);
    group.bench_function("prepared/floor", |b| b.iter(floor));
    group.bench_function("prepared", |b| {
        b.iter(|| secret.mint(black_box("alice"), ttl, now));
    });
    let floor = || sign(key(), black_box(&minted.username));
    assert_eq!(floor(), minted.credential);
    group.bench_function("from-text/floor", |b| b.iter(floor));
    group.bench_function("from-text", |b| {
        b.iter(|| generate_turn_credentials(black_box("alice"), black_box(SECRET), 3600));
    });
    group.finish();
}

fn key() -> Hmac<Sha1> {
    Hmac::new_from_slice(black_box(SECRET).as_bytes()).expect("HMAC takes keys of any length")
}

fn sign(mut mac: Hmac<Sha1>, username: &str) -> String {
    mac.update(username.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

criterion_group!(benches, codec, credentials);
criterion_main!(benches);
