//! Tavern's protocol: JSON objects with a `type`.

use serde::{Deserialize, Serialize};
use united_voice_core::proto::ws::Envelope; // +voice

use crate::Message;

/// The largest message of a client, in bytes. It has to hold the largest session description,
/// 64 KiB.
pub(crate) const MAX_MESSAGE_BYTES: usize = 128 << 10;

/// What a client sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Request {
    /// A line of text for a channel.
    Chat(Line),
    /// A message of the library.
    Voice(Envelope), // +voice
}

/// A line of text for a channel.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    /// What the client calls this request. If the line is refused, the answer has it too.
    #[serde(default, rename = "requestId")]
    pub(crate) id: String,
    pub(crate) channel: String,
    pub(crate) text: String,
}

impl Request {
    /// `None` if the message is too large or not a request.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let fits = text.len() <= MAX_MESSAGE_BYTES;
        fits.then(|| serde_json::from_str(text).ok()).flatten()
    }
}

/// What a client is sent.
#[derive(Debug, Serialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub(crate) enum Told<'a> {
    /// Somebody said something.
    Said {
        channel: &'a str,
        user: &'a str,
        text: &'a str,
    },
    /// A line was refused.
    Refused { request_id: &'a str },
    /// A message of the library.
    Voice(&'a Envelope), // +voice
}

impl Told<'_> {
    pub(crate) fn message(&self) -> Message {
        let json = serde_json::to_string(self);
        Message::text(json.expect("texts, numbers and named enums have a JSON form"))
    }
}
