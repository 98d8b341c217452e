//! A bare hop through an engine: XADD on one side, XREAD on the other, and nothing else. Messages that
//! come one at a time take at least that between two nodes. Nodes that have many put several of them
//! into one entry, and this does not.

use std::{sync::Arc, time::Instant};

use anyhow::{Context as _, bail};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use tokio::task::JoinSet;
use united_voice_redis_server::Engine;

use super::{
    exchange::{Exchange, Order},
    rate::{in_turns, measure_delays},
};
use crate::{
    cluster::this_process,
    latency::{Delays, Pacer, Schedule},
    load::Load,
    outcome::Figures,
    payload::Stamp,
};

/// What a node's reader asks for at once, and how long its question waits.
const COUNT: usize = 512;
const BLOCK_MILLIS: usize = 1000;

/// What a node's inbox holds.
const INBOX_ENTRIES: usize = 100_000;

/// What XREAD answers: streams, their entries, and the only field of each.
type Answer = Option<Vec<(String, Vec<(String, (String, String))>)>>;

/// Sends messages of `bytes` at the rate of the load through an engine of their own, from each of
/// so many nodes to the next. The time of the servers is that of this process.
pub(super) async fn run(load: Load, nodes: usize, bytes: usize) -> anyhow::Result<Figures> {
    let engine = Engine::start();
    let site = this_process(&engine);
    let exchange = Arc::new(Exchange::default());
    let start = Instant::now();
    let delays = Arc::new(Delays::new(start));
    let mut tasks = JoinSet::new();
    let mut writers = Vec::new();
    for number in 0..nodes {
        let inbox = format!("in:{number}");
        tasks.spawn(read(
            connect(&engine).await?,
            inbox.clone(),
            Arc::clone(&exchange),
            Arc::clone(&delays),
        ));
        writers.push((connect(&engine).await?, inbox));
    }
    for ((connection, inbox), schedule) in
        writers.into_iter().zip(in_turns(load.rate, nodes, start)?)
    {
        let writer = Writer {
            connection,
            inbox,
            exchange: Arc::clone(&exchange),
            schedule,
            start,
            bytes,
        };
        tasks.spawn(writer.run());
    }
    measure_delays(load, &site, exchange, tasks, &delays).await
}

async fn connect(engine: &Engine) -> anyhow::Result<MultiplexedConnection> {
    // A reader's question waits for longer than an answer may usually take.
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let client = Client::open(engine.url())?;
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.context("the engine does not answer")
}

struct Writer {
    connection: MultiplexedConnection,
    inbox: String,
    exchange: Arc<Exchange>,
    schedule: Schedule,
    start: Instant,
    bytes: usize,
}

impl Writer {
    /// Ends only if something fails.
    async fn run(mut self) -> anyhow::Result<()> {
        let pacer = Pacer::new(self.schedule.seen_after(self.start.elapsed()))?;
        let mut number = 0;
        loop {
            let mut writes = redis::pipe();
            for _ in 0..pacer.tick().await? {
                if self.exchange.is_stopped() {
                    continue;
                }
                let due = self.schedule.due(number);
                self.exchange.sent(1);
                let message = Stamp { number, due }.text(self.bytes);
                let write = writes.cmd("XADD");
                write.arg(&self.inbox).arg("MAXLEN").arg("~");
                write.arg(INBOX_ENTRIES).arg("*").arg("m").arg(message);
                number += 1;
            }
            if !writes.is_empty() {
                // What became due while the last ones were on their way goes out together.
                writes.exec_async(&mut self.connection).await?;
            }
        }
    }
}

/// Ends only if something fails.
async fn read(
    mut connection: MultiplexedConnection,
    inbox: String,
    exchange: Arc<Exchange>,
    delays: Arc<Delays>,
) -> anyhow::Result<()> {
    let mut order = Order::new(1);
    let mut after = "0".to_owned();
    loop {
        let mut next = redis::cmd("XREAD");
        next.arg("COUNT").arg(COUNT).arg("BLOCK").arg(BLOCK_MILLIS);
        next.arg("STREAMS").arg(&inbox).arg(&after);
        let answer: Answer = next.query_async(&mut connection).await?;
        for (id, (field, message)) in answer.into_iter().flatten().flat_map(|(_, it)| it) {
            if field != "m" {
                bail!("unexpected: {field}");
            }
            let stamp = Stamp::parse(&message)?;
            delays.record(stamp.due, Instant::now());
            order.check(0, stamp.number)?;
            exchange.arrived();
            after = id;
        }
    }
}
