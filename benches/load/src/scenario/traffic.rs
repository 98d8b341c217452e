//! As fast as it goes, with a fixed number of messages on their way: who receives one sends the next. So a server is never
//! flooded, and its own pace shows.

use std::sync::Arc;

use anyhow::bail;
use tokio::task::JoinSet;

use super::{
    Load, ROOM,
    exchange::{Exchange, Order, measure},
};
use crate::{
    connection::Connection,
    crowd,
    dialect::{Event, Purpose},
    outcome::Outcome,
    payload::Stamp,
    program::Program,
    target::Target,
};

/// Messages that each member of a pair has on their way.
const WINDOW: u64 = 8;

/// State updates that each member of a room has on their way.
const UPDATES: u64 = 2;

/// What is sent.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Payloads of that size to the other of a pair.
    Relay(usize),
    /// An update, which arrives so many times.
    Broadcast(u64),
}

impl Kind {
    /// Arrivals after which the next is sent, which keeps their number constant.
    const fn deliveries(self) -> u64 {
        match self {
            Self::Relay(_) => 1,
            Self::Broadcast(deliveries) => deliveries,
        }
    }
}

/// Between pairs.
pub(super) async fn relay(
    target: Target,
    load: Load,
    program: &Program,
    size: usize,
) -> anyhow::Result<Outcome> {
    let tickets = target
        .tickets(program.address(), load.clients / 2, 2, Purpose::Relay)
        .await?;
    let clients = crowd::seat(target, program.address(), &tickets, true).await?;
    run(target, load, program, clients, Kind::Relay(size)).await
}

/// In rooms.
pub(super) async fn broadcast(
    target: Target,
    load: Load,
    program: &Program,
) -> anyhow::Result<Outcome> {
    let rooms = load.clients / ROOM;
    let tickets = target
        .tickets(program.address(), rooms, ROOM, Purpose::Broadcast)
        .await?;
    let clients = crowd::seat(target, program.address(), &tickets, true).await?;
    let kind = Kind::Broadcast(target.deliveries(ROOM as u64));
    run(target, load, program, clients, kind).await
}

async fn run(
    target: Target,
    load: Load,
    program: &Program,
    clients: Vec<Connection>,
    kind: Kind,
) -> anyhow::Result<Outcome> {
    let exchange = Arc::new(Exchange::default());
    let mut tasks = JoinSet::new();
    for connection in clients {
        tasks.spawn(converse(connection, Arc::clone(&exchange), kind));
    }
    measure(target, load, program.process(), exchange, tasks, || {}).await
}

/// One client: it never ends by itself.
async fn converse(
    connection: Connection,
    exchange: Arc<Exchange>,
    kind: Kind,
) -> anyhow::Result<()> {
    let members = connection.roster().others().len() + 1;
    let mut client = Client {
        connection,
        exchange,
        kind,
        order: Order::new(members),
        sent: 0,
        owed: 0,
    };
    let window = match kind {
        Kind::Relay(_) => WINDOW,
        Kind::Broadcast(_) => UPDATES,
    };
    for _ in 0..window {
        client.send().await?;
    }
    loop {
        client.connection.flush().await?;
        let event = client.connection.next().await?;
        client.take(&event).await?;
        while let Some(event) = client.connection.next_now() {
            client.take(&event?).await?;
        }
    }
}

struct Client {
    connection: Connection,
    exchange: Arc<Exchange>,
    kind: Kind,
    order: Order,
    sent: u64,
    /// Arrivals for which nothing has been sent yet.
    owed: u64,
}

impl Client {
    async fn take(&mut self, event: &Event) -> anyhow::Result<()> {
        let (sender, number) = match event {
            Event::Nothing => return Ok(()),
            Event::Relayed(stamp) => (0, stamp.number),
            Event::Broadcast(sender, number) => (sender.map_or(0, |it| it + 1), *number),
            Event::Presence => bail!("somebody came or went"),
        };
        self.order.check(sender, number)?;
        self.exchange.arrived();
        self.owed += 1;
        if self.owed == self.kind.deliveries() {
            self.owed = 0;
            if !self.exchange.is_stopped() {
                self.send().await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> anyhow::Result<()> {
        let number = self.sent;
        self.sent += 1;
        self.exchange.sent(self.kind.deliveries());
        match self.kind {
            Kind::Relay(size) => self.connection.relay(Stamp { number, due: 0 }, size).await,
            Kind::Broadcast(_) => self.connection.broadcast(number).await,
        }
    }
}
