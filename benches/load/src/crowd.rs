//! Many clients at once.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout_at},
};

use crate::{connection::Connection, dialect::Ticket, target::Target};

/// Clients that connect at the same time: what a server's backlog takes.
pub(crate) const CONNECTING: usize = 256;

/// How long it may take until all are seated.
const PATIENCE: Duration = Duration::from_secs(30);

/// Seats everybody, and waits until all know each other where that is ever so. They come in the order of the tickets.
pub(crate) async fn seat(
    target: Target,
    address: &str,
    tickets: Vec<Ticket>,
) -> anyhow::Result<Vec<Connection>> {
    let slots = Arc::new(Semaphore::new(CONNECTING));
    let mut joining = JoinSet::new();
    for (place, ticket) in tickets.into_iter().enumerate() {
        let (slots, address) = (Arc::clone(&slots), address.to_owned());
        joining.spawn(async move {
            let slot = slots.acquire().await.context("never closed")?;
            let others = ticket.seats - 1;
            let mut connection = Connection::open(&address, target.dialect(ticket)).await?;
            while !connection.roster().is_seated() {
                connection.next().await?;
            }
            drop(slot);
            while connection.roster().others().len() < others {
                connection.flush().await?;
                connection.next().await?;
            }
            connection.flush().await?;
            anyhow::Ok((place, connection))
        });
    }
    let deadline = Instant::now() + PATIENCE;
    let mut seated = Vec::with_capacity(joining.len());
    while let Some(joined) = timeout_at(deadline, joining.join_next())
        .await
        .context("some are not seated, or don't know of each other")?
    {
        seated.push(joined??);
    }
    seated.sort_by_key(|(place, _)| *place);
    Ok(seated
        .into_iter()
        .map(|(_, connection)| connection)
        .collect())
}
