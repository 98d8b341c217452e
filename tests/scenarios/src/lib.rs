//! The harness of the scenarios. It starts a real example server, signs users in and talks to the
//! server as a client would.
//!
//! Nothing here uses the library under test except the generated protobuf types; the JSON form of
//! the messages is written and read by hand, so that the mapping is checked from outside.
//!
//! The scenarios are in `tests/`, one file per theme. Each takes the kind of server and, in most
//! cases, the codec. Each starts its own server in its own directory. If one fails, the log of its
//! server is part of the output.

mod binary;
mod client;
mod cluster;
mod conversation;
mod database;
mod handshake;
mod json;
mod log;
mod node;
pub mod request;
mod rest;
mod secrecy;
mod server;

pub use client::{Client, Codec, Incoming, Payload};
pub use conversation::pair;
pub use handshake::{Handshake, Refusal, Socket};
pub use json::{from_json, to_json};
pub use rest::User;
pub use server::{Server, ServerBuilder, ServerKind};
pub use united_voice_proto::{voice, ws};

use std::{future::Future, time::Duration};

/// The time limit for anything that the server should do at once. It is generous because tests
/// share the processor.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The interval at which [`eventually`] checks its condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits for a future that must end within [`PATIENCE`].
///
/// # Panics
/// If the future does not end in time.
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// Repeats `probe` until it returns `Some`.
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

/// Unwraps a payload that must be of one kind, for example
/// `expect_payload!(client.event().await, VoiceSdpOffer)`.
#[macro_export]
macro_rules! expect_payload {
    ($payload:expr, $kind:ident) => {
        match $payload {
            $crate::Payload::$kind(inner) => inner,
            other => panic!("expected {}, got {other:?}", stringify!($kind)),
        }
    };
}
