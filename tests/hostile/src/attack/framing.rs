//! Frames that break RFC 6455 or the limits, or that take their time.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use futures::future::try_join_all;
use tokio::time::sleep;
use united_voice_scenarios::{Codec, Incoming, Payload, request};

use super::scene::{self, Scene};
use crate::frame::{
    bits::{BINARY, CLOSE, CONTINUATION, FIN, PING, RSV1, TEXT},
    head, masked, unmasked,
};

/// The largest message that the server takes.
const MAX_MESSAGE: usize = 128 * 1024;

/// What breaks the framing, and the close codes that may follow.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static [u16])> {
    let protocol: &[u16] = &[1002];
    let fragments = |count: usize| {
        let mut all = masked(BINARY, &[0; 16 * 1024]);
        (1..count).for_each(|_| all.extend(masked(CONTINUATION, &[0; 16 * 1024])));
        all
    };
    vec![
        (
            "a reserved bit",
            masked(FIN | RSV1 | BINARY, b"x"),
            protocol,
        ),
        ("opcode 3", masked(FIN | 0x3, b"x"), protocol),
        ("opcode 11", masked(FIN | 0xb, b"x"), protocol),
        ("no mask", unmasked(FIN | BINARY, b"x"), protocol),
        ("a ping in fragments", masked(PING, b"x"), protocol),
        ("a long ping", masked(FIN | PING, &[0; 126]), protocol),
        (
            "a continuation of nothing",
            masked(FIN | CONTINUATION, b"x"),
            protocol,
        ),
        (
            "a message in a message",
            [masked(TEXT, b"a"), masked(FIN | TEXT, b"b")].concat(),
            protocol,
        ),
        (
            "a close frame of one byte",
            masked(FIN | CLOSE, &[3]),
            protocol,
        ),
        (
            "text that is not UTF-8",
            masked(FIN | TEXT, &[0xc3, 0x28]),
            &[1007],
        ),
        (
            "a message over the limit",
            masked(FIN | BINARY, &vec![0; MAX_MESSAGE + 1]),
            &[1009],
        ),
        (
            "an announced gigabyte",
            head(FIN | BINARY, 1 << 30),
            &[1009],
        ),
        ("an announced exabyte", head(FIN | BINARY, 1 << 60), &[1009]),
        ("endless fragments", fragments(9), &[1009]),
    ]
}

/// Each broken frame, from a member of a room.
pub(super) async fn broken_frames(scene: Arc<Scene>) -> anyhow::Result<String> {
    let rounds = scene.form.pick(1, 50);
    let broken = broken();
    let user = scene.attacker("Breaker").await;
    for round in 0..rounds {
        for (place, (name, bytes, codes)) in broken.iter().enumerate() {
            let mut client = scene.connect(&user, Codec::Protobuf).await?;
            scene::join(&mut client, scene.channel(round + place)).await?;
            // The server may close before it has read everything.
            let _ = scene::write(&mut client, bytes).await;
            scene::closed(&mut client, codes).await.context(*name)?;
            sleep(Duration::from_millis(10)).await;
        }
    }
    Ok(format!("{} kinds, {rounds} times each", broken.len()))
}

/// Frames whose bytes come one by one. They are slow and right, so they are answered.
pub(super) async fn dripped_frames(scene: Arc<Scene>) -> anyhow::Result<String> {
    let count = scene.form.pick(5, 100);
    let dripping = (0..count).map(|number| {
        let scene = Arc::clone(&scene);
        async move {
            let user = scene.attacker("Drip").await;
            let mut client = scene.connect(&user, Codec::Protobuf).await?;
            let join = scene::protobuf("slow", request::join(scene.channel(number)));
            for byte in masked(FIN | BINARY, &join) {
                scene::write(&mut client, &[byte]).await?;
                sleep(Duration::from_millis(25)).await;
            }
            let incoming = client.incoming().await;
            let Incoming::Envelope(envelope) = incoming else {
                anyhow::bail!("{incoming:?} instead of an answer")
            };
            let joined = matches!(envelope.payload, Some(Payload::VoiceJoinResponse(_)));
            anyhow::ensure!(joined, "{envelope:?} instead of an answer");
            anyhow::Ok(())
        }
    });
    try_join_all(dripping).await?;
    Ok(format!("{count} connections, 40 bytes a second each"))
}

/// Messages that never end, each just under the limit. The server must hold what came.
pub(super) async fn half_messages(scene: Arc<Scene>) -> anyhow::Result<String> {
    let count = scene.form.pick(50, 400);
    let user = scene.attacker("Half").await;
    let mut clients = Vec::with_capacity(count);
    for _ in 0..count {
        let mut client = scene.connect(&user, Codec::Protobuf).await?;
        let mut half = head(FIN | BINARY, MAX_MESSAGE as u64);
        half.extend(vec![0; MAX_MESSAGE - 1]);
        scene::write(&mut client, &half).await?;
        clients.push(client);
    }
    sleep(
        scene
            .form
            .pick(Duration::from_secs(2), Duration::from_secs(10)),
    )
    .await;
    Ok(format!("{count} connections hold 128 KiB each"))
}
