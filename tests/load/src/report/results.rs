//! All outcomes, and the medians and ratios made of them.

use std::{fs, thread};

use serde::Serialize;

use super::metric::Metric;
use crate::{load::Scenario, outcome::Outcome, target::Target};

/// The raw figures that the command `all` found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Processors of the machine. The server and its clients shared them.
    pub(super) processors: usize,
    /// The kernel's release.
    pub(super) kernel: String,
    pub(super) rounds: usize,
    /// The measured time of each run, in seconds.
    pub(super) seconds: f64,
    runs: Vec<Run>,
    pub(super) left_out: Vec<LeftOut>,
}

/// One run, and the round that it was part of.
#[derive(Debug, Serialize)]
struct Run {
    round: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

/// A scenario that a server can't have.
#[derive(Debug, Serialize)]
pub(super) struct LeftOut {
    pub(super) target: Target,
    pub(super) scenario: Scenario,
    pub(super) reason: String,
}

impl Report {
    /// A report without runs.
    pub(crate) fn new(rounds: usize, seconds: f64) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            processors: thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            rounds,
            seconds,
            runs: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Adds a run.
    pub(crate) fn add(&mut self, round: usize, outcome: Outcome) {
        self.runs.push(Run { round, outcome });
    }

    /// Notes that a server can't have a scenario, and why.
    pub(crate) fn leave_out(&mut self, target: Target, scenario: Scenario, reason: String) {
        self.left_out.push(LeftOut {
            target,
            scenario,
            reason,
        });
    }

    /// Whether the server can't have that scenario.
    pub(crate) fn is_left_out(&self, target: Target, scenario: Scenario) -> bool {
        let mut all = self.left_out.iter();
        all.any(|it| it.target == target && it.scenario == scenario)
    }

    /// The median of the rounds.
    pub(super) fn figure(&self, target: Target, metric: Metric) -> Option<f64> {
        median(self.by_round(target, metric).map(|(_, figure)| figure))
    }

    /// One of our servers in proportion to the floor in the same framework: the median of the
    /// ratios of each round.
    pub(super) fn ratio(&self, target: Target, metric: Metric) -> Option<f64> {
        let floor = target.floor()?;
        median(self.by_round(target, metric).filter_map(|(round, ours)| {
            let mut floors = self.by_round(floor, metric);
            let (_, floor) = floors.find(|(other, _)| *other == round)?;
            Some(ours / floor)
        }))
    }

    fn by_round(&self, target: Target, metric: Metric) -> impl Iterator<Item = (usize, f64)> {
        self.runs.iter().filter_map(move |run| {
            let fits = run.outcome.target == target && run.outcome.scenario == metric.scenario();
            Some((run.round, metric.of(&run.outcome.figures)?)).filter(|_| fits)
        })
    }

    /// The servers with at least one figure, in the order of the table.
    pub(super) fn targets(&self) -> Vec<Target> {
        let mut targets: Vec<Target> = self.runs.iter().map(|it| it.outcome.target).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }
}

fn median(figures: impl Iterator<Item = f64>) -> Option<f64> {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{outcome::Figures, site::Cpu};

    /// Three rounds, in which Axum takes twice, three times and twice as much as the floor.
    pub(crate) fn report() -> Report {
        let mut report = Report::new(3, 1.0);
        for (round, (floor, ours)) in [(1.0, 2.0), (2.0, 6.0), (1.5, 3.0)].into_iter().enumerate() {
            for (target, cpu_seconds) in [(Target::FloorAxum, floor), (Target::Axum, ours)] {
                let cpu = Cpu {
                    servers: Duration::from_secs_f64(cpu_seconds),
                    engine: None,
                };
                let outcome = Outcome {
                    target,
                    scenario: Scenario::Relay,
                    figures: Figures::new(1_000_000, 1.0, cpu),
                };
                report.add(round, outcome);
            }
        }
        report.leave_out(Target::Spreed, Scenario::Relay, "not here".to_owned());
        report
    }

    #[test]
    fn medians_are_of_figures_and_of_paired_ratios() {
        let report = report();
        assert_eq!(report.figure(Target::Axum, Metric::Relay), Some(3.0));
        assert_eq!(report.figure(Target::FloorAxum, Metric::Relay), Some(1.5));
        assert_eq!(report.ratio(Target::Axum, Metric::Relay), Some(2.0));
        assert_eq!(report.figure(Target::Axum, Metric::Memory), None);
        assert_eq!(report.ratio(Target::FloorAxum, Metric::Relay), None);
        assert!(report.is_left_out(Target::Spreed, Scenario::Relay));
    }
}
