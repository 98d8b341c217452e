//! What is done to a server, one file for each kind of load.
//!
//! `exchange.rs` counts and measures for `traffic.rs`, `rate.rs`, `hop.rs` and `library.rs`. `joins.rs`,
//! `hop.rs` and `library.rs` also use `rate.rs`, and `remote.rs` uses `idle.rs`. This folder uses
//! clients, tickets and programs. It knows nothing of reports or of the command line.

mod exchange;
mod hop;
mod idle;
mod joins;
mod library;
mod rate;
mod remote;
mod traffic;

pub(crate) use self::{rate::SIZE as RELAY_BYTES, remote::MEASURED as REMOTE_MEMBERS};

use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::{
    load::{ClusterLoads, Load, Scenario},
    outcome::{Figures, NodeFigures, Outcome},
    program::{Places, Program},
    site::Site,
    target::Target,
};

/// Starts the server and does one run.
///
/// # Errors
///
/// It is an error if a message is lost, doubled, changed or out of order.
pub(crate) fn run(
    target: Target,
    scenario: Scenario,
    load: Load,
    places: &Places,
) -> anyhow::Result<Outcome> {
    let seats = scenario.seats();
    ensure!(
        load.clients > 0 && load.clients.is_multiple_of(seats),
        "the clients must fill rooms of {seats}"
    );
    ensure!(load.seconds > 0.0, "some time is needed");
    let program = Program::start(target, places, load.floor_read_buffer)?;
    let site = program.site();
    let figures = Runtime::new()?.block_on(async {
        match scenario {
            Scenario::Relay => traffic::relay(target, load, &site, 300).await,
            Scenario::RelayLarge => traffic::relay(target, load, &site, 2048).await,
            Scenario::Broadcast => traffic::broadcast(target, load, &site).await,
            Scenario::Rate => rate::run(target, load, &site).await,
            Scenario::Joins => joins::run(target, load, &site).await,
            Scenario::Idle => idle::run(target, load, &site).await,
        }
    })?;
    Ok(Outcome {
        target,
        scenario,
        figures,
    })
}

/// Measures relays and joins at these servers.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn node_figures(
    target: Target,
    loads: ClusterLoads,
    site: &Site,
) -> anyhow::Result<NodeFigures> {
    Runtime::new()?.block_on(async {
        Ok(NodeFigures {
            relay: rate::run(target, loads.relay, site).await?,
            storm: joins::run(target, loads.storm, site).await?,
            join: joins::one_by_one(target, loads.join, site).await?,
        })
    })
}

/// Relays at a fixed rate, and nothing else.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn relay(target: Target, loads: ClusterLoads, site: &Site) -> anyhow::Result<Figures> {
    Runtime::new()?.block_on(rate::run(target, loads.relay, site))
}

/// Measures a message of so many bytes that goes from node to node through an engine, and nothing
/// else.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn hop(loads: ClusterLoads, nodes: usize, bytes: usize) -> anyhow::Result<Figures> {
    Runtime::new()?.block_on(hop::run(loads.relay, nodes, bytes))
}

/// Relays between nodes in this process, without servers and clients around them.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn library(loads: ClusterLoads, nodes: usize) -> anyhow::Result<Figures> {
    Runtime::new()?.block_on(library::run(loads.relay, nodes))
}

/// Measures by how many bytes the node `far` grows with each member that has a seat at `near` and
/// shares a room with one of its own.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn remote(
    target: Target,
    loads: ClusterLoads,
    near: &Site,
    far: &Site,
) -> anyhow::Result<f64> {
    Runtime::new()?.block_on(remote::run(target, near, far, loads.remote_rooms))
}
