//! More messages than the rate allows, of every kind, until the server closes with 1008.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use tokio::time::{MissedTickBehavior, interval};
use united_voice_scenarios::{Client, Incoming, Payload, request, voice::VoiceJoinResponse};

use super::scene::{self, Scene};
use crate::frame::{
    bits::{BINARY, CONTINUATION, FIN, PING, PONG},
    masked,
};

/// The time between two bursts.
const INTERVAL: Duration = Duration::from_millis(50);

/// Messages of a burst. That makes 300 a second; the server takes 100.
const BURST: usize = 15;

/// After so much excess the server closes.
const ALLOWED: Duration = Duration::from_secs(10);

/// By then it must have closed, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(45);

/// Sends bursts of one frame, from a member of a room.
async fn flood(
    scene: Arc<Scene>,
    room: usize,
    frame: impl FnOnce(&str, &str) -> Vec<u8>,
) -> anyhow::Result<String> {
    let client = scene.intruder("Flood", room).await?;
    let target = &scene.rooms[room % scene.rooms.len()].users[0].id;
    flood_from(client, &frame(scene.channel(room), target)).await
}

/// Sends bursts of one frame until the server closes. The flooder reads all that comes.
async fn flood_from(mut client: Client, frame: &[u8]) -> anyhow::Result<String> {
    let burst = frame.repeat(BURST);
    let mut ticks = interval(INTERVAL);
    // A late flooder makes up for what it missed. Otherwise its rate could be an allowed one.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        tokio::select! {
            _ = ticks.tick() => {
                // If the server has closed, the next read says how.
                let _ = scene::write(&mut client, &burst).await;
            }
            incoming = client.incoming() => match incoming {
                Incoming::Envelope(_) => {}
                Incoming::Closed(code) => {
                    let after = start.elapsed();
                    ensure!(code == 1008, "closed with {code} instead of 1008");
                    ensure!(after >= ALLOWED, "closed already after {after:?}");
                    return Ok(format!("300 messages a second, closed after {after:.1?}"));
                }
                Incoming::Cut => bail!("cut instead of closed with 1008"),
            }
        }
    }
    bail!("not closed within {PATIENCE:?}")
}

fn binary(payload: Payload) -> Vec<u8> {
    masked(FIN | BINARY, &scene::protobuf("flood", payload))
}

pub(super) async fn flood_of_rejoins(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 0, |channel, _| binary(request::join(channel))).await
}

pub(super) async fn flood_of_offers(scene: Arc<Scene>) -> anyhow::Result<String> {
    let sdp = "s".repeat(2000);
    let offer = |channel: &str, target: &str| binary(request::offer(channel, target, &sdp));
    flood(scene, 1, offer).await
}

pub(super) async fn flood_of_answers(scene: Arc<Scene>) -> anyhow::Result<String> {
    let sdp = "s".repeat(2000);
    let answer = |channel: &str, target: &str| binary(request::answer(channel, target, &sdp));
    flood(scene, 2, answer).await
}

pub(super) async fn flood_of_candidates(scene: Arc<Scene>) -> anyhow::Result<String> {
    let candidate = |channel: &str, target: &str| binary(request::candidate(channel, target, "{}"));
    flood(scene, 3, candidate).await
}

pub(super) async fn flood_of_states(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 4, |channel, _| {
        binary(request::state(channel, true, false))
    })
    .await
}

pub(super) async fn flood_of_speaking(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 5, |channel, _| {
        binary(request::speaking(channel, true))
    })
    .await
}

pub(super) async fn flood_of_ice_servers(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 6, |channel, _| binary(request::ice_servers(channel))).await
}

pub(super) async fn flood_of_garbage(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 7, |_, _| masked(FIN | BINARY, &[0xff; 200])).await
}

pub(super) async fn flood_of_server_payloads(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 8, |_, _| {
        binary(Payload::VoiceJoinResponse(VoiceJoinResponse::default()))
    })
    .await
}

pub(super) async fn flood_of_tiny_messages(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 9, |_, _| masked(FIN | BINARY, &[])).await
}

/// A leave is never dropped, so each is answered. They are excess all the same.
pub(super) async fn flood_of_leaves(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 0, |channel, _| binary(request::leave(channel))).await
}

pub(super) async fn flood_of_pings(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 1, |_, _| masked(FIN | PING, b"ping")).await
}

pub(super) async fn flood_of_pongs(scene: Arc<Scene>) -> anyhow::Result<String> {
    flood(scene, 2, |_, _| masked(FIN | PONG, b"pong")).await
}

/// The last frame of the message never comes.
pub(super) async fn flood_of_empty_fragments(scene: Arc<Scene>) -> anyhow::Result<String> {
    let mut client = scene.intruder("Fragments", 3).await?;
    scene::write(&mut client, &masked(BINARY, b"x")).await?;
    flood_from(client, &masked(CONTINUATION, &[])).await
}
