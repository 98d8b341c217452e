//! What can be done to a server.

mod exchange;
mod idle;
mod joins;
mod rate;
mod traffic;

use std::{
    io::{self, Write as _},
    time::Duration,
};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::runtime::Runtime;

use crate::{
    outcome::Outcome,
    process::raise_file_limit,
    program::{Places, Program},
    target::Target,
};

/// Members of a room in everything but relaying, which is between two.
const ROOM: usize = 8;

/// One kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Messages of 300 bytes between pairs, as fast as they go
    Relay,
    /// Messages of 2 KiB between pairs, as fast as they go
    RelayLarge,
    /// Messages of 300 bytes between pairs at a fixed rate: what a message costs and how long it takes
    Rate,
    /// State updates in rooms of eight, as fast as they go
    Broadcast,
    /// Everybody connects, signs in and joins a room of eight at once, again and again
    Joins,
    /// Many connections in rooms of eight that say nothing
    Idle,
}

impl Scenario {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 6] = [
        Self::Relay,
        Self::RelayLarge,
        Self::Rate,
        Self::Broadcast,
        Self::Joins,
        Self::Idle,
    ];

    /// How many clients it takes to make the load.
    const fn usual_clients(self) -> usize {
        match self {
            Self::Relay | Self::RelayLarge | Self::Rate | Self::Broadcast => 64,
            Self::Joins => 1024,
            Self::Idle => 2048,
        }
    }
}

/// How hard, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How long to measure, after a quarter of that to warm up.
    pub(crate) seconds: f64,
    /// Clients, in full rooms.
    pub(crate) clients: usize,
    /// Messages a second of all clients together where the rate is fixed.
    pub(crate) rate: u32,
}

impl Load {
    fn time(self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn warm_up(self) -> Duration {
        self.time() / 4
    }
}

/// One run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which server
    #[arg(long)]
    target: Target,
    /// What to do to it
    #[arg(long)]
    scenario: Scenario,
    /// How long to measure
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// How many clients; every scenario has a number that suits it
    #[arg(long)]
    clients: Option<usize>,
    /// Messages a second of all clients together, where the rate is fixed
    #[arg(long, default_value_t = 5000)]
    rate: u32,
}

/// Does one run and prints what it found.
pub(crate) fn command(options: &Options) -> anyhow::Result<()> {
    raise_file_limit()?;
    let clients = options.clients;
    let load = Load {
        seconds: options.seconds,
        clients: clients.unwrap_or_else(|| options.scenario.usual_clients()),
        rate: options.rate,
    };
    let places = Places::around_this_program()?;
    places.build_servers(&[options.target])?;
    let outcome = run(options.target, options.scenario, load, &places)?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

/// The load that suits a scenario, for so many seconds.
pub(crate) const fn usual_load(scenario: Scenario, seconds: f64) -> Load {
    Load {
        seconds,
        clients: scenario.usual_clients(),
        rate: 5000,
    }
}

/// Starts the server and does one run. A message that is lost, doubled, changed or out of order is an error.
pub(crate) fn run(
    target: Target,
    scenario: Scenario,
    load: Load,
    places: &Places,
) -> anyhow::Result<Outcome> {
    ensure!(
        load.clients > 0 && load.clients.is_multiple_of(ROOM),
        "the clients must fill rooms of {ROOM}"
    );
    ensure!(load.seconds > 0.0, "some time is needed");
    let program = Program::start(target, places)?;
    let outcome = Runtime::new()?.block_on(async {
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
        scenario,
        ..outcome
    })
}
