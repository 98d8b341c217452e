//! Starts a server and the clients, watches them, and ends them.

use std::{process, rc::Rc, time::Duration};

use anyhow::Context as _;
use fastrand::Rng;
use tokio::{
    runtime::Builder,
    task::{JoinSet, LocalSet},
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use united_voice_load::process::{Process, raise_file_limit};

use super::{
    checkpoint,
    life::Life,
    memory::Memory,
    report::{self, Shares},
    settings::Settings,
    world::World,
};

/// All clients connect within this time.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The time between two comparisons of a channel.
const BETWEEN_COMPARISONS: Duration = Duration::from_secs(1);

/// The time between two looks at the messages on their way.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);

/// Samples of the server's memory in one soak.
const SAMPLES: u32 = 500;

/// How long the last messages may take to arrive. It is longer than what the ledger allows them.
const SETTLING: Duration = Duration::from_secs(40);

/// What a soak found.
#[derive(Debug)]
pub struct Outcome {
    /// All that must not have happened.
    pub violations: Vec<String>,
    /// The report as Markdown.
    pub report: String,
}

/// Plays a soak from beginning to end.
///
/// # Errors
///
/// The soak could not be played. What the server did wrong is in the outcome.
///
/// # Panics
///
/// If the server does not start, or refuses to make users or channels.
pub fn run(settings: Settings) -> anyhow::Result<Outcome> {
    raise_file_limit()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, play(settings))
}

async fn play(settings: Settings) -> anyhow::Result<Outcome> {
    let world = Rc::new(prepare(settings).await);
    let (server, own) = (
        Process {
            id: world.server.process_id(),
        },
        Process { id: process::id() },
    );
    let (server_before, own_before) = (server.cpu()?, own.cpu()?);
    let mut tasks = JoinSet::new();
    let arrival = ARRIVAL.min(settings.time / 4);
    for client in 0..settings.clients {
        tasks.spawn_local(Life::new(Rc::clone(&world), client, arrival).live());
    }
    tasks.spawn_local(compare_channels(Rc::clone(&world)));
    let memory = watch(&world, server, &mut tasks).await?;
    let took = world.start.elapsed();
    let share = |cpu: Duration| cpu.as_secs_f64() / took.as_secs_f64();
    let shares = Shares {
        server: share(server.cpu()? - server_before),
        clients: share(own.cpu()? - own_before),
    };
    world.end();
    settle(&world, &mut tasks).await;
    let trend = memory.trend();
    if let Some(Err(error)) = trend.map(|trend| trend.check()) {
        world.violation(format!("{error:#}"));
    }
    check_server(&world).await;
    let violations = world.violations();
    Ok(Outcome {
        report: report::write(&world, took, trend, shares, &violations),
        violations,
    })
}

async fn prepare(settings: Settings) -> World {
    let server = crate::server(settings.server).await;
    let mut users = Vec::with_capacity(settings.clients);
    for client in 0..settings.clients {
        users.push(server.user(&format!("client {client}")).await);
    }
    let mut channels = Vec::with_capacity(settings.channels);
    for channel in 0..settings.channels {
        let (name, limit) = (format!("channel {channel}"), Settings::limit(channel));
        channels.push(server.channel(&users[0], &name, limit).await);
    }
    World::new(server, settings, channels, users)
}

/// Watches until the time is up or too much went wrong.
async fn watch(world: &World, server: Process, tasks: &mut JoinSet<()>) -> anyhow::Result<Memory> {
    let mut memory = Memory::default();
    let mut samples = interval(world.settings.time / SAMPLES);
    samples.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sweeps = interval(BETWEEN_SWEEPS);
    while world.start.elapsed() < world.settings.time && !world.is_broken() {
        tokio::select! {
            _ = samples.tick() => {
                let bytes = server.resident_bytes().context("the server is gone")?;
                memory.add(world.start.elapsed(), bytes);
            }
            _ = sweeps.tick() => sweep(world),
            Some(ended) = tasks.join_next() => {
                if let Err(error) = ended {
                    world.violation(format!("a client failed: {error}"));
                }
            }
        }
    }
    Ok(memory)
}

fn sweep(world: &World) {
    let swept = world.ledger.borrow_mut().sweep(Instant::now());
    if let Err(error) = swept {
        world.violation(format!("{error:#}"));
    }
}

async fn compare_channels(world: Rc<World>) {
    let mut chance = Rng::with_seed(world.settings.seed);
    while !world.is_ending() {
        sleep(BETWEEN_COMPARISONS).await;
        checkpoint::compare(&world, chance.usize(..world.channels.len())).await;
    }
}

/// Waits for the last messages, and then compares every channel.
async fn settle(world: &World, tasks: &mut JoinSet<()>) {
    let deadline = Instant::now() + SETTLING;
    while world.ledger.borrow().open() > 0 && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
        sweep(world);
    }
    for channel in 0..world.channels.len() {
        if !world.is_broken() {
            checkpoint::compare(world, channel).await;
        }
    }
    while let Some(ended) = tasks.try_join_next() {
        if let Err(error) = ended {
            world.violation(format!("a client failed: {error}"));
        }
    }
}

async fn check_server(world: &World) {
    let healthz = timeout(SETTLING, world.server.get_text("/healthz")).await;
    match healthz {
        Ok((200, _)) => {}
        answer => world.violation(format!("/healthz: {answer:?}")),
    }
    if let Some(line) = (world.server.log().lines()).find(|line| line.contains("panicked")) {
        world.violation(format!("the server's log: {line}"));
    }
    for name in ["relays arrived", "joins and moves", "rosters compared"] {
        if world.tally.of(name) == 0 {
            world.violation(format!("there were no {name}"));
        }
    }
}
