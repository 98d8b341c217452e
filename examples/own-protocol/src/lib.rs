//! Parley: a small chat server that existed before voice, and the code that gave it voice channels.
//!
//! ```text
//! cargo run -p united-voice-own-protocol
//! ```
//!
//! Parley has an envelope of its own (`proto/parley.proto`), numbers for users, channels and
//! requests, sockets of its own (`tokio-tungstenite`), and a queue for each connection. All of this
//! stayed as it was. `united-voice-core` sits below Parley's protocol, without `drive` and without
//! `united.ws.Envelope`.
//!
//! What Parley had before is in `chat` (accounts, channels, lines of text), `connection` (one
//! socket) and `outbox` (one queue). What voice added is in `voice`, and in the lines of the other
//! files that end in `+voice`.
//!
//! This example leaves out what has nothing to do with voice: TLS and storage.

mod chat;
mod connection;
mod outbox;
mod server;
mod voice; // +voice

/// The messages of `proto/parley.proto`.
pub mod wire {
    include!("generated/parley.rs");
}

pub use crate::{
    chat::{Account, Channel, Chat},
    outbox::Limits,
    server::Server,
    voice::VoiceSettings, // +voice
};
