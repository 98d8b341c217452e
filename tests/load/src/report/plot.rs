//! The figures as bars in SVG, one panel for each metric. The colours follow the reader's light or
//! dark theme.

use std::fmt::Write as _;

use super::{metric::Metric, results::Report};
use crate::target::Target;

/// The metrics that have a panel.
const PANELS: [Metric; 6] = [
    Metric::Relay,
    Metric::RelayLarge,
    Metric::RateCpu,
    Metric::Delivery,
    Metric::JoinsPerSecond,
    Metric::Memory,
];

const COLUMNS: usize = 2;
const PANEL_WIDTH: usize = 480;
const NAME_WIDTH: usize = 190;
const VALUE_WIDTH: usize = 60;
const BAR_HEIGHT: usize = 18;
const TITLE_HEIGHT: usize = 34;
const MARGIN: usize = 16;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}\
.floor{fill:#8c959f}.ours{fill:#1a7f37}.peer{fill:#54aeff}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.floor{fill:#6e7681}.ours{fill:#3fb950}.peer{fill:#1f6feb}}";

/// Draws the plot.
pub(crate) fn svg(report: &Report) -> String {
    let targets = report.targets();
    let panel_height = TITLE_HEIGHT + targets.len() * BAR_HEIGHT + MARGIN;
    let rows = PANELS.len().div_ceil(COLUMNS);
    let (width, height) = (
        COLUMNS * (PANEL_WIDTH + MARGIN) + MARGIN,
        rows * panel_height + MARGIN,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\">\
         <title>Voice servers compared</title><style>{STYLE}</style>\n"
    );
    for (place, metric) in PANELS.into_iter().enumerate() {
        let x = MARGIN + place % COLUMNS * (PANEL_WIDTH + MARGIN);
        let y = MARGIN + place / COLUMNS * panel_height;
        let _ = write!(svg, "<g transform=\"translate({x} {y})\">");
        panel(report, metric, &targets, &mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(report: &Report, metric: Metric, targets: &[Target], svg: &mut String) {
    let _ = write!(
        svg,
        "<text class=\"t\" x=\"0\" y=\"14\">{}</text>",
        metric.title()
    );
    let figures: Vec<Option<f64>> = targets
        .iter()
        .map(|target| report.figure(*target, metric))
        .collect();
    let largest = figures.iter().flatten().copied().fold(0.0, f64::max);
    let room = (PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH) as f64;
    for (row, (target, figure)) in targets.iter().zip(figures).enumerate() {
        let top = TITLE_HEIGHT - 10 + row * BAR_HEIGHT;
        let base = top + BAR_HEIGHT - 5;
        let _ = write!(svg, "<text x=\"0\" y=\"{base}\">{}</text>", target.title());
        let Some(figure) = figure else {
            continue;
        };
        let length = (figure / largest * room).max(1.0);
        let _ = write!(
            svg,
            "<rect class=\"{}\" x=\"{NAME_WIDTH}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\"/>\
             <text x=\"{:.1}\" y=\"{base}\">{}</text>",
            class(*target),
            top + 2,
            BAR_HEIGHT - 4,
            NAME_WIDTH as f64 + length + 6.0,
            metric.show(figure)
        );
    }
}

const fn class(target: Target) -> &'static str {
    if target.is_peer() {
        "peer"
    } else if target.floor().is_some() {
        "ours"
    } else {
        "floor"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::results::tests::report;

    #[test]
    fn bars_are_as_long_as_their_figures() {
        let svg = svg(&report());
        let room = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH;
        assert!(
            svg.contains(&format!(
                "class=\"ours\" x=\"190\" y=\"44\" width=\"{room}.0\""
            )),
            "{svg}"
        );
        let half = room / 2;
        assert!(
            svg.contains(&format!(
                "class=\"floor\" x=\"190\" y=\"26\" width=\"{half}.0\""
            )),
            "{svg}"
        );
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
    }
}
