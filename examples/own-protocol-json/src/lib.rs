//! Tavern: a small chat server that existed before voice, and the code that gave it voice channels.
//!
//! ```text
//! cargo run -p united-voice-own-protocol-json
//! ```
//!
//! Tavern is an ordinary axum server. Every message is a JSON object, and its `type` says what it
//! is. Voice is one type more: the rest of such an object is the library's envelope, in both
//! directions.
//!
//! What Tavern had before is in `chat` (accounts, channels, lines of text), `messages` (its
//! protocol), `socket` (one WebSocket) and `server` (routes). What voice added is in `voice`, and
//! in the lines of the other files that end in `+voice`.
//!
//! This example leaves out what has nothing to do with voice: TLS, storage and real sign-in.

mod chat;
mod messages;
mod server;
mod socket;
mod voice; // +voice

pub use crate::{chat::Chat, server::Server};

use axum::extract::ws::Message;

use crate::{
    chat::Presence,
    messages::{Request, Told},
    socket::{Closed, Turn},
};
