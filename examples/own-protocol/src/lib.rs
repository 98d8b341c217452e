//! Parley: a small chat server that was there before voice, and what it took to give it voice channels.
//!
//! ```text
//! cargo run -p united-voice-own-protocol
//! ```
//!
//! Parley has an envelope of its own (`proto/parley.proto`), numbers for users, channels and requests, sockets of its own
//! (`tokio-tungstenite`), and a queue for each connection. None of that changed: it embeds `united-voice-core` below its
//! protocol, without `drive` and without `united.ws.Envelope`.
//!
//! What it had is in `chat` (accounts, channels, lines of text), `connection` (one socket) and `outbox` (one
//! queue). What voice added is `voice`, and the lines of the others that are marked `+voice`.
//!
//! What this example leaves out, as a small chat server would: TLS and storage.

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
