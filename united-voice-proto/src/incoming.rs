//! A client's frame, read no further than it has to be.

use crate::{Codec, DecodeError, Relay, decode, ws::Envelope};

/// A decoded frame: a relayed message is borrowed from it, all else is an envelope.
///
/// A relayed message that is written in an unusual way becomes an envelope too. The two forms mean
/// the same, so handle an offer in an envelope as you handle one in a [`Relay`].
#[derive(Debug, Clone)]
pub enum Incoming<'a> {
    /// An offer, an answer or a candidate that can be passed on without being taken apart.
    Relay(Relay<'a>),
    /// Any other message. It has a payload if it comes from [`Incoming::decode`].
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
            Codec::Protobuf => Relay::parse_protobuf(frame),
            #[cfg(feature = "json")]
            Codec::Json => std::str::from_utf8(frame).ok().and_then(Relay::parse_json),
        };
        match relay {
            Some(relay) => Ok(Self::Relay(relay)),
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
        match fits.then(|| Relay::parse_json(frame)).flatten() {
            Some(relay) => Ok(Self::Relay(relay)),
            None => decode(Codec::Json, frame.as_bytes(), limit).map(Self::Envelope),
        }
    }

    /// The request id as the client wrote it, however long.
    #[must_use]
    pub fn request_id(&self) -> &str {
        match self {
            Self::Relay(relay) => relay.request_id(),
            Self::Envelope(envelope) => &envelope.request_id,
        }
    }

    /// The channel that the message names, as the client wrote it; empty if there is no payload.
    #[must_use]
    pub fn channel_id(&self) -> &str {
        match self {
            Self::Relay(relay) => relay.channel_id(),
            Self::Envelope(envelope) => match &envelope.payload {
                Some(payload) => payload.channel_id(),
                None => "",
            },
        }
    }

    /// The envelope that [`decode`] makes of the frame.
    #[must_use]
    pub fn into_envelope(self) -> Envelope {
        match self {
            Self::Relay(relay) => relay.to_envelope(),
            Self::Envelope(envelope) => envelope,
        }
    }
}

impl From<Envelope> for Incoming<'_> {
    fn from(envelope: Envelope) -> Self {
        Self::Envelope(envelope)
    }
}
