//! What hostile clients do to the example servers, and what a long life does.
//!
//! [`soak`] plays a long life with chance: clients come, talk, move, crash and come back, and some
//! of them break the rules.
//!
//! A file uses only files of its own folder and of the layers below it.

pub mod frame;
pub mod soak;

use united_voice_scenarios::ServerKind;

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
