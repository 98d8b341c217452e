//! Connects and seats many clients at once.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};

use crate::{
    connection::Connection,
    dialect::{Purpose, Ticket},
    site::Site,
    target::Target,
    tickets,
};

/// Clients that connect at the same time. A server's backlog has room for them.
pub(crate) const CONNECTING: usize = 256;

/// How long it may take until all clients are seated.
const PATIENCE: Duration = Duration::from_secs(30);

/// The time between two looks at what the members know.
const PAUSE: Duration = Duration::from_millis(1);

/// Makes tickets for so many rooms, seats the clients, and waits until the members of each room
/// know each other.
pub(crate) async fn fill(
    target: Target,
    site: &Site,
    rooms: usize,
    seats: usize,
    purpose: Purpose,
) -> anyhow::Result<Vec<Connection>> {
    let tickets = tickets::issue(target, site, rooms, seats, purpose).await?;
    seat(target, &tickets, true).await
}

/// Seats all clients. If they are to be `acquainted`, this waits until the members of each room
/// know each other. The result has the order of the tickets.
pub(crate) async fn seat(
    target: Target,
    tickets: &[Ticket],
    acquainted: bool,
) -> anyhow::Result<Vec<Connection>> {
    let slots = Arc::new(Semaphore::new(CONNECTING));
    let mut joining = JoinSet::new();
    // Rooms are filled side by side, but the members of a room join in turn. Not every server
    // announces all members if they join at once, and that is for the scenario of joins to find
    // out.
    for (place, room) in tickets.chunk_by(|a, b| a.room == b.room).enumerate() {
        let (slots, room) = (Arc::clone(&slots), room.to_vec());
        joining.spawn(async move {
            let slot = slots
                .acquire()
                .await
                .context("the semaphore is never closed")?;
            let mut members = Vec::with_capacity(room.len());
            for ticket in room {
                let mut member = Connection::open(target, ticket).await?;
                while !member.roster().is_seated() {
                    member.next().await?;
                    member.flush().await?;
                }
                members.push(member);
            }
            drop(slot);
            introduce(&mut members, acquainted).await?;
            anyhow::Ok((place, members))
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
        .flat_map(|(_, members)| members)
        .collect())
}

/// Waits until all members of a room know each other. It reads from them in turn, because with some
/// servers a member learns of another only by what that other one sends.
async fn introduce(members: &mut [Connection], acquainted: bool) -> anyhow::Result<()> {
    let others = if acquainted { members.len() - 1 } else { 0 };
    while members.iter().any(|it| it.roster().others().len() < others) {
        for member in &mut *members {
            while let Some(event) = member.next_now() {
                event?;
            }
            member.flush().await?;
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
