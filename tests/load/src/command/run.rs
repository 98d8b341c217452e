//! One scenario against one server.

use std::io::{self, Write as _};

use clap::Args;

use super::servers;
use crate::{
    load::{Load, RelayOptions, Scenario, USUAL_RATE},
    scenario,
    target::Target,
};

/// One run.
#[derive(Debug, Args)]
pub(crate) struct RunOptions {
    /// The server
    #[arg(long)]
    target: Target,
    /// The kind of load
    #[arg(long)]
    scenario: Scenario,
    /// Seconds to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// The number of clients, by default one that suits the scenario; for the relay scenarios, half
    /// of it is the pairs
    #[arg(long, conflicts_with = "pairs")]
    clients: Option<usize>,
    /// Messages a second of all clients together, in the scenario `rate`
    #[arg(long, default_value_t = USUAL_RATE)]
    rate: u32,
    #[command(flatten)]
    relay: RelayOptions,
    /// Bytes that a bare relay reads from a socket at once, by default a number that suits the
    /// scenario
    #[arg(long)]
    floor_read_buffer: Option<usize>,
}

/// Does one run and prints what it found.
pub(crate) fn command(options: &RunOptions) -> anyhow::Result<()> {
    let (target, scenario) = (options.target, options.scenario);
    let usual = Load::usual(scenario, options.seconds, options.relay);
    let load = Load {
        clients: options.clients.unwrap_or(usual.clients),
        rate: options.rate,
        floor_read_buffer: options.floor_read_buffer.unwrap_or(usual.floor_read_buffer),
        ..usual
    };
    let places = servers::prepare(&[target])?;
    let outcome = scenario::run(target, scenario, load, &places)?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}
