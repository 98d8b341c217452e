//! Decoding frames and encoding envelopes, in protobuf and in JSON.

use bytes::Bytes;
use prost::Message;

use crate::{
    error::{DecodeError, MalformedReason},
    wire::{self, Outline},
    ws::Envelope,
};

/// The encoding that a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Binary WebSocket messages.
    Protobuf,
    /// Text WebSocket messages in the proto3 JSON mapping.
    #[cfg(feature = "json")]
    Json,
}

impl Codec {
    /// The WebSocket subprotocol that names this encoding.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Protobuf => "united.voice.v1.proto",
            #[cfg(feature = "json")]
            Self::Json => "united.voice.v1.json",
        }
    }

    /// The encoding that a subprotocol names. Names are compared exactly (RFC 6455, section 4.1).
    #[must_use]
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        match name {
            "united.voice.v1.proto" => Some(Self::Protobuf),
            #[cfg(feature = "json")]
            "united.voice.v1.json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The encoding of the first offered subprotocol that is known.
    ///
    /// Takes names, not header lines: split `Sec-WebSocket-Protocol` at commas and trim each part.
    /// On `None` the server answers without a subprotocol, and the client's first message settles
    /// the encoding.
    ///
    /// ```
    /// use united_voice_proto::Codec;
    ///
    /// let header = "chat.v3, united.voice.v1.proto";
    /// let codec = Codec::select(header.split(',').map(str::trim));
    /// assert_eq!(codec, Some(Codec::Protobuf));
    /// ```
    #[must_use]
    pub fn select<'a>(offered: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        offered.into_iter().find_map(Self::from_subprotocol)
    }
}

/// Decodes one frame of at most `limit` bytes. The envelope always has a payload.
///
/// The request id of a decoded envelope is as the client wrote it, however long.
///
/// In protobuf the last of several payloads counts, as the format demands. In JSON two payloads are
/// an error, and so are two values for one key, in the same spelling or in both. A `null` counts as
/// if the key were not there, so `{"voiceJoinRequest":null}` is empty.
///
/// # Errors
/// See [`DecodeError`].
pub fn decode(codec: Codec, frame: &[u8], limit: usize) -> Result<Envelope, DecodeError> {
    if frame.len() > limit {
        return Err(DecodeError::TooLarge {
            size: frame.len(),
            limit,
        });
    }
    match codec {
        Codec::Protobuf => decode_protobuf(frame),
        #[cfg(feature = "json")]
        Codec::Json => crate::json::decode(frame),
    }
}

fn decode_protobuf(frame: &[u8]) -> Result<Envelope, DecodeError> {
    match Envelope::decode(frame) {
        Ok(envelope) if envelope.payload.is_some() => Ok(envelope),
        Ok(envelope) if wire::outline(frame) == Outline::OnlyRequestId => {
            Err(DecodeError::empty(envelope.request_id))
        }
        Ok(envelope) => Err(DecodeError::foreign(envelope.request_id)),
        Err(error) => Err(DecodeError::malformed(
            wire::recover_request_id(frame),
            MalformedReason::Protobuf(error),
        )),
    }
}

/// Encodes an envelope as protobuf.
#[must_use]
pub fn encode_protobuf(envelope: &Envelope) -> Bytes {
    envelope.encode_to_vec().into()
}

/// Encodes an envelope in the proto3 JSON mapping, compact, defaults written out.
///
/// An enum value without a name is written as its number.
#[cfg(feature = "json")]
#[must_use]
pub fn encode_json(envelope: &Envelope) -> String {
    crate::json::encode(envelope)
}
