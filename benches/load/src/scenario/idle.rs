//! What a connection takes that sits in a room and says nothing.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use super::{Load, ROOM, Scenario};
use crate::{
    crowd, dialect::Purpose, outcome::Outcome, process::Process, program::Program, target::Target,
};

/// Between two looks at the memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the memory may go on changing.
const PATIENCE: Duration = Duration::from_secs(5);

/// Resident memory with a full house less that with a single room, over the connections in between.
pub(super) async fn run(target: Target, load: Load, program: &Program) -> anyhow::Result<Outcome> {
    let (address, process) = (program.address(), program.process());
    let rooms = load.clients / ROOM;
    let tickets = target
        .tickets(address, rooms + 1, ROOM, Purpose::Joining)
        .await?;
    // Not everybody is told of everybody everywhere: seats are enough.
    let (one_room, all_others) = tickets.split_at(ROOM);
    let first = crowd::seat(target, address, one_room, false).await?;
    let before = settled(process).await?;
    let cpu = process.cpu()?;
    let start = Instant::now();
    let others = crowd::seat(target, address, all_others, false).await?;
    let seconds = start.elapsed().as_secs_f64();
    let after = settled(process).await?;
    ensure!(first.len() == ROOM && others.len() == load.clients);
    let growth = after.saturating_sub(before) as f64 / 1024.0;
    Ok(Outcome {
        target,
        scenario: Scenario::Idle,
        count: others.len() as u64,
        seconds,
        cpu_seconds: (process.cpu()? - cpu).as_secs_f64(),
        p50_micros: None,
        p99_micros: None,
        kib_per_connection: Some(growth / others.len() as f64),
    })
}

/// Resident memory once it stays the same.
async fn settled(process: Process) -> anyhow::Result<u64> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = process.resident_bytes()?;
    loop {
        sleep(PAUSE).await;
        let now = process.resident_bytes()?;
        if now == before || Instant::now() > deadline {
            return Ok(now);
        }
        before = now;
    }
}
