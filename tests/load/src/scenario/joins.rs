//! A storm of joins: all clients connect, sign in and join, as fast as the server lets them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::timeout,
};

use crate::{
    connection::Connection,
    crowd::CONNECTING,
    dialect::{self, Purpose, Ticket},
    load::{Load, ROOM},
    outcome::Figures,
    process::Process,
    program::Program,
    target::Target,
    tickets,
};

/// How long one storm may last, and how long a server may take to clear up after it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that spends less CPU time than this in [`QUIET_TIME`] has nothing left to do.
const QUIET_CPU: Duration = Duration::from_millis(1);

/// See [`QUIET_CPU`].
const QUIET_TIME: Duration = Duration::from_millis(40);

/// Runs one storm to warm up, then as many as the time allows, at least one. A storm is measured
/// from the first connection until all clients have joined and know of all members of their rooms.
/// What comes before and after does not count.
pub(super) async fn run(target: Target, load: Load, program: &Program) -> anyhow::Result<Figures> {
    let rooms = load.clients / ROOM;
    let (address, process) = (program.address(), program.process());
    let tickets = tickets::issue(target, address, rooms, ROOM, Purpose::Joining).await?;
    let (mut seconds, mut cpu_seconds, mut storms) = (0.0, 0.0, 0);
    let begin = Instant::now();
    while storms < 2 || seconds < load.seconds / 2.0 && begin.elapsed() < 4 * load.time() {
        let mut tickets = tickets.clone();
        // Some servers keep a client's seat for a while in case it comes back, so each storm has
        // rooms of its own. Our servers keep no seats, and know only rooms that were made
        // beforehand.
        if target.floor().is_none() {
            let rooms = tickets.iter_mut().map(|ticket| &mut ticket.room);
            rooms.for_each(|room| room.push_str(&format!("-{storms}")));
        }
        let (time, cpu) = storm(target, address, process, tickets).await?;
        quiet(process).await?;
        // The first storm fills caches and pools.
        if storms > 0 {
            seconds += time.as_secs_f64();
            cpu_seconds += cpu.as_secs_f64();
        }
        storms += 1;
    }
    let count = (storms - 1) * load.clients as u64;
    Ok(Figures::new(count, seconds, cpu_seconds))
}

/// The joins and announcements that are still missing in a storm.
#[derive(Debug)]
struct Remaining {
    events: AtomicU64,
    none: Notify,
}

impl Remaining {
    fn happened(&self, events: u64) -> anyhow::Result<()> {
        let left = self.events.fetch_sub(events, Relaxed);
        ensure!(left >= events, "more was announced than happened");
        if left == events && events > 0 {
            self.none.notify_one();
        }
        Ok(())
    }
}

async fn storm(
    target: Target,
    address: &str,
    process: Process,
    tickets: Vec<Ticket>,
) -> anyhow::Result<(Duration, Duration)> {
    let rooms = (tickets.len() / ROOM) as u64;
    let announcements = rooms * target.announcements(ROOM as u64);
    let remaining = Arc::new(Remaining {
        events: AtomicU64::new(tickets.len() as u64 + announcements),
        none: Notify::new(),
    });
    let slots = Arc::new(Semaphore::new(CONNECTING));
    let mut joining = JoinSet::new();
    let (cpu, start) = (process.cpu()?, Instant::now());
    for ticket in tickets {
        let (slots, address) = (Arc::clone(&slots), address.to_owned());
        let remaining = Arc::clone(&remaining);
        joining.spawn(async move {
            let slot = slots
                .acquire()
                .await
                .context("the semaphore is never closed")?;
            let mut connection =
                Connection::open(&address, dialect::client(target, ticket)).await?;
            until_seated(&mut connection, &remaining).await?;
            drop(slot);
            let mut told = connection.roster().told();
            loop {
                connection.flush().await?;
                connection.next().await?;
                let now = connection.roster().told();
                remaining.happened(now - told)?;
                told = now;
            }
        });
    }
    tokio::select! {
        waited = timeout(PATIENCE, remaining.none.notified()) => waited.with_context(|| {
            let left = remaining.events.load(Relaxed);
            format!("{left} joins or announcements are missing")
        })?,
        Some(ended) = joining.join_next() => return ended?,
    }
    let time = start.elapsed();
    Ok((time, process.cpu()? - cpu))
}

/// Waits for the seat. The seat and the members that were there before count at once.
async fn until_seated(connection: &mut Connection, remaining: &Remaining) -> anyhow::Result<()> {
    while !connection.roster().is_seated() {
        connection.next().await?;
        connection.flush().await?;
    }
    remaining.happened(1 + connection.roster().told())
}

/// Waits until the server has cleared up after all clients.
async fn quiet(process: Process) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = process.cpu()?;
    loop {
        tokio::time::sleep(QUIET_TIME).await;
        let now = process.cpu()?;
        if now - before < QUIET_CPU {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the server does not come to rest");
        }
        before = now;
    }
}
