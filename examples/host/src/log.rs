//! The log, on standard error.

use std::{
    env,
    io::{self, IsTerminal as _},
    time::Instant,
};

use tracing::Level;
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{LevelFilter, dynamic_filter_fn},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use crate::throttle::OncePerMinute;

/// The loop of Actix that accepts connections. If it can't, it logs two errors every half second.
const REPETITIVE: &str = "actix_server::accept";

/// Actix logs an error for each request that is not valid HTTP. Clients can send as many as they
/// like, so these lines count as `debug`. A metric counts them.
const OF_CLIENTS: &str = "actix_http::h1";

/// The library warns of each join that the directory could not answer. The directory is our
/// database, which says once a minute itself that it fails.
const SAID_ALREADY: &str = "united_voice_core::signaling::join";

/// The driver of PostgreSQL warns of each connection that breaks. The store says once a minute that
/// the database fails, and a connection that breaks while nobody uses it is replaced.
const OF_CONNECTIONS: &str = "sqlx_core::pool";

/// Starts the log. `RUST_LOG` filters it; without it, or if it is empty, lines of the level `info`
/// and above are written.
pub(crate) fn start() {
    static REPETITIONS: OncePerMinute = OncePerMinute::new();
    let chosen = env::var("RUST_LOG").is_ok_and(|filter| !filter.is_empty());
    let filter = chosen.then(|| EnvFilter::try_from_default_env().ok());
    let filter = filter.flatten().unwrap_or_else(|| EnvFilter::new("info"));
    let useful = dynamic_filter_fn(|line, _| match (line.target(), *line.level()) {
        (REPETITIVE, Level::ERROR) => REPETITIONS.pass(Instant::now()).is_some(),
        (SAID_ALREADY, Level::WARN) => false,
        (target, Level::ERROR | Level::WARN | Level::INFO)
            if target.starts_with(OF_CONNECTIONS) =>
        {
            LevelFilter::current() >= LevelFilter::DEBUG
        }
        (target, Level::ERROR) if target.starts_with(OF_CLIENTS) => {
            LevelFilter::current() >= LevelFilter::DEBUG
        }
        _ => true,
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(filter)
        .with(lines.with_filter(useful))
        .init();
}
