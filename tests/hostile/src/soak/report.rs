//! What a soak found, for people.

use std::{fmt::Write as _, time::Duration};

use super::{memory::Trend, world::World};

/// The share of one processor that the two processes took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shares {
    /// The server's.
    pub(super) server: f64,
    /// This program's.
    pub(super) clients: f64,
}

/// The report as Markdown.
pub(super) fn write(
    world: &World,
    took: Duration,
    trend: Option<Trend>,
    shares: Shares,
    violations: &[String],
) -> String {
    let settings = &world.settings;
    let verdict = if violations.is_empty() {
        "passed"
    } else {
        "FAILED"
    };
    let mut text = format!(
        "# Soak of {}: {verdict}\n\nSeed {}, {} clients, {} channels, {} actions a second, {:.1} \
         minutes.\n\n",
        settings.server.executable(),
        settings.seed,
        settings.clients,
        settings.channels,
        settings.pace,
        took.as_secs_f64() / 60.0,
    );
    for violation in violations {
        let _ = writeln!(text, "- {violation}");
    }
    if !violations.is_empty() {
        text.push('\n');
    }
    text.push_str("| what | |\n| --- | --- |\n");
    for (name, count) in world.tally.all() {
        let _ = writeln!(text, "| {name} | {count} |");
    }
    if let Some(trend) = trend {
        let _ = writeln!(
            text,
            "| server's memory after the warm-up, at the end, at most | {:.1}, {:.1}, {:.1} MiB |\n\
             | its slope after the warm-up | {:+.2} MiB an hour |",
            trend.first, trend.last, trend.peak, trend.slope
        );
    }
    let _ = writeln!(
        text,
        "| processor, server and clients | {:.1} % and {:.1} % of one core |",
        shares.server * 100.0,
        shares.clients * 100.0
    );
    text
}
