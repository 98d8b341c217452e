//! Messages as fast as they go, with a fixed number of them on their way: a client that receives
//! one sends the next. So the clients never flood the server, and its own pace shows.

use std::sync::Arc;

use anyhow::bail;
use tokio::task::JoinSet;

use super::exchange::{Exchange, Order, measure};
use crate::{
    connection::Connection,
    crowd,
    dialect::{Event, Purpose},
    load::{Load, ROOM},
    outcome::Figures,
    payload::Stamp,
    site::Site,
    target::Target,
};

/// State updates that each member of a room has on their way.
const UPDATES: u32 = 2;

/// What the clients send.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Payloads of that size to the other member of a pair.
    Relay(usize),
    /// Updates to all members, each of which arrives so many times.
    Broadcast(u64),
}

impl Kind {
    /// A client sends the next message after so many arrivals. So the number on their way stays the
    /// same.
    const fn deliveries(self) -> u64 {
        match self {
            Self::Relay(_) => 1,
            Self::Broadcast(deliveries) => deliveries,
        }
    }
}

/// Sends messages of that size between pairs.
pub(super) async fn relay(
    target: Target,
    load: Load,
    site: &Site,
    size: usize,
) -> anyhow::Result<Figures> {
    let pairs = load.clients / 2;
    let clients = crowd::fill(target, site, pairs, 2, Purpose::Relay).await?;
    run(load, site, clients, Kind::Relay(size), load.in_flight).await
}

/// Sends state updates in rooms.
pub(super) async fn broadcast(target: Target, load: Load, site: &Site) -> anyhow::Result<Figures> {
    let rooms = load.clients / ROOM;
    let clients = crowd::fill(target, site, rooms, ROOM, Purpose::Broadcast).await?;
    let kind = Kind::Broadcast(target.deliveries(ROOM as u64));
    run(load, site, clients, kind, UPDATES).await
}

async fn run(
    load: Load,
    site: &Site,
    clients: Vec<Connection>,
    kind: Kind,
    window: u32,
) -> anyhow::Result<Figures> {
    let exchange = Arc::new(Exchange::default());
    let mut tasks = JoinSet::new();
    for connection in clients {
        tasks.spawn(converse(connection, Arc::clone(&exchange), kind, window));
    }
    measure(load, site, exchange, tasks, || {}).await
}

/// One client, which keeps `window` messages on their way. It ends only if something fails.
async fn converse(
    connection: Connection,
    exchange: Arc<Exchange>,
    kind: Kind,
    window: u32,
) -> anyhow::Result<()> {
    let members = connection.roster().others().len() + 1;
    let mut client = ClosedLoop {
        connection,
        exchange,
        kind,
        order: Order::new(members),
        sent: 0,
        owed: 0,
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

struct ClosedLoop {
    connection: Connection,
    exchange: Arc<Exchange>,
    kind: Kind,
    order: Order,
    sent: u64,
    /// Arrivals since the last message was sent.
    owed: u64,
}

impl ClosedLoop {
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
