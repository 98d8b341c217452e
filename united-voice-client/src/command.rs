//! What a handle asks of the task that owns the connection.

use tokio::sync::oneshot;
use united_voice_proto::{
    voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
    ws::envelope::Payload,
};

use crate::{
    error::{JoinError, RequestError, SendError},
    event::{Peer, Redacted, RelayId, Snapshot},
    wire::IceServer,
};

pub(crate) type Reply<T, E> = oneshot::Sender<Result<T, E>>;

#[derive(Debug)]
pub(crate) enum Command {
    Join {
        channel: String,
        reply: Reply<Snapshot, JoinError>,
    },
    Leave {
        reply: Reply<(), RequestError>,
    },
    State {
        state: State,
        reply: Reply<(), RequestError>,
    },
    IceServers {
        reply: Reply<Vec<IceServer>, RequestError>,
    },
    Relay {
        to: Peer,
        content: Content,
        reply: Reply<RelayId, SendError>,
    },
    Speaking {
        speaking: bool,
        reply: Reply<(), SendError>,
    },
    RetryNow,
    Close {
        closed: oneshot::Sender<()>,
    },
}

/// The state of the user's devices, as the others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct State {
    pub(crate) muted: bool,
    pub(crate) deafened: bool,
}

/// The content of a relayed message. Its `Debug` form shows only its length.
pub(crate) enum Content {
    Offer(String),
    Answer(String),
    Candidate(String),
}

impl Content {
    pub(crate) fn payload(self, channel_id: String, to: Peer) -> Payload {
        let Peer {
            user_id: target_user_id,
            session_id: target_session_id,
        } = to;
        match self {
            Self::Offer(sdp) => Payload::VoiceSdpOffer(VoiceSdpOffer {
                target_user_id,
                sdp,
                channel_id,
                target_session_id,
                ..VoiceSdpOffer::default()
            }),
            Self::Answer(sdp) => Payload::VoiceSdpAnswer(VoiceSdpAnswer {
                target_user_id,
                sdp,
                channel_id,
                target_session_id,
                ..VoiceSdpAnswer::default()
            }),
            Self::Candidate(candidate_json) => Payload::VoiceIceCandidate(VoiceIceCandidate {
                target_user_id,
                candidate_json,
                channel_id,
                target_session_id,
                ..VoiceIceCandidate::default()
            }),
        }
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, text) = match self {
            Self::Offer(sdp) => ("Offer", sdp),
            Self::Answer(sdp) => ("Answer", sdp),
            Self::Candidate(json) => ("Candidate", json),
        };
        f.debug_tuple(name).field(&Redacted(text)).finish()
    }
}
