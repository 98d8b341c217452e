//! Attacks on the other members of a room, and on the registry of seats.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use futures::future::try_join_all;
use tokio::time::{interval, sleep};
use united_voice_scenarios::{
    Client, Codec, Incoming, Payload, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

use super::scene::{self, Scene};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A member that never reads, and another one that fills its queue. The server must put out the one
/// that does not read.
pub(super) async fn never_reading(scene: Arc<Scene>) -> anyhow::Result<String> {
    let mut sender = scene.intruder("Sender", 0).await?;
    let user = scene.attacker("Never reads").await;
    let mut victim = Client::connect_narrow(&scene.server, &user, Codec::Protobuf).await;
    scene::join(&mut victim, scene.channel(0)).await?;
    // It counts as four messages, so twenty a second are within the rate.
    let offer = request::offer(scene.channel(0), &user.id, &"s".repeat(60_000));
    let mut ticks = interval(Duration::from_millis(50));
    let start = Instant::now();
    loop {
        ensure!(
            start.elapsed() < PATIENCE,
            "not evicted within {PATIENCE:?}"
        );
        tokio::select! {
            _ = ticks.tick() => sender.send(offer.clone()).await,
            incoming = sender.incoming() => {
                let Incoming::Envelope(envelope) = incoming else {
                    bail!("the sender is put out: {incoming:?}")
                };
                if let Some(Payload::VoiceLeaveEvent(left)) = envelope.payload
                    && left.user_id == user.id
                {
                    ensure!(left.reason() == VoiceLeaveReason::Evicted, "{left:?}");
                    break;
                }
            }
        }
    }
    let after = start.elapsed();
    scene::closed(&mut victim, &[1013]).await?;
    Ok(format!("1.2 MB a second unread, evicted after {after:.1?}"))
}

/// One user whose connections take the seat from each other.
pub(super) async fn takeover_storm(scene: Arc<Scene>) -> anyhow::Result<String> {
    let (connections, takeovers) = scene.form.pick((10, 60), (100, 2000));
    let user = scene.attacker("Many").await;
    let mut clients = Vec::with_capacity(connections);
    for _ in 0..connections {
        clients.push(scene.connect(&user, Codec::Json).await?);
    }
    scene::join(&mut clients[0], scene.channel(0)).await?;
    for number in 1..takeovers {
        scene::join(&mut clients[number % connections], scene.channel(number)).await?;
        replaced(&mut clients[(number - 1) % connections]).await?;
        sleep(Duration::from_millis(10)).await;
    }
    let mut seats = 0;
    for room in &scene.rooms {
        let roster = scene.server.roster(&user, &room.channel).await;
        seats += roster.iter().filter(|it| **it == user.id).count();
    }
    ensure!(seats == 1, "the user has {seats} seats");
    Ok(format!("{takeovers} takeovers, up to 100 a second"))
}

/// Reads until the seat is lost, which must happen.
async fn replaced(client: &mut Client) -> anyhow::Result<()> {
    loop {
        match client.incoming().await {
            Incoming::Envelope(envelope) => {
                if let Some(Payload::VoiceError(error)) = envelope.payload {
                    let code = error.code();
                    ensure!(code == VoiceErrorCode::SessionReplaced, "{error:?}");
                    return Ok(());
                }
            }
            end => bail!("{end:?} instead of SESSION_REPLACED"),
        }
    }
}

/// Clients that move from room to room, and leave, without a pause.
pub(super) async fn move_storm(scene: Arc<Scene>) -> anyhow::Result<String> {
    let (count, moves) = scene.form.pick((10, 30), (40, 300));
    let moving = (0..count).map(|number| {
        let scene = Arc::clone(&scene);
        async move {
            let mut client = scene.intruder("Restless", number).await?;
            for step in 1..moves {
                let channel = scene.channel(number + step);
                scene::join(&mut client, channel).await?;
                if step % 5 == 0 {
                    client.send(request::leave(channel)).await;
                }
                sleep(Duration::from_millis(100)).await;
            }
            anyhow::Ok(())
        }
    });
    try_join_all(moving).await?;
    Ok(format!("{count} clients, ten moves a second each"))
}

/// Members whose connections break off without a close frame, all at once.
pub(super) async fn vanishing_crowd(scene: Arc<Scene>) -> anyhow::Result<String> {
    let count = scene.form.pick(60, 2000);
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        crowd.push(scene.intruder("Crowd", number).await?);
    }
    for client in &crowd {
        client.socket.get_ref().set_zero_linger()?;
    }
    drop(crowd);
    Ok(format!("{count} members reset their connections at once"))
}
