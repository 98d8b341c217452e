//! Reading a relayed message out of a frame, and writing the frame for its target.

use std::fmt;

use bytes::Bytes;

#[cfg(feature = "json")]
use super::relay_text;
use super::{
    relay::{Form, Relay},
    relay_frame,
};
use crate::{
    Codec, decode,
    ws::{Envelope, envelope::Payload},
};

/// A relayed message for its target, in the encoding that it came in.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodedRelay {
    /// A binary WebSocket message.
    Protobuf(Bytes),
    /// A text WebSocket message.
    #[cfg(feature = "json")]
    Json(String),
}

impl<'a> Relay<'a> {
    /// Reads a frame that is written as libraries write it.
    ///
    /// `None` does not mean that the frame is wrong. It means that [`decode`] has to look at it, so
    /// that only one function decides what is malformed.
    #[inline]
    pub(crate) fn parse_protobuf(frame: &'a [u8]) -> Option<Self> {
        relay_frame::parse(frame)
    }

    /// As [`parse_protobuf`](Self::parse_protobuf), in JSON.
    #[cfg(feature = "json")]
    pub(crate) fn parse_json(frame: &'a str) -> Option<Self> {
        relay_text::parse(frame)
    }

    /// Encodes the frame for the target, with one allocation if the sender's ids need no escapes.
    ///
    /// The frame has no request id. This sender replaces the one that the client wrote.
    ///
    /// A protobuf frame is byte for byte the one that [`encode_protobuf`](crate::encode_protobuf)
    /// makes of the message. A JSON text is the one that `encode_json` makes of it, except that the
    /// content keeps the client's escapes.
    #[must_use]
    #[inline]
    pub fn encode_from(&self, sender_user_id: &str, sender_session_id: &str) -> EncodedRelay {
        match &self.form {
            Form::Protobuf(frame) => {
                let frame = frame.encode(self.kind, sender_user_id, sender_session_id);
                EncodedRelay::Protobuf(frame)
            }
            #[cfg(feature = "json")]
            Form::Json(text) => {
                EncodedRelay::Json(text.encode(self, sender_user_id, sender_session_id))
            }
        }
    }

    /// The message itself. This sender replaces the one that the client wrote.
    #[must_use]
    pub fn to_payload(&self, sender_user_id: &str, sender_session_id: &str) -> Payload {
        let envelope = match self.encode_from(sender_user_id, sender_session_id) {
            EncodedRelay::Protobuf(frame) => decode(Codec::Protobuf, &frame, usize::MAX),
            #[cfg(feature = "json")]
            EncodedRelay::Json(text) => decode(Codec::Json, text.as_bytes(), usize::MAX),
        };
        let envelope = envelope.expect("an encoded relay is an envelope");
        envelope.payload.expect("an encoded relay has a payload")
    }

    /// The envelope as the client wrote it.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let codec = match self.form {
            Form::Protobuf(_) => Codec::Protobuf,
            #[cfg(feature = "json")]
            Form::Json(_) => Codec::Json,
        };
        let envelope = decode(codec, self.frame, usize::MAX);
        envelope.expect("a frame that was read as a relay is an envelope")
    }
}

impl fmt::Debug for Relay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message hides its content itself.
        f.debug_tuple("Relay").field(&self.to_envelope()).finish()
    }
}

impl fmt::Debug for EncodedRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content must not reach a log.
        let (name, length) = match self {
            Self::Protobuf(frame) => ("Protobuf", frame.len()),
            #[cfg(feature = "json")]
            Self::Json(text) => ("Json", text.len()),
        };
        write!(f, "{name}(<{length} bytes>)")
    }
}
