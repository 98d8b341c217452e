//! What the clients of a run share: who sent and who got how many, and whether all of it arrived in order.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    task::JoinSet,
    time::{Instant as TokioInstant, timeout_at},
};

use super::{Load, Scenario};
use crate::{dialect::NUMBERS, outcome::Outcome, process::Process, target::Target};

/// How long messages may still be on their way when the sending has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// The counts of a run.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Nothing new is to be sent.
    stopped: AtomicBool,
    /// Messages that have yet to arrive or have arrived, counted once for each recipient.
    due: AtomicU64,
    arrived: AtomicU64,
}

impl Exchange {
    /// A message was sent to so many.
    pub(super) fn sent(&self, recipients: u64) {
        self.due.fetch_add(recipients, Relaxed);
    }

    /// One has arrived.
    pub(super) fn arrived(&self) {
        self.arrived.fetch_add(1, Relaxed);
    }

    /// Whether clients should stop sending.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}

/// What a member expects of each other one: the messages of a sender in order, each once.
#[derive(Debug)]
pub(super) struct Order(Vec<u64>);

impl Order {
    /// For so many senders, the member itself included.
    pub(super) fn new(senders: usize) -> Self {
        Self(vec![0; senders])
    }

    /// The next message of a sender has this number, which may be known modulo [`NUMBERS`] only.
    pub(super) fn check(&mut self, sender: usize, number: u64) -> anyhow::Result<()> {
        let expected = self.0.get_mut(sender).context("too many senders")?;
        ensure!(
            number == *expected || number == *expected % NUMBERS,
            "a message is lost, doubled or out of order: number {number} instead of {expected}"
        );
        *expected += 1;
        Ok(())
    }
}

/// Lets the clients run, measures, stops them, and waits until all that was sent has arrived. `begin` is called when the
/// warm-up ends.
pub(super) async fn measure(
    target: Target,
    load: Load,
    process: Process,
    exchange: Arc<Exchange>,
    mut clients: JoinSet<anyhow::Result<()>>,
    begin: impl FnOnce(),
) -> anyhow::Result<Outcome> {
    unless_one_fails(&mut clients, load.warm_up()).await?;
    let (cpu, start) = (process.cpu()?, Instant::now());
    let before = exchange.arrived.load(Relaxed);
    begin();
    unless_one_fails(&mut clients, load.time()).await?;
    let (cpu, seconds) = (process.cpu()? - cpu, start.elapsed());
    let count = exchange.arrived.load(Relaxed) - before;
    exchange.stopped.store(true, Relaxed);
    settle(&exchange, &mut clients).await?;
    ensure!(count > 0, "nothing arrived");
    Ok(Outcome {
        target,
        scenario: Scenario::Relay,
        count,
        seconds: seconds.as_secs_f64(),
        cpu_seconds: cpu.as_secs_f64(),
        p50_micros: None,
        p99_micros: None,
        kib_per_connection: None,
    })
}

async fn settle(
    exchange: &Exchange,
    clients: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut settled = 0;
    // More than once: a client may be about to count what it sent.
    while settled < 3 {
        let (due, arrived) = (exchange.due.load(Relaxed), exchange.arrived.load(Relaxed));
        settled = if due == arrived { settled + 1 } else { 0 };
        ensure!(
            Instant::now() < deadline,
            "of {due} messages {arrived} arrived"
        );
        unless_one_fails(clients, Duration::from_millis(10)).await?;
    }
    Ok(())
}

/// Waits for so long, or for the first failure of a client; none ends by itself.
async fn unless_one_fails(
    clients: &mut JoinSet<anyhow::Result<()>>,
    time: Duration,
) -> anyhow::Result<()> {
    let end = TokioInstant::now() + time;
    match timeout_at(end, clients.join_next()).await {
        Err(_) => Ok(()),
        Ok(Some(ended)) => ended?.and_then(|()| bail!("a client has ended")),
        Ok(None) => bail!("there are no clients"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_doubles_and_reversals_are_noticed() {
        let mut order = Order::new(2);
        for number in 0..10 {
            order.check(0, number).unwrap();
            order.check(1, number % NUMBERS).unwrap();
        }
        assert!(order.check(0, 11).is_err(), "a gap");
        assert!(order.check(0, 9).is_err(), "a double");
        assert!(order.check(1, 3).is_err(), "a gap, modulo");
        assert!(order.check(1, 1).is_err(), "a double, modulo");
        assert!(order.check(2, 0).is_err(), "a stranger");
        order.check(0, 10).unwrap();
        order.check(1, 2).unwrap();
    }
}
