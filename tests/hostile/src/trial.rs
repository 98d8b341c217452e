//! Attacks on a server with innocents, and what became of both.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use tokio::{task::JoinSet, time::sleep};
use united_voice_load::process::{Process, raise_file_limit};
use united_voice_scenarios::ServerKind;

use crate::{
    attack::{Attack, Form, Scene},
    innocents::{Innocents, Measured, Room, SEATS},
    peak::Peak,
};

/// Rooms of innocents.
const ROOMS: usize = 10;

/// How long the attackers may be seen in the rooms after the attack. Pings find the last of them.
const CLEARING: Duration = Duration::from_secs(60);

/// How long the server may take to give memory back.
const GIVING_BACK: Duration = Duration::from_secs(20);

/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// A server may grow by so much in an attack. It is far more than the attacks should take, and far
/// less than what a missing limit would take.
const PEAK_BYTES: u64 = 400 * MIB;

/// It may keep so much afterwards, since allocators keep some of what they got.
const KEPT_BYTES: u64 = 160 * MIB;

/// Delays below this are the scheduler's.
const NOISE: Duration = Duration::from_millis(5);

/// What a trial found.
#[derive(Debug)]
pub struct Verdict {
    /// What each attack did.
    pub done: Vec<String>,
    /// What the innocents measured.
    pub measured: Measured,
    /// The server's memory before, at its peak and afterwards, in bytes.
    pub memory: [u64; 3],
}

impl Verdict {
    /// Whether 99 of 100 messages took at most twice as long as before.
    #[must_use]
    pub fn is_fast(&self) -> bool {
        self.measured.during <= (2 * self.measured.before).max(NOISE)
    }
}

/// Runs the attacks, all at once, on a new server.
///
/// # Errors
///
/// The server did something wrong: to the attackers, to the innocents, or with its memory.
///
/// # Panics
///
/// If the server does not start.
pub async fn run(kind: ServerKind, attacks: &[Attack], form: Form) -> anyhow::Result<Verdict> {
    raise_file_limit()?;
    let scene = Arc::new(set(kind, form).await);
    let server = Process {
        id: scene.server.process_id(),
    };
    let innocents = Innocents::start(scene.server.address(), scene.rooms.clone());
    innocents.ready().await?;
    sleep(form.pick(Duration::from_secs(1), Duration::from_secs(5))).await;
    let before = server.resident_bytes()?;
    let peak = Peak::watch(server);
    innocents.attack_begins();
    let attacked = attack(&scene, attacks).await;
    let peak = peak.stop();
    let cleared = cleared(&scene).await;
    let measured = innocents.finish().await;
    // What the server did to the innocents explains more than what it did to the attackers.
    let measured = measured.context("the innocents")?;
    let done = attacked?;
    cleared?;
    let after = given_back(server, before + KEPT_BYTES, form).await?;
    let memory = [before, peak.max(after), after];
    ensure!(
        memory[1] <= before + PEAK_BYTES && after <= before + KEPT_BYTES,
        "the server's memory: {before} bytes before, {} at its peak, {after} afterwards",
        memory[1]
    );
    let log = scene.server.log();
    let panic = log.lines().find(|line| line.contains("panicked"));
    ensure!(panic.is_none(), "the server's log: {panic:?}");
    Ok(Verdict {
        done,
        measured,
        memory,
    })
}

async fn set(kind: ServerKind, form: Form) -> Scene {
    let server = crate::server(kind).await;
    let mut rooms = Vec::with_capacity(ROOMS);
    for number in 0..ROOMS {
        let mut users = Vec::with_capacity(SEATS);
        for seat in 0..SEATS {
            users.push(server.user(&format!("innocent {number}-{seat}")).await);
        }
        let name = format!("room {number}");
        let channel = server.channel(&users[0], &name, None).await;
        rooms.push(Room { channel, users });
    }
    Scene {
        server,
        rooms,
        form,
    }
}

async fn attack(scene: &Arc<Scene>, attacks: &[Attack]) -> anyhow::Result<Vec<String>> {
    let mut running = JoinSet::new();
    for attack in attacks {
        let (name, running_attack) = (attack.name, (attack.run)(Arc::clone(scene)));
        running.spawn(async move {
            let done = running_attack.await.context(name)?;
            anyhow::Ok(format!("{name}: {done}"))
        });
    }
    let mut done = Vec::with_capacity(attacks.len());
    let mut failed = None;
    while let Some(ended) = running.join_next().await {
        match ended.context("an attacker panicked").flatten() {
            Ok(what) => done.push(what),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    failed.map_or(Ok(done), Err)
}

/// Waits until only the innocents sit in their rooms, in the order in which they joined.
async fn cleared(scene: &Scene) -> anyhow::Result<()> {
    let start = Instant::now();
    for room in &scene.rooms {
        let expected: Vec<&str> = room.users.iter().map(|user| user.id.as_str()).collect();
        loop {
            let roster = scene.server.roster(&room.users[0], &room.channel).await;
            if roster == expected {
                break;
            }
            ensure!(
                start.elapsed() < CLEARING,
                "after {CLEARING:?} {roster:?} sit in a room instead of {expected:?}"
            );
            sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// The server's memory, as soon as it is below the bound, or after some time.
async fn given_back(server: Process, bound: u64, form: Form) -> anyhow::Result<u64> {
    let start = Instant::now();
    sleep(form.pick(Duration::ZERO, Duration::from_secs(5))).await;
    loop {
        let bytes = server.resident_bytes()?;
        if bytes <= bound || start.elapsed() > GIVING_BACK {
            return Ok(bytes);
        }
        sleep(Duration::from_millis(500)).await;
    }
}
