//! Loads voice servers over WebSocket, and compares them with a bare relay and with other signaling
//! servers.
//!
//! ```text
//! cargo run --release -p united-voice-load -- all
//! ```
//!
//! This runs everything and writes a table and a plot. `run` does one scenario against one server,
//! and `cluster` compares nodes with a server alone.
//! `docs/benchmarks.md` says what is measured and how.
//!
//! # Layers
//!
//! A file uses only files of the layers below its own, or files above it in the list of its own
//! folder. So no two files use each other, directly or through others. `main.rs` and each `mod.rs`
//! name the parts of their folder, and no part uses them.
//!
//! ```text
//! 6  main.rs        the command line
//! 5  command/       servers (what all commands need), then run, all and cluster
//! 4  scenario/      exchange, then one file for each kind of load
//!    report/        metric, results, then table and plot; cluster
//! 3  crowd.rs       seats many clients
//! 2  connection.rs  one client
//!    tickets.rs     the users and channels of a run
//!    program.rs     one server under load
//!    cluster.rs     nodes and their engine
//!    outcome.rs     what a run found
//! 1  site.rs        where clients connect, and which processes are watched
//!    dialect/       the protocols, without sockets: roster, protocol, then one file for each
//!    load.rs        the kinds of load, and how much of each
//! 0  target.rs      the servers, and plain facts about them
//!    lib.rs         what other load tests use too: stamps, delays, what a process costs
//!    floor/         the bare relays, which are servers of their own: listen and forward, then
//!                   one file for each framework
//! ```

mod cluster;
mod command;
mod connection;
mod crowd;
mod dialect;
mod floor;
mod load;
mod outcome;
mod program;
mod report;
mod scenario;
mod site;
mod target;
mod tickets;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use united_voice_load::{latency, payload, process};

use crate::{
    command::{
        all::{self, AllOptions},
        cluster::ClusterOptions,
        run::{self, RunOptions},
    },
    floor::FloorOptions,
};

/// Loads voice servers over WebSocket.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one scenario against one server and prints the outcome as JSON
    Run(RunOptions),
    /// Runs every scenario against every server in turn, and writes a table, a plot and the raw
    /// figures
    All(AllOptions),
    /// Compares nodes of a cluster with a server alone and with a bare hop through their engine, and
    /// prints a table; it needs redis-server
    Cluster(ClusterOptions),
    /// Serves as a bare relay: it forwards messages and has no other logic, so that others can be
    /// compared with it
    Floor(FloorOptions),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => run::command(&options),
        Command::All(options) => all::command(&options),
        Command::Cluster(options) => command::cluster::command(&options),
        Command::Floor(options) => floor::command(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
