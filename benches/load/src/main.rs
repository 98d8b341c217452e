//! Loads voice servers over WebSocket, and holds them against a bare relay and against other signaling servers.
//!
//! ```text
//! cargo run --release -p united-voice-load -- all
//! ```
//!
//! runs everything and writes a table and a plot; `run` does one scenario against one server. See `docs/benchmarks.md` for what
//! is measured and how.

mod all;
mod connection;
mod crowd;
mod dialect;
mod floor;
mod latency;
mod outcome;
mod payload;
mod process;
mod program;
mod report;
mod scenario;
mod target;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

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
    Run(scenario::Options),
    /// Runs every scenario against every server in turns, and writes a table, a plot and the raw figures
    All(all::Options),
    /// Is a server without logic that forwards messages, to compare others with
    Floor(floor::Options),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(options) => scenario::command(&options),
        Command::All(options) => all::command(&options),
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
