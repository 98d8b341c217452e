//! The kinds of requests, as far as metrics tell them apart.

use united_voice_proto::{Incoming, RelayKind, ws::envelope::Payload};

/// What a client asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Request {
    Join,
    Leave,
    Offer,
    Answer,
    Candidate,
    State,
    Speaking,
    IceServers,
    /// A message that could not be decoded, exceeded the rate or asks for nothing that there is.
    Other,
}

impl Request {
    pub(crate) const NUMBER: usize = Self::Other as usize + 1;

    /// In the order of the variants.
    pub(crate) const LABELS: [&'static str; Self::NUMBER] = [
        "join",
        "leave",
        "offer",
        "answer",
        "candidate",
        "state",
        "speaking",
        "ice_servers",
        "other",
    ];

    #[inline]
    pub(crate) fn of(message: &Incoming<'_>) -> Self {
        match message {
            Incoming::Relay(relay) => relay.kind().into(),
            Incoming::Envelope(envelope) => Self::of_payload(envelope.payload.as_ref()),
        }
    }

    fn of_payload(payload: Option<&Payload>) -> Self {
        match payload {
            Some(Payload::VoiceJoinRequest(_)) => Self::Join,
            Some(Payload::VoiceLeaveRequest(_)) => Self::Leave,
            Some(Payload::VoiceSdpOffer(_)) => Self::Offer,
            Some(Payload::VoiceSdpAnswer(_)) => Self::Answer,
            Some(Payload::VoiceIceCandidate(_)) => Self::Candidate,
            Some(Payload::VoiceStateUpdate(_)) => Self::State,
            Some(Payload::VoiceSpeakingEvent(_)) => Self::Speaking,
            Some(Payload::VoiceIceServersRequest(_)) => Self::IceServers,
            _ => Self::Other,
        }
    }
}

impl From<RelayKind> for Request {
    fn from(kind: RelayKind) -> Self {
        match kind {
            RelayKind::Offer => Self::Offer,
            RelayKind::Answer => Self::Answer,
            RelayKind::Candidate => Self::Candidate,
        }
    }
}
