//! The long form of every attack, one after the other, against both servers.
//!
//! ```text
//! cargo run --release -p united-voice-hostile --bin united-voice-hostile -- --out hostile.md
//! ```
//!
//! It exits with 1 if an attack did harm, or if 99 of 100 messages of the innocents took more than
//! twice as long as before.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::Parser;
use tokio::runtime::Builder;
use united_voice_hostile::{
    attack::{ATTACKS, Attack, Form},
    server_kind, trial,
};
use united_voice_scenarios::ServerKind;

/// The long form of every attack against the example servers.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    /// The servers: axum, actix or both
    #[arg(long, value_parser = server_kind, value_delimiter = ',', default_value = "axum,actix")]
    server: Vec<ServerKind>,
    /// Only the attacks whose names contain this
    #[arg(long, default_value = "")]
    attack: String,
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
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut report = "| server | attack | p99 before, during | memory before, peak, after | |\n\
                      | --- | --- | --- | --- | --- |\n"
        .to_owned();
    let mut code = ExitCode::SUCCESS;
    for &server in &cli.server {
        for attack in ATTACKS.iter().filter(|it| it.name.contains(&cli.attack)) {
            writeln!(io::stderr(), "{}: {}", server.executable(), attack.name)?;
            let (row, passed) = runtime.block_on(row(server, attack));
            if !passed {
                code = ExitCode::FAILURE;
            }
            report.push_str(&row);
        }
    }
    write!(io::stdout(), "{report}")?;
    if let Some(out) = &cli.out {
        fs::write(out, &report)?;
    }
    Ok(code)
}

/// A row of the table, and whether all is well.
async fn row(server: ServerKind, attack: &Attack) -> (String, bool) {
    let mut row = format!("| {} | ", server.executable());
    let passed = match trial::run(server, &[*attack], Form::Long).await {
        Ok(verdict) => {
            let passed = verdict.is_fast();
            let [before, peak, after] = verdict.memory.map(|bytes| bytes >> 20);
            let _ = writeln!(
                row,
                "{} | {:.2?}, {:.2?} | {before}, {peak}, {after} MiB | {} |",
                verdict.done.join("; "),
                verdict.measured.before,
                verdict.measured.during,
                if passed { "ok" } else { "SLOW" },
            );
            passed
        }
        Err(error) => {
            let _ = writeln!(row, "{} | | | FAILED: {error:#} |", attack.name);
            false
        }
    };
    (row, passed)
}
