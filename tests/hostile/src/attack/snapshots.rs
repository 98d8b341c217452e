//! A member that has the server send it more than it pays for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use reqwest::Method;
use serde_json::json;
use tokio::time::interval;
use united_voice_scenarios::{Codec, Incoming, Payload, User, request};

use super::scene::{self, Scene};

/// Asks again and again for the snapshot of a room whose members have large keys.
pub(super) async fn rejoining_for_profit(scene: Arc<Scene>) -> anyhow::Result<String> {
    const MEMBERS: usize = 40;
    let time = scene
        .form
        .pick(Duration::from_secs(5), Duration::from_secs(30));
    let owner = scene.attacker("Profiteer").await;
    let channel = scene.server.channel(&owner, "large keys", None).await;
    let mut members = Vec::with_capacity(MEMBERS);
    for _ in 0..MEMBERS {
        let user = with_large_key(&scene).await?;
        let mut member = scene.connect(&user, Codec::Protobuf).await?;
        scene::join(&mut member, &channel).await?;
        members.push(member);
    }
    let mut client = scene.connect(&owner, Codec::Protobuf).await?;
    scene::join(&mut client, &channel).await?;
    let mut ticks = interval(Duration::from_millis(20));
    let (start, mut snapshots) = (Instant::now(), 0);
    while start.elapsed() < time {
        tokio::select! {
            _ = ticks.tick() => {
                client.send_as("again", request::join(&channel)).await;
            }
            incoming = client.incoming() => match incoming {
                Incoming::Envelope(envelope) => {
                    let joined = matches!(envelope.payload, Some(Payload::VoiceJoinResponse(_)));
                    snapshots += u32::from(joined);
                }
                // Asking fifty times a second is an excess if each counts for eleven.
                Incoming::Closed(1008) => break,
                end => bail!("{end:?} instead of a snapshot, a refusal or 1008"),
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    // 40 keys of 4 KiB are over 160 KiB: each snapshot counts for at least ten, and the request for
    // one more. The last one may put the client into debt.
    let paid = (200.0 + 100.0 * seconds) / 11.0 + 2.0;
    ensure!(
        f64::from(snapshots) <= paid,
        "{snapshots} snapshots in {seconds:.1} s, where the rate pays for {paid:.0}"
    );
    Ok(format!(
        "50 rejoins a second, {snapshots} snapshots in {seconds:.1} s"
    ))
}

async fn with_large_key(scene: &Scene) -> anyhow::Result<User> {
    let body = json!({ "displayName": "Large", "pubkey": "k".repeat(4096) });
    let signing_in = (scene.server).http(Method::POST, "/api/dev/login", None, Some(body));
    let (status, answer) = signing_in.await;
    ensure!(status == 200, "a sign-in with a key of 4 KiB: {answer}");
    let text = |name: &str| {
        answer[name]
            .as_str()
            .map(str::to_owned)
            .context("a sign-in")
    };
    Ok(User {
        id: text("userId")?,
        name: "Large".to_owned(),
        pubkey: "k".repeat(4096),
        token: text("token")?,
    })
}
