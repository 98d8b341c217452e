//! The memory of a member that is seated at another node.

use anyhow::ensure;

use super::idle::settled;
use crate::{crowd, dialect::Purpose, load::ROOM, site::Site, target::Target, tickets};

/// Seats that are taken before the first look at the memory: one at the node that is watched, and
/// one elsewhere, whose arrival fills the buffers of the first one's connection.
const BEFORE: usize = 2;

/// The members of a room whose memory is measured.
pub(crate) const MEASURED: usize = ROOM - BEFORE;

/// By how much the resident memory of `far` grows if all others of its members' rooms join through
/// `near`, in bytes for each of them.
pub(super) async fn run(
    target: Target,
    near: &Site,
    far: &Site,
    rooms: usize,
) -> anyhow::Result<f64> {
    let mut tickets = tickets::issue(target, near, rooms, ROOM, Purpose::Joining).await?;
    for ticket in tickets.iter_mut().step_by(ROOM) {
        ticket.address.clone_from(&far.addresses[0]);
    }
    let rooms = || tickets.chunks(ROOM);
    let first: Vec<_> = rooms().flat_map(|it| it[..BEFORE].to_vec()).collect();
    let others: Vec<_> = rooms().flat_map(|it| it[BEFORE..].to_vec()).collect();
    let first = crowd::seat(target, &first, true).await?;
    let before = settled(&far.servers).await?;
    let others = crowd::seat(target, &others, false).await?;
    let after = settled(&far.servers).await?;
    ensure!(first.len() * MEASURED == others.len() * BEFORE);
    Ok(after.saturating_sub(before) as f64 / others.len() as f64)
}
