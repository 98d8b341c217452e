//! A long life of many clients against one server.
//!
//! ```text
//! cargo run --release -p united-voice-hostile --bin united-voice-soak -- --server axum --minutes 60 --out soak.md
//! ```
//!
//! It exits with 1 if the server did something wrong. Then the report says what, and the seed.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use united_voice_hostile::{server_kind, soak};
use united_voice_scenarios::ServerKind;

/// A long life of many clients against one server.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// The server: axum or actix
    #[arg(long, value_parser = server_kind)]
    server: ServerKind,
    /// How long the clients act
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Clients; every twentieth breaks the rules
    #[arg(long, default_value_t = 1000)]
    clients: usize,
    /// Channels; every tenth has a hard limit
    #[arg(long, default_value_t = 200)]
    channels: usize,
    /// Actions a second of all clients together
    #[arg(long, default_value_t = 200.0)]
    pace: f64,
    /// Where chance begins; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// The file for the report, besides standard output
    #[arg(long)]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match command(&Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command(cli: &Cli) -> anyhow::Result<ExitCode> {
    let settings = soak::Settings {
        server: cli.server,
        time: Duration::try_from_secs_f64(cli.minutes * 60.0).context("--minutes")?,
        clients: cli.clients,
        channels: cli.channels,
        pace: cli.pace,
        seed: cli.seed.unwrap_or_else(|| fastrand::u64(..)),
    };
    let seed = settings.seed;
    writeln!(io::stderr(), "seed {seed}")?;
    let outcome = soak::run(settings).with_context(|| format!("seed {seed}"))?;
    write!(io::stdout(), "{}", outcome.report)?;
    if let Some(out) = &cli.out {
        let named = || out.display().to_string();
        fs::write(out, &outcome.report).with_context(named)?;
    }
    if outcome.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let count = outcome.violations.len();
    writeln!(io::stderr(), "{count} violations, seed {seed}")?;
    Ok(ExitCode::FAILURE)
}
