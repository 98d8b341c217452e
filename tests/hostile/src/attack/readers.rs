//! Members that together send more to one reader than it can take.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use futures::future::try_join_all;
use tokio::{
    io::AsyncReadExt as _,
    time::{MissedTickBehavior, interval, timeout},
};
use united_voice_load::payload::Stamp;
use united_voice_scenarios::{
    Client, Codec, Incoming, Payload, request,
    voice::{VoiceError, VoiceErrorCode},
};

use super::scene::{self, Scene};
use crate::frame::{
    bits::{FIN, PONG},
    masked,
};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Several members each send candidates at once to one that reads promptly. Each candidate arrives
/// or is refused, and the reader stays.
pub(super) async fn many_to_one(scene: Arc<Scene>) -> anyhow::Result<String> {
    /// One less than a new connection may send at once.
    const CANDIDATES: u64 = 199;
    const SENDERS: usize = 6;
    let rounds = scene.form.pick(1, 10);
    let owner = scene.attacker("Owner").await;
    let channel = scene.server.channel(&owner, "many to one", None).await;
    let channel = channel.as_str();
    for _ in 0..rounds {
        let mut reader = scene.connect(&owner, Codec::Json).await?;
        scene::join(&mut reader, channel).await?;
        let (reader_id, scene) = (owner.id.as_str(), &scene);
        let mut senders = Vec::with_capacity(SENDERS);
        for _ in 0..SENDERS {
            let user = scene.attacker("Sender").await;
            let mut sender = scene.connect(&user, Codec::Protobuf).await?;
            scene::join(&mut sender, channel).await?;
            senders.push(sender);
        }
        let sending = try_join_all(senders.into_iter().map(|mut sender| async move {
            for number in 0..CANDIDATES {
                let text = Stamp { number, due: 0 }.text(300);
                let candidate = request::candidate(channel, reader_id, &text);
                sender.send_as(&format!("{number}"), candidate).await;
            }
            let refused = refusals(&mut sender).await?;
            anyhow::Ok((sender.user.id.clone(), refused))
        }));
        let mut arrived: HashMap<String, Vec<u64>> = HashMap::new();
        let reading = async {
            let mut fates: Option<Vec<(String, Vec<u64>)>> = None;
            let mut sending = Box::pin(sending);
            let deadline = Instant::now() + PATIENCE;
            loop {
                if let Some(refused) = &fates
                    && all_have_a_fate(refused, &arrived, CANDIDATES)?
                {
                    return Ok(());
                }
                ensure!(Instant::now() < deadline, "candidates are lost");
                tokio::select! {
                    refused = &mut sending, if fates.is_none() => fates = Some(refused?),
                    incoming = reader.incoming_within(Duration::from_secs(1)) => match incoming {
                        Some(Incoming::Envelope(envelope)) => {
                            if let Some(Payload::VoiceIceCandidate(it)) = envelope.payload {
                                let number = Stamp::parse(&it.candidate_json)?.number;
                                arrived.entry(it.sender_user_id).or_default().push(number);
                            }
                        }
                        Some(end) => bail!("the reader is put out: {end:?}"),
                        None => {}
                    }
                }
            }
        };
        reading.await?;
        reader.close().await;
    }
    Ok(format!(
        "{SENDERS} members, {CANDIDATES} candidates each at once, {rounds} times"
    ))
}

/// The numbers of the relays that were refused. Answers come in the order of the requests, so none
/// is missing.
async fn refusals(sender: &mut Client) -> anyhow::Result<Vec<u64>> {
    let (waiting, _) = sender.catch_up().await;
    let mut refused = Vec::new();
    for envelope in waiting {
        if let Some(Payload::VoiceError(error)) = envelope.payload {
            only_busy(&error)?;
            refused.push(envelope.request_id.parse()?);
        }
    }
    Ok(refused)
}

fn only_busy(error: &VoiceError) -> anyhow::Result<()> {
    let busy = error.code() == VoiceErrorCode::RateLimited;
    ensure!(busy, "a relay to a reader is refused: {error:?}");
    Ok(())
}

/// Whether each candidate arrived, in order, or was refused. It is an error if one did both, or
/// arrived twice or out of order.
fn all_have_a_fate(
    refused: &[(String, Vec<u64>)],
    arrived: &HashMap<String, Vec<u64>>,
    each: u64,
) -> anyhow::Result<bool> {
    let mut all = true;
    for (sender, refused) in refused {
        let arrived = arrived.get(sender).map_or(&[][..], Vec::as_slice);
        ensure!(
            arrived.is_sorted_by(|a, b| a < b),
            "doubled or out of order: {arrived:?}"
        );
        let both = refused.iter().find(|it| arrived.contains(it));
        ensure!(both.is_none(), "candidate {both:?} arrived and was refused");
        all &= arrived.len() + refused.len() == usize::try_from(each)?;
    }
    Ok(all)
}

/// Members send large offers to one on a slow line, more than the line takes. It reads all the time
/// and stays.
pub(super) async fn slow_line(scene: Arc<Scene>) -> anyhow::Result<String> {
    /// 2 MB a second: 16 Mbit/s.
    const BYTES: usize = 100_000;
    const EACH: Duration = Duration::from_millis(50);
    /// Steps between two signs of life. It reads bytes and not frames, so it answers no pings.
    const SIGN_OF_LIFE: u32 = 100;
    let time = scene
        .form
        .pick(Duration::from_secs(8), Duration::from_secs(60));
    let user = scene.attacker("Slow").await;
    let channel = scene.server.channel(&user, "slow line", None).await;
    let mut reader = Client::connect_narrow(&scene.server, &user, Codec::Protobuf).await;
    scene::join(&mut reader, &channel).await?;
    let flooding = (0..3).map(|_| {
        let (scene, channel, target) = (Arc::clone(&scene), channel.clone(), user.id.clone());
        async move { pour(&scene, &channel, &target, time).await }
    });
    let reading = async {
        let mut ticks = interval(EACH);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffer = vec![0; BYTES];
        let (start, mut total, mut steps) = (Instant::now(), 0, 0);
        while start.elapsed() < time {
            ticks.tick().await;
            steps += 1;
            if steps % SIGN_OF_LIFE == 0 {
                scene::write(&mut reader, &masked(FIN | PONG, &[])).await?;
            }
            // What has come, but not more than the line takes. An end of the stream is an eviction.
            if let Ok(read) = timeout(EACH, reader.socket.get_mut().read(&mut buffer)).await {
                let read = read?;
                ensure!(
                    read > 0,
                    "the reader is put out after {:?}",
                    start.elapsed()
                );
                total += read;
            }
        }
        anyhow::Ok(total)
    };
    let (read, _) = tokio::try_join!(reading, try_join_all(flooding))?;
    let seated = scene
        .server
        .roster(&user, &channel)
        .await
        .contains(&user.id);
    ensure!(seated, "the reader lost its seat");
    Ok(format!(
        "3 members, 1.3 MB a second each, {} KB read",
        read / 1000
    ))
}

/// Sends 64-KiB offers as fast as the rate allows. Each counts as five messages.
async fn pour(scene: &Scene, channel: &str, target: &str, time: Duration) -> anyhow::Result<()> {
    let user = scene.attacker("Pourer").await;
    let mut sender = scene.connect(&user, Codec::Protobuf).await?;
    scene::join(&mut sender, channel).await?;
    let offer = request::offer(channel, target, &"s".repeat(64 * 1024));
    let mut ticks = interval(Duration::from_millis(52));
    let start = Instant::now();
    while start.elapsed() < time {
        tokio::select! {
            _ = ticks.tick() => sender.send_as("pour", offer.clone()).await,
            incoming = sender.incoming() => match incoming {
                Incoming::Envelope(envelope) => {
                    if let Some(Payload::VoiceError(error)) = envelope.payload {
                        only_busy(&error)?;
                    }
                }
                end => bail!("a sender within the rate is put out: {end:?}"),
            }
        }
    }
    Ok(())
}
