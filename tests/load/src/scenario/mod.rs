//! What is done to a server, one file for each kind of load.
//!
//! `exchange.rs` counts and measures for `traffic.rs` and `rate.rs`. This folder uses clients,
//! tickets and programs. It knows nothing of reports or of the command line.

mod exchange;
mod idle;
mod joins;
mod rate;
mod traffic;

use anyhow::ensure;
use tokio::runtime::Runtime;

use crate::{
    load::{Load, Scenario},
    outcome::Outcome,
    program::{Places, Program},
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
    let figures = Runtime::new()?.block_on(async {
        match scenario {
            Scenario::Relay => traffic::relay(target, load, &program, 300).await,
            Scenario::RelayLarge => traffic::relay(target, load, &program, 2048).await,
            Scenario::Broadcast => traffic::broadcast(target, load, &program).await,
            Scenario::Rate => rate::run(target, load, &program).await,
            Scenario::Joins => joins::run(target, load, &program).await,
            Scenario::Idle => idle::run(target, load, &program).await,
        }
    })?;
    Ok(Outcome {
        target,
        scenario,
        figures,
    })
}
