//! The server as a user starts it: flags, files, first start and end. The scenarios, which every
//! example server has to pass, test the messages over a WebSocket.

mod closing;
mod flags;
mod logs;
mod process;
mod quotas;
mod raw;
mod requests;
mod routes;
mod sharing;
mod shortage;
mod shutdown;
mod upgrades;

/// The server under test. The other example server includes the files of these tests.
const PROGRAM: &str = env!("CARGO_BIN_EXE_axum-server");
