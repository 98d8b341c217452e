//! Every scenario against every server, in turn.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum as _};

use super::servers;
use crate::{
    load::{Load, RelayOptions, Scenario},
    outcome::Outcome,
    report::{self, Report},
    scenario,
    target::Target,
};

/// What to compare, and for how long.
#[derive(Debug, Args)]
pub(crate) struct AllOptions {
    /// Rounds; in each of them every server has every scenario once, and the median of the rounds
    /// counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Seconds to measure in each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The servers, by default all; `scripts/install-peers` installs those of other projects
    #[arg(long, value_delimiter = ',')]
    targets: Vec<Target>,
    /// The scenarios, by default all
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<Scenario>,
    #[command(flatten)]
    relay: RelayOptions,
    /// The folder for `results.json`, `table.md` and `plot.svg`
    #[arg(long, default_value = "docs/load")]
    out: PathBuf,
}

/// Runs everything and writes what was found.
///
/// If a server of another project does not start, or fails, it is left out and the report says why.
///
/// # Errors
///
/// A failure of one of our servers or of a floor ends everything.
pub(crate) fn command(options: &AllOptions) -> anyhow::Result<()> {
    ensure!(options.rounds > 0, "at least one round");
    let targets = chosen(&options.targets, Target::value_variants());
    let places = servers::prepare(&targets)?;
    let scenarios = chosen(&options.scenarios, &Scenario::ALL);
    let mut report = Report::new(options.rounds, options.seconds);
    let mut progress = Progress::new(options.rounds * scenarios.len() * targets.len());
    for round in 0..options.rounds {
        for &scenario in &scenarios {
            for &target in &targets {
                if report.is_left_out(target, scenario) {
                    progress.skip();
                    continue;
                }
                progress.say(&format!(
                    "round {}: {scenario:?}, {}",
                    round + 1,
                    target.title()
                ))?;
                let load = Load::usual(scenario, options.seconds, options.relay);
                match scenario::run(target, scenario, load, &places) {
                    Ok(outcome) => {
                        progress.found(&outcome)?;
                        report.add(round, outcome);
                    }
                    Err(error) if target.is_peer() => {
                        progress.failed(&error)?;
                        report.leave_out(target, scenario, format!("{error:#}"));
                    }
                    Err(error) => {
                        let run = format!("{scenario:?} against {}", target.title());
                        return Err(error).context(run);
                    }
                }
            }
        }
    }
    let table = report::write(&report, &options.out)?;
    let out = options.out.display();
    writeln!(io::stdout(), "{table}\nwritten to {out}")?;
    Ok(())
}

fn chosen<T: Clone>(some: &[T], all: &[T]) -> Vec<T> {
    if some.is_empty() { all } else { some }.to_vec()
}

/// Writes a line to standard error for each run.
struct Progress {
    start: Instant,
    runs: usize,
    done: usize,
}

impl Progress {
    fn new(runs: usize) -> Self {
        Self {
            start: Instant::now(),
            runs,
            done: 0,
        }
    }

    fn skip(&mut self) {
        self.done += 1;
    }

    fn say(&mut self, run: &str) -> io::Result<()> {
        self.done += 1;
        let seconds = self.start.elapsed().as_secs();
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let mut out = io::stderr().lock();
        write!(
            out,
            "[{minutes:2}:{seconds:02} {:3}/{}] {run}: ",
            self.done, self.runs
        )?;
        out.flush()
    }

    fn found(&self, Outcome { figures, .. }: &Outcome) -> io::Result<()> {
        let mut out = io::stderr().lock();
        write!(
            out,
            "{:.0}/s, {:.2} s of CPU per million",
            figures.per_second(),
            figures.cpu_per_million()
        )?;
        if let Some(p50) = figures.p50_micros {
            write!(out, ", p50 {p50:.0} us")?;
        }
        if let Some(kib) = figures.kib_per_connection {
            write!(out, ", {kib:.1} KiB each")?;
        }
        writeln!(out)
    }

    fn failed(&self, error: &anyhow::Error) -> io::Result<()> {
        writeln!(io::stderr(), "left out: {error:#}")
    }
}
