//! Messages at a fixed rate, far below what the server can do: what a message costs if it comes
//! alone, and how long it takes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::bail;
use tokio::{select, task::JoinSet};

use super::exchange::{Exchange, Order, measure};
use crate::{
    connection::Connection,
    crowd,
    dialect::{Event, Purpose},
    latency::{Delays, Pacer, Schedule},
    load::Load,
    outcome::Figures,
    payload::Stamp,
    site::Site,
    target::Target,
};

/// Bytes of a payload.
pub(crate) const SIZE: usize = 300;

/// Sends messages between pairs, and measures delays too.
pub(super) async fn run(target: Target, load: Load, site: &Site) -> anyhow::Result<Figures> {
    let pairs = load.clients / 2;
    let clients = crowd::fill(target, site, pairs, 2, Purpose::Relay).await?;
    let exchange = Arc::new(Exchange::default());
    let start = Instant::now();
    let delays = Arc::new(Delays::new(start));
    let mut tasks = JoinSet::new();
    // The senders take turns, so that the server gets single messages at equal intervals.
    let schedules = in_turns(load.rate, load.clients, start)?;
    for (connection, schedule) in clients.into_iter().zip(schedules) {
        let sender = PacedSender {
            connection,
            exchange: Arc::clone(&exchange),
            delays: Arc::clone(&delays),
            schedule,
            start,
        };
        tasks.spawn(sender.run());
    }
    measure_delays(load, site, exchange, tasks, &delays).await
}

/// Schedules for so many senders that take turns from now on. What comes before, such as connecting,
/// must not count as a delay.
pub(super) fn in_turns(
    rate: u32,
    senders: usize,
    start: Instant,
) -> anyhow::Result<impl Iterator<Item = Schedule>> {
    let distance = Duration::from_secs(1) / rate;
    let interval = distance * u32::try_from(senders)?;
    let begin = start.elapsed() + interval;
    Ok((1..).map(move |place| Schedule {
        first: begin + distance * place,
        interval,
    }))
}

/// Measures as [`measure`] does, and adds how long messages took.
pub(super) async fn measure_delays(
    load: Load,
    site: &Site,
    exchange: Arc<Exchange>,
    tasks: JoinSet<anyhow::Result<()>>,
    delays: &Delays,
) -> anyhow::Result<Figures> {
    let begin = || delays.begin(Instant::now());
    let figures = measure(load, site, exchange, tasks, begin).await?;
    Ok(Figures {
        p50_micros: Some(micros(delays.quantile(0.5))),
        p99_micros: Some(micros(delays.quantile(0.99))),
        ..figures
    })
}

pub(super) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

struct PacedSender {
    connection: Connection,
    exchange: Arc<Exchange>,
    delays: Arc<Delays>,
    schedule: Schedule,
    start: Instant,
}

impl PacedSender {
    /// Sends and receives. It ends only if something fails.
    async fn run(mut self) -> anyhow::Result<()> {
        let pacer = Pacer::new(self.schedule.seen_after(self.start.elapsed()))?;
        let mut order = Order::new(1);
        let mut sent = 0;
        loop {
            select! {
                ticks = pacer.tick() => {
                    for _ in 0..ticks? {
                        if !self.exchange.is_stopped() {
                            let number = sent;
                            let due = self.schedule.due(number);
                            self.exchange.sent(1);
                            self.connection.relay(Stamp { number, due }, SIZE).await?;
                            sent += 1;
                        }
                    }
                    self.connection.flush().await?;
                }
                event = self.connection.next() => {
                    match event? {
                        Event::Nothing => {}
                        Event::Relayed(stamp) => {
                            self.delays.record(stamp.due, Instant::now());
                            order.check(0, stamp.number)?;
                            self.exchange.arrived();
                        }
                        other => bail!("unexpected: {other:?}"),
                    }
                }
            }
        }
    }
}
