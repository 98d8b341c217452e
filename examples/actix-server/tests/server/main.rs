//! The server as a user starts it. These are the tests of the Axum server, run against this one.

#[path = "../../../axum-server/tests/server/closing.rs"]
mod closing;
#[path = "../../../axum-server/tests/server/flags.rs"]
mod flags;
#[path = "../../../axum-server/tests/server/logs.rs"]
mod logs;
#[path = "../../../axum-server/tests/server/process.rs"]
mod process;
#[path = "../../../axum-server/tests/server/quotas.rs"]
mod quotas;
#[path = "../../../axum-server/tests/server/raw.rs"]
mod raw;
#[path = "../../../axum-server/tests/server/requests.rs"]
mod requests;
#[path = "../../../axum-server/tests/server/routes.rs"]
mod routes;
#[path = "../../../axum-server/tests/server/sharing.rs"]
mod sharing;
#[path = "../../../axum-server/tests/server/shortage.rs"]
mod shortage;
#[path = "../../../axum-server/tests/server/shutdown.rs"]
mod shutdown;
#[path = "../../../axum-server/tests/server/upgrades.rs"]
mod upgrades;

/// The server under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_actix-server");
