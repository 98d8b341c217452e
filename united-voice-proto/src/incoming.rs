//! What a client sent, read no further than it has to be.

#[cfg(feature = "json")]
use crate::RelayText;
use crate::{Codec, DecodeError, RelayFrame, decode, ws::Envelope};

/// A decoded frame: a relayed message is borrowed from it, all else is an envelope.
///
/// What a relayed message becomes depends on how it is written and makes no difference to what it means: one that is written
/// unusually ends up as an envelope.
#[derive(Debug, Clone)]
pub enum Incoming<'a> {
    /// An offer, an answer or a candidate that can be passed on without being taken apart.
    Relay(RelayFrame<'a>),
    /// Such a message in JSON.
    #[cfg(feature = "json")]
    RelayText(RelayText<'a>),
    /// Anything else. It has a payload where it comes from [`Incoming::decode`].
    Envelope(Envelope),
}

impl<'a> Incoming<'a> {
    /// Decodes one frame of at most `limit` bytes, as [`decode`] does.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn decode(codec: Codec, frame: &'a [u8], limit: usize) -> Result<Self, DecodeError> {
        let relay = match codec {
            _ if frame.len() > limit => None,
            Codec::Protobuf => RelayFrame::parse(frame).map(Self::Relay),
            #[cfg(feature = "json")]
            Codec::Json => std::str::from_utf8(frame).ok().and_then(Self::relay_text),
        };
        match relay {
            Some(relay) => Ok(relay),
            None => decode(codec, frame, limit).map(Self::Envelope),
        }
    }

    /// As [`decode`](Self::decode) in JSON, for a frame that is known to be text.
    ///
    /// # Errors
    /// Those of [`decode`].
    #[cfg(feature = "json")]
    pub fn decode_text(frame: &'a str, limit: usize) -> Result<Self, DecodeError> {
        let fits = frame.len() <= limit;
        match fits.then(|| Self::relay_text(frame)).flatten() {
            Some(relay) => Ok(relay),
            None => decode(Codec::Json, frame.as_bytes(), limit).map(Self::Envelope),
        }
    }

    #[cfg(feature = "json")]
    fn relay_text(frame: &'a str) -> Option<Self> {
        RelayText::parse(frame).map(Self::RelayText)
    }

    /// The request id as the client wrote it, whatever its length.
    #[must_use]
    pub fn request_id(&self) -> &str {
        match self {
            Self::Relay(relay) => relay.request_id(),
            #[cfg(feature = "json")]
            Self::RelayText(relay) => relay.request_id(),
            Self::Envelope(envelope) => &envelope.request_id,
        }
    }

    /// The envelope that [`decode`] makes of the frame.
    #[must_use]
    pub fn into_envelope(self) -> Envelope {
        match self {
            Self::Relay(relay) => relay.to_envelope(),
            #[cfg(feature = "json")]
            Self::RelayText(relay) => relay.to_envelope(),
            Self::Envelope(envelope) => envelope,
        }
    }
}

impl From<Envelope> for Incoming<'_> {
    fn from(envelope: Envelope) -> Self {
        Self::Envelope(envelope)
    }
}
