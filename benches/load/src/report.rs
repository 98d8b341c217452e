//! All outcomes, and the figures made of them.

pub(crate) mod plot;
pub(crate) mod table;

use std::{fs, thread};

use serde::{Deserialize, Serialize};

use crate::{outcome::Outcome, scenario::Scenario, target::Target};

/// What was found by `all`, raw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Processors of the machine, which server and clients shared.
    processors: usize,
    /// The kernel's release.
    kernel: String,
    rounds: usize,
    /// How long each run was measured.
    seconds: f64,
    runs: Vec<Run>,
    left_out: Vec<LeftOut>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Run {
    round: usize,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
struct LeftOut {
    target: Target,
    scenario: Scenario,
    reason: String,
}

impl Report {
    /// Nothing yet.
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

    /// One more run.
    pub(crate) fn add(&mut self, round: usize, outcome: Outcome) {
        self.runs.push(Run { round, outcome });
    }

    /// A run that can't be had.
    pub(crate) fn leave_out(&mut self, target: Target, scenario: Scenario, reason: String) {
        self.left_out.push(LeftOut {
            target,
            scenario,
            reason,
        });
    }

    /// Whether there is no use in trying again.
    pub(crate) fn is_left_out(&self, target: Target, scenario: Scenario) -> bool {
        let mut all = self.left_out.iter();
        all.any(|it| it.target == target && it.scenario == scenario)
    }

    /// The median over the rounds.
    fn figure(&self, target: Target, metric: Metric) -> Option<f64> {
        median(self.by_round(target, metric).map(|(_, figure)| figure))
    }

    /// How a server of ours compares with the floor in its framework: the median of the ratios within each round.
    fn ratio(&self, target: Target, metric: Metric) -> Option<f64> {
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
            Some((run.round, metric.of(&run.outcome)?)).filter(|_| fits)
        })
    }

    /// Those of which there is any figure, in the order of the table.
    fn targets(&self) -> Vec<Target> {
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

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Relay,
    RelayLarge,
    RateCpu,
    RateMedian,
    RateTail,
    Delivery,
    JoinsPerSecond,
    JoinCpu,
    Memory,
}

impl Metric {
    const ALL: [Self; 9] = [
        Self::Relay,
        Self::RelayLarge,
        Self::RateCpu,
        Self::RateMedian,
        Self::RateTail,
        Self::Delivery,
        Self::JoinsPerSecond,
        Self::JoinCpu,
        Self::Memory,
    ];

    const fn scenario(self) -> Scenario {
        match self {
            Self::Relay => Scenario::Relay,
            Self::RelayLarge => Scenario::RelayLarge,
            Self::RateCpu | Self::RateMedian | Self::RateTail => Scenario::Rate,
            Self::Delivery => Scenario::Broadcast,
            Self::JoinsPerSecond | Self::JoinCpu => Scenario::Joins,
            Self::Memory => Scenario::Idle,
        }
    }

    fn of(self, outcome: &Outcome) -> Option<f64> {
        match self {
            Self::Relay | Self::RelayLarge | Self::RateCpu | Self::Delivery => {
                Some(outcome.cpu_per_million())
            }
            // Seconds a million are microseconds each, hence milliseconds a thousand.
            Self::JoinCpu => Some(outcome.cpu_per_million()),
            Self::RateMedian => outcome.p50_micros,
            Self::RateTail => outcome.p99_micros,
            Self::JoinsPerSecond => Some(outcome.per_second()),
            Self::Memory => outcome.kib_per_connection,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Relay => "relay of 300 B, CPU s per million",
            Self::RelayLarge => "relay of 2 KiB, CPU s per million",
            Self::RateCpu => "5,000 a second, CPU s per million",
            Self::RateMedian => "5,000 a second, p50 us",
            Self::RateTail => "5,000 a second, p99 us",
            Self::Delivery => "delivery in rooms of 8, CPU s per million",
            Self::JoinsPerSecond => "joins a second",
            Self::JoinCpu => "CPU ms per 1,000 joins",
            Self::Memory => "KiB per connection",
        }
    }

    /// Three digits, as far as that makes sense.
    fn show(self, figure: f64) -> String {
        match figure {
            100.0.. => format!("{figure:.0}"),
            10.0.. => format!("{figure:.1}"),
            _ => format!("{figure:.2}"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three rounds in which Axum takes twice, three times and twice what the floor does.
    pub(crate) fn report() -> Report {
        let mut report = Report::new(3, 1.0);
        for (round, (floor, ours)) in [(1.0, 2.0), (2.0, 6.0), (1.5, 3.0)].into_iter().enumerate() {
            for (target, cpu_seconds) in [(Target::FloorAxum, floor), (Target::Axum, ours)] {
                let outcome = Outcome {
                    target,
                    scenario: Scenario::Relay,
                    count: 1_000_000,
                    seconds: 1.0,
                    cpu_seconds,
                    p50_micros: None,
                    p99_micros: None,
                    kib_per_connection: None,
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
