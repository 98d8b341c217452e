//! What hostile clients do to the example servers, and what a long life does.
//!
//! Each [`attack`] runs against a server on which [`innocents`] talk. A [`trial`] says what became
//! of the innocents, of the attackers and of the server's memory.
//!
//! [`soak`] plays a long life with chance: clients come, talk, move, crash and come back, and some
//! of them break the rules.
//!
//! A file uses only files of its own folder and of the layers below it.

pub mod attack;
pub mod frame;
pub mod innocents;
mod peak;
pub mod soak;
pub mod trial;

use united_voice_scenarios::{Server, ServerKind};

/// Reads the name of a server from the command line.
///
/// # Errors
///
/// There is no server of that name.
pub fn server_kind(name: &str) -> Result<ServerKind, String> {
    match name {
        "axum" => Ok(ServerKind::Axum),
        "actix" => Ok(ServerKind::Actix),
        _ => Err("the servers are `axum` and `actix`".to_owned()),
    }
}

/// Starts a server that logs as servers usually do: a log of everything would cost more than what
/// is measured, and fill the memory of this process.
async fn server(kind: ServerKind) -> Server {
    let server = Server::builder(kind).environment("RUST_LOG", "info");
    server.start().await
}
