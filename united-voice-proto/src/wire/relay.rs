//! A message that one participant sends to another, borrowed from the frame it came in.

use std::fmt;

use bytes::Bytes;

#[cfg(feature = "json")]
use super::relay_text::{self, RelayText};
use super::{
    relay_frame::{self, RelayFrame},
    route::{RelayKind, Route},
};
use crate::{
    Codec, decode,
    ws::{Envelope, envelope::Payload},
};

/// A frame with an offer, an answer or a candidate, borrowed as it came in.
///
/// A server reads the route and writes the sender, and passes the content on as it is. So it does
/// not need the message itself, and rewriting the frame takes one allocation.
/// [`Incoming::decode`](crate::Incoming::decode) makes these.
///
/// A relay stands for the envelope that [`decode`] would make of the frame: it has the same texts,
/// and all of them are checked UTF-8.
#[derive(Clone, Copy)]
pub struct Relay<'a> {
    frame: &'a [u8],
    route: Route<'a>,
    form: Form<'a>,
}

/// The parts of the frame that are passed on as they are, in the encoding of the frame.
#[derive(Clone, Copy)]
enum Form<'a> {
    Protobuf(RelayFrame<'a>),
    #[cfg(feature = "json")]
    Json(RelayText<'a>),
}

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
        let (route, form) = relay_frame::parse(frame)?;
        Some(Self {
            frame,
            route,
            form: Form::Protobuf(form),
        })
    }

    /// As [`parse_protobuf`](Self::parse_protobuf), in JSON.
    #[cfg(feature = "json")]
    pub(crate) fn parse_json(frame: &'a str) -> Option<Self> {
        let (route, form) = relay_text::parse(frame)?;
        Some(Self {
            frame: frame.as_bytes(),
            route,
            form: Form::Json(form),
        })
    }

    /// Which of the three messages it is.
    #[must_use]
    pub const fn kind(&self) -> RelayKind {
        self.route.kind
    }

    /// The request id as the client wrote it, however long.
    #[must_use]
    pub const fn request_id(&self) -> &'a str {
        self.route.request_id
    }

    /// The user that the message is for.
    #[must_use]
    pub const fn target_user_id(&self) -> &'a str {
        self.route.target_user_id
    }

    /// The channel that sender and target are in.
    #[must_use]
    pub const fn channel_id(&self) -> &'a str {
        self.route.channel_id
    }

    /// The session of the target that the message is for; empty for the one that is present.
    #[must_use]
    pub const fn target_session_id(&self) -> &'a str {
        self.route.target_session_id
    }

    /// The length of the `sdp` or the `candidate_json` in bytes of UTF-8, without JSON escapes.
    #[must_use]
    pub const fn content_len(&self) -> usize {
        self.route.content_len
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
                let frame = frame.encode(self.route.kind, sender_user_id, sender_session_id);
                EncodedRelay::Protobuf(frame)
            }
            #[cfg(feature = "json")]
            Form::Json(text) => {
                EncodedRelay::Json(text.encode(&self.route, sender_user_id, sender_session_id))
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
