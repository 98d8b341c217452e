//! The figures as Markdown.

use std::fmt::Write as _;

use super::{metric::Metric, results::Report};
use crate::target::Target;

/// What one of our servers may take, as a multiple of the floor: the gate, and the goal beyond it.
struct Bounds {
    metric: Metric,
    gate: f64,
    goal: f64,
}

const BOUNDS: [Bounds; 6] = [
    Bounds::new(Metric::Relay, 1.35, 1.15),
    Bounds::new(Metric::RelayLarge, 1.35, 1.15),
    Bounds::new(Metric::RateCpu, 1.35, 1.15),
    Bounds::new(Metric::RateMedian, 1.25, 1.10),
    Bounds::new(Metric::Delivery, 1.10, 0.90),
    Bounds::new(Metric::JoinsPerSecond, 0.7, 0.8),
];

impl Bounds {
    const fn new(metric: Metric, gate: f64, goal: f64) -> Self {
        Self { metric, gate, goal }
    }

    fn verdict(&self, ratio: f64) -> &'static str {
        // If the goal is above the gate, more is better.
        let within = |bound| {
            (self.goal > self.gate && ratio >= bound) || (self.goal < self.gate && ratio <= bound)
        };
        match (within(self.goal), within(self.gate)) {
            (true, _) => "",
            (false, true) => " (goal missed)",
            (false, false) => " (**misses the gate**)",
        }
    }
}

/// Writes all tables.
pub(crate) fn markdown(report: &Report) -> String {
    let mut text = String::new();
    let what = [
        format!(
            "Medians of {} rounds of {} s",
            report.rounds, report.seconds
        ),
        format!("Linux {}", report.kernel),
        format!("{} processors", report.processors),
    ];
    let _ = writeln!(
        text,
        "{}, which the server and its clients shared.\n",
        what.join("; ")
    );
    figures(report, &mut text);
    ratios(report, &mut text);
    left_out(report, &mut text);
    text
}

fn figures(report: &Report, text: &mut String) {
    let titles = Metric::ALL.map(Metric::title).join(" | ");
    let _ = writeln!(
        text,
        "| | {titles} |\n|---|{}",
        "---:|".repeat(Metric::ALL.len())
    );
    for target in report.targets() {
        let cells = Metric::ALL.map(|metric| {
            let figure = report.figure(target, metric);
            figure.map_or_else(String::new, |figure| metric.show(figure))
        });
        let _ = writeln!(text, "| {} | {} |", target.title(), cells.join(" | "));
    }
}

fn ratios(report: &Report, text: &mut String) {
    let ours: Vec<Target> = report
        .targets()
        .into_iter()
        .filter(|it| it.floor().is_some())
        .collect();
    if ours.is_empty() {
        return;
    }
    let titles: Vec<&str> = ours.iter().map(|it| it.title()).collect();
    let _ = writeln!(
        text,
        "\nTimes the floor in the same framework, as the median of the ratios within each round. Gates and goals are for \
         protobuf, which is all that the floor speaks.\n\n\
         | | gate | goal | {} |\n|---|---:|---:|{}",
        titles.join(" | "),
        "---:|".repeat(ours.len())
    );
    for bounds in &BOUNDS {
        let cells: Vec<String> = ours
            .iter()
            .map(|target| match report.ratio(*target, bounds.metric) {
                Some(ratio) if target.speaks_protobuf() => {
                    format!("{ratio:.2}{}", bounds.verdict(ratio))
                }
                Some(ratio) => format!("{ratio:.2}"),
                None => String::new(),
            })
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            bounds.metric.title(),
            bounds.gate,
            bounds.goal,
            cells.join(" | ")
        );
    }
}

fn left_out(report: &Report, text: &mut String) {
    for it in &report.left_out {
        let (target, scenario) = (it.target.title(), it.scenario);
        let _ = writeln!(text, "\nLeft out: {target}, {scenario:?}: {}", it.reason);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::results::tests::report;

    #[test]
    fn the_tables_hold_figures_ratios_and_what_is_missing() {
        let text = markdown(&report());
        assert!(text.contains("| bare relay, Axum | 1.50 |"), "{text}");
        let ratio =
            "| relay of 300 B, CPU s per million | 1.35 | 1.15 | 2.00 (**misses the gate**) |";
        assert!(text.contains(ratio), "{text}");
        assert!(text.contains("Left out: nextcloud-spreed-signaling, Relay: not here"));
    }

    #[test]
    fn bounds_work_in_both_directions() {
        let less = Bounds::new(Metric::Relay, 1.35, 1.15);
        assert_eq!(less.verdict(1.1), "");
        assert_eq!(less.verdict(1.2), " (goal missed)");
        assert!(less.verdict(1.4).contains("misses"));
        let more = Bounds::new(Metric::JoinsPerSecond, 0.7, 0.8);
        assert_eq!(more.verdict(0.9), "");
        assert!(more.verdict(0.5).contains("misses"));
    }
}
