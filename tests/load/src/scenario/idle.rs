//! The memory of a connection that is in a room and sends nothing.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use crate::{
    crowd,
    dialect::Purpose,
    load::{Load, ROOM},
    outcome::Figures,
    process::Process,
    site::Site,
    target::Target,
    tickets,
};

/// The time between two looks at the memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the memory may keep changing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Measures by how much resident memory grows from one room to all rooms, divided by the
/// connections that were added.
pub(super) async fn run(target: Target, load: Load, site: &Site) -> anyhow::Result<Figures> {
    let rooms = load.clients / ROOM;
    let tickets = tickets::issue(target, site, rooms + 1, ROOM, Purpose::Joining).await?;
    // With some servers the members never learn of all others. It is enough that all are seated.
    let (one_room, all_others) = tickets.split_at(ROOM);
    let first = crowd::seat(target, one_room, false).await?;
    let before = settled(&site.servers).await?;
    let cpu = site.cpu()?;
    let start = Instant::now();
    let others = crowd::seat(target, all_others, false).await?;
    let seconds = start.elapsed().as_secs_f64();
    let after = settled(&site.servers).await?;
    ensure!(first.len() == ROOM && others.len() == load.clients);
    let growth = after.saturating_sub(before) as f64 / 1024.0;
    let cpu = site.cpu_since(cpu)?;
    Ok(Figures {
        kib_per_connection: Some(growth / others.len() as f64),
        ..Figures::new(others.len() as u64, seconds, cpu)
    })
}

/// The resident memory once it stays the same.
pub(super) async fn settled(processes: &[Process]) -> anyhow::Result<u64> {
    let resident =
        || -> anyhow::Result<u64> { processes.iter().map(|it| it.resident_bytes()).sum() };
    let deadline = Instant::now() + PATIENCE;
    let mut before = resident()?;
    loop {
        sleep(PAUSE).await;
        let now = resident()?;
        if now == before || Instant::now() > deadline {
            return Ok(now);
        }
        before = now;
    }
}
