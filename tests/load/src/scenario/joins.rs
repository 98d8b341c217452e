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

use super::rate::micros;
use crate::{
    connection::Connection,
    crowd::CONNECTING,
    dialect::{Purpose, Ticket},
    latency::Delays,
    load::{Load, ROOM},
    outcome::Figures,
    site::{Cpu, Site},
    target::Target,
    tickets,
};

/// How long one storm may last, and how long a server may take to clear up after it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Servers that spend less CPU time than this in [`QUIET_TIME`] have nothing left to do.
const QUIET_CPU: Duration = Duration::from_millis(1);

/// See [`QUIET_CPU`].
const QUIET_TIME: Duration = Duration::from_millis(40);

/// Runs one storm to warm up, then as many as the time allows, at least one. A storm is measured
/// from the first connection until all clients have joined and know of all members of their rooms.
/// What comes before and after does not count.
pub(super) async fn run(target: Target, load: Load, site: &Site) -> anyhow::Result<Figures> {
    let rooms = load.clients / ROOM;
    let tickets = tickets::issue(target, site, rooms, ROOM, Purpose::Joining).await?;
    let (mut seconds, mut storms) = (0.0, 0);
    let mut spent = Cpu::none_beside(site.cpu()?);
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
        let (time, cpu) = storm(target, site, tickets).await?;
        quiet(site).await?;
        // The first storm fills caches and pools.
        if storms > 0 {
            seconds += time.as_secs_f64();
            spent += cpu;
        }
        storms += 1;
    }
    let count = (storms - 1) * load.clients as u64;
    Ok(Figures::new(count, seconds, spent))
}

/// Clients that come one at a time and stay, so that no join waits for another. A join is measured
/// from its request to its answer, on a connection that is open. The first quarter does not count.
pub(super) async fn one_by_one(target: Target, load: Load, site: &Site) -> anyhow::Result<Figures> {
    let rooms = load.clients / ROOM;
    let tickets = tickets::issue(target, site, rooms, ROOM, Purpose::Joining).await?;
    let warm_up = tickets.len() / 4;
    let mut members = Vec::with_capacity(tickets.len());
    let (mut cpu, mut start) = (site.cpu()?, Instant::now());
    let mut delays = Delays::new(start);
    for (number, ticket) in tickets.into_iter().enumerate() {
        if number == warm_up {
            (cpu, start) = (site.cpu()?, Instant::now());
            delays = Delays::new(start);
            delays.begin(start);
        }
        let mut member = Connection::open(target, ticket).await?;
        let seated = timeout(PATIENCE, async {
            while !member.roster().is_seated() {
                member.next().await?;
            }
            anyhow::Ok(Instant::now())
        });
        let seated = seated.await.context("a join is not answered")??;
        let begun = member.began().duration_since(start);
        delays.record(u64::try_from(begun.as_nanos())?, seated);
        members.push(member);
    }
    let (count, seconds) = (members.len() - warm_up, start.elapsed().as_secs_f64());
    Ok(Figures {
        p50_micros: Some(micros(delays.quantile(0.5))),
        p99_micros: Some(micros(delays.quantile(0.99))),
        ..Figures::new(count as u64, seconds, site.cpu_since(cpu)?)
    })
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
    site: &Site,
    tickets: Vec<Ticket>,
) -> anyhow::Result<(Duration, Cpu)> {
    let rooms = (tickets.len() / ROOM) as u64;
    let announcements = rooms * target.announcements(ROOM as u64);
    let remaining = Arc::new(Remaining {
        events: AtomicU64::new(tickets.len() as u64 + announcements),
        none: Notify::new(),
    });
    let slots = Arc::new(Semaphore::new(CONNECTING));
    let mut joining = JoinSet::new();
    let (cpu, start) = (site.cpu()?, Instant::now());
    for ticket in tickets {
        let slots = Arc::clone(&slots);
        let remaining = Arc::clone(&remaining);
        joining.spawn(async move {
            let slot = slots
                .acquire()
                .await
                .context("the semaphore is never closed")?;
            let mut connection = Connection::open(target, ticket).await?;
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
    Ok((time, site.cpu_since(cpu)?))
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
async fn quiet(site: &Site) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = site.cpu()?;
    loop {
        tokio::time::sleep(QUIET_TIME).await;
        if site.cpu_since(before)?.whole() < QUIET_CPU {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the server does not come to rest");
        }
        before = site.cpu()?;
    }
}
