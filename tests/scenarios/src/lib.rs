//! The harness of the scenarios: starts a real example server, signs users in and talks to it as a
//! client would.
//!
//! Nothing here uses the library under test except the generated protobuf types; the JSON form of
//! the messages is written and read by hand, so that the mapping is checked from outside.
//!
//! The scenarios are in `tests/`, one file a theme. Each is a function of the server (and mostly of
//! the codec), and each starts a server of its own in a directory of its own. When one fails, the
//! log of its server is part of the output.

mod binary;
mod client;
mod conversation;
mod database;
mod handshake;
mod json;
pub mod request;
mod rest;
mod server;

pub use client::{Client, Codec, Incoming, Payload};
pub use conversation::pair;
pub use handshake::{Handshake, Refusal, Socket};
pub use json::{from_json, to_json};
pub use rest::User;
pub use server::{Server, ServerBuilder, ServerKind};
pub use united_voice_proto::{voice, ws};

use std::{future::Future, time::Duration};

/// How long anything may take that the server should do at once. Generous, because tests share the
/// processor.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often a condition is looked at again by [`eventually`].
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits for a future that must end within [`PATIENCE`].
///
/// # Panics
/// If it does not.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Asks again and again until the answer is `Some`.
///
/// # Panics
/// If that takes longer than [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    soon(what, async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await
}

/// Takes a payload apart that must be of one kind: `expect_payload!(client.event().await,
/// VoiceSdpOffer)`.
#[macro_export]
macro_rules! expect_payload {
    ($payload:expr, $kind:ident) => {
        match $payload {
            $crate::Payload::$kind(inner) => inner,
            other => panic!("expected {}, got {other:?}", stringify!($kind)),
        }
    };
}
