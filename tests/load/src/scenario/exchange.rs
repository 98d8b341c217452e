//! What the clients of a run share: how many messages were sent and arrived, and whether they
//! arrived in order.

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

use crate::{dialect::NUMBERS, load::Load, outcome::Figures, site::Site};

/// How long messages may still take to arrive after the last was sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// The counts of a run.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// The clients are to send nothing new.
    stopped: AtomicBool,
    /// Messages that were sent, counted once for each recipient.
    due: AtomicU64,
    arrived: AtomicU64,
}

impl Exchange {
    /// Counts a message to so many recipients.
    pub(super) fn sent(&self, recipients: u64) {
        self.due.fetch_add(recipients, Relaxed);
    }

    /// Counts an arrival.
    pub(super) fn arrived(&self) {
        self.arrived.fetch_add(1, Relaxed);
    }

    /// Whether clients should stop sending.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Relaxed)
    }
}

/// The number that a member expects next from each sender: messages must come in order, each of
/// them once.
#[derive(Debug)]
pub(super) struct Order(Vec<u64>);

impl Order {
    /// An order for so many senders, the member itself included.
    pub(super) fn new(senders: usize) -> Self {
        Self(vec![0; senders])
    }

    /// Checks the number of a sender's next message. The number may be known only modulo
    /// [`NUMBERS`].
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

/// Lets the clients warm up, measures, stops them, and waits until all messages have arrived. It
/// calls `begin` when the warm-up ends.
pub(super) async fn measure(
    load: Load,
    site: &Site,
    exchange: Arc<Exchange>,
    mut clients: JoinSet<anyhow::Result<()>>,
    begin: impl FnOnce(),
) -> anyhow::Result<Figures> {
    unless_one_fails(&mut clients, load.warm_up()).await?;
    let (cpu, start) = (site.cpu()?, Instant::now());
    let before = exchange.arrived.load(Relaxed);
    begin();
    unless_one_fails(&mut clients, load.time()).await?;
    let (cpu, seconds) = (site.cpu_since(cpu)?, start.elapsed());
    let count = exchange.arrived.load(Relaxed) - before;
    exchange.stopped.store(true, Relaxed);
    settle(&exchange, &mut clients).await?;
    ensure!(count > 0, "nothing arrived");
    Ok(Figures::new(count, seconds.as_secs_f64(), cpu))
}

async fn settle(
    exchange: &Exchange,
    clients: &mut JoinSet<anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    let mut settled = 0;
    // One look is not enough: a client that did not see the stop yet may count and send one more
    // message.
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

/// Waits for so long, or until a client fails. A client that ends is a failure too.
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
