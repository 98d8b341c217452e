//! The memory of a member that is seated at another node.

use std::time::Duration;

use anyhow::Context as _;
use tokio::time::timeout;

use super::idle::settled;
use crate::{crowd, dialect::Purpose, site::Site, target::Target, tickets};

/// Members of a room, one of whom is at the node that is watched. They are many, so that few
/// connections, which may leave their node memory to spare, stand beside many remote members.
const SEATS: usize = 64;

/// Members that join before the first look at the memory, and use what is to spare.
const BEFORE: usize = 16;

/// The members of a room whose memory is measured.
pub(crate) const MEASURED: usize = SEATS - BEFORE;

/// How long it may take until the watched node has told its members of all others.
const PATIENCE: Duration = Duration::from_secs(30);

/// By how much the resident memory of `far` grows if the others of its members' rooms join through
/// `near`, in bytes for each of them.
pub(super) async fn run(
    target: Target,
    near: &Site,
    far: &Site,
    rooms: usize,
) -> anyhow::Result<f64> {
    let mut tickets = tickets::issue(target, near, rooms, SEATS, Purpose::Joining).await?;
    for ticket in tickets.iter_mut().step_by(SEATS) {
        ticket.address.clone_from(&far.addresses[0]);
    }
    let rooms = || tickets.chunks(SEATS);
    let first: Vec<_> = rooms().flat_map(|it| it[..BEFORE].to_vec()).collect();
    let others: Vec<_> = rooms().flat_map(|it| it[BEFORE..].to_vec()).collect();
    let mut first = crowd::seat(target, &first, true).await?;
    let before = settled(&far.servers).await?;
    let others = crowd::seat(target, &others, false).await?;
    let told = timeout(PATIENCE, async {
        for member in first.iter_mut().step_by(BEFORE) {
            while member.roster().others().len() < SEATS - 1 {
                member.next().await?;
            }
        }
        anyhow::Ok(())
    });
    told.await
        .context("not all members are known at the other node")??;
    let after = settled(&far.servers).await?;
    Ok(after.saturating_sub(before) as f64 / others.len() as f64)
}
