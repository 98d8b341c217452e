//! The server as a user starts it: flags, files, first start, and how it ends. What it says over a WebSocket is the
//! subject of the scenarios, which every example server has to pass.

mod closing;
mod flags;
mod logs;
mod process;
mod routes;
mod shutdown;

/// The server under test. The tests themselves are also those of the other example server, which includes their files.
const PROGRAM: &str = env!("CARGO_BIN_EXE_united-voice-axum");
