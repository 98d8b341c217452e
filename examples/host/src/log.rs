//! The log, on standard error.

use std::{
    env,
    io::{self, IsTerminal as _},
    time::Instant,
};

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _, filter::dynamic_filter_fn, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::throttle::OncePerMinute;

/// The loop of Actix that accepts connections. If it can't, it logs two errors every half second.
const REPETITIVE: &str = "actix_server::accept";

/// Starts the log. `RUST_LOG` filters it; without it, or if it is empty, lines of the level `info`
/// and above are written.
pub(crate) fn start() {
    static REPETITIONS: OncePerMinute = OncePerMinute::new();
    let chosen = env::var("RUST_LOG").is_ok_and(|filter| !filter.is_empty());
    let filter = chosen.then(|| EnvFilter::try_from_default_env().ok());
    let filter = filter.flatten().unwrap_or_else(|| EnvFilter::new("info"));
    let once = dynamic_filter_fn(|line, _| {
        let is_repetitive = line.target() == REPETITIVE && *line.level() == Level::ERROR;
        !is_repetitive || REPETITIONS.pass(Instant::now()).is_some()
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(lines.with_filter(once))
        .init();
}
