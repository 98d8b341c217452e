//! Every scenario against every server, in turns.

use std::{
    fs,
    io::{self, Write as _},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum as _};

use crate::{
    outcome::Outcome,
    process::raise_file_limit,
    program::Places,
    report::{Report, plot, table},
    scenario::{self, Scenario},
    target::Target,
};

/// What to compare, and how long to take for it.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds; in each, every server has every scenario once, and the median of the rounds counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long to measure in each run
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// The servers, all by default; those of other projects must have been installed by `scripts/install-peers`
    #[arg(long, value_delimiter = ',')]
    targets: Vec<Target>,
    /// The scenarios, all by default
    #[arg(long, value_delimiter = ',')]
    scenarios: Vec<Scenario>,
    /// The folder for `results.json`, `table.md` and `plot.svg`
    #[arg(long, default_value = "docs/load")]
    out: PathBuf,
}

/// Runs everything and writes what was found.
///
/// A server of another project that can't be started, or fails, is left out with the reason in the report; a failure of one of
/// ours or of a floor ends it all.
pub(crate) fn command(options: &Options) -> anyhow::Result<()> {
    raise_file_limit()?;
    ensure!(options.rounds > 0, "at least one round");
    let places = Places::around_this_program()?;
    let targets = chosen(&options.targets, Target::value_variants());
    places.build_servers(&targets)?;
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
                let load = scenario::usual_load(scenario, options.seconds);
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
    write(&report, options)
}

fn chosen<T: Clone>(some: &[T], all: &[T]) -> Vec<T> {
    if some.is_empty() { all } else { some }.to_vec()
}

fn write(report: &Report, options: &Options) -> anyhow::Result<()> {
    let out = &options.out;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let table = table::markdown(report);
    fs::write(
        out.join("results.json"),
        serde_json::to_string_pretty(report)? + "\n",
    )?;
    fs::write(out.join("table.md"), &table)?;
    fs::write(out.join("plot.svg"), plot::svg(report))?;
    writeln!(io::stdout(), "{table}\nwritten to {}", out.display())?;
    Ok(())
}

/// Lines on standard error, one for each run.
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

    fn found(&self, outcome: &Outcome) -> io::Result<()> {
        let mut out = io::stderr().lock();
        write!(
            out,
            "{:.0}/s, {:.2} s of CPU per million",
            outcome.per_second(),
            outcome.cpu_per_million()
        )?;
        if let Some(p50) = outcome.p50_micros {
            write!(out, ", p50 {p50:.0} us")?;
        }
        if let Some(kib) = outcome.kib_per_connection {
            write!(out, ", {kib:.1} KiB each")?;
        }
        writeln!(out)
    }

    fn failed(&self, error: &anyhow::Error) -> io::Result<()> {
        writeln!(io::stderr(), "left out: {error:#}")
    }
}
