//! What the server reads of a message from one participant to another, and how it sends it on.

use united_voice_proto::{
    EncodedRelay, Relay, RelayKind,
    voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
    ws::envelope::Payload,
};

use crate::{SessionId, Signal, Urgency, UserId};

/// A message from one participant to another: an offer, an answer or a candidate, or a [`Relay`] of
/// one. The server reads the route and the length of the content, and writes the sender.
pub(crate) trait Relayed {
    /// Which message it is. The limit on the content depends on it.
    fn kind(&self) -> RelayKind;

    /// The channel that sender and target are in.
    fn channel_id(&self) -> &str;

    /// The user that the message is for.
    fn target_user_id(&self) -> &str;

    /// The session of the target that the message is for; empty for the one that is present.
    fn target_session_id(&self) -> &str;

    /// The length of the content in bytes.
    fn content_len(&self) -> usize;

    /// The signal for the target. This sender replaces the one that the client wrote.
    fn into_signal(self, user: &UserId, session: SessionId) -> Signal;
}

macro_rules! relayed_message {
    ($message:ident, $kind:ident, $content:ident) => {
        impl Relayed for $message {
            fn kind(&self) -> RelayKind {
                RelayKind::$kind
            }

            fn channel_id(&self) -> &str {
                &self.channel_id
            }

            fn target_user_id(&self) -> &str {
                &self.target_user_id
            }

            fn target_session_id(&self) -> &str {
                &self.target_session_id
            }

            fn content_len(&self) -> usize {
                self.$content.len()
            }

            fn into_signal(mut self, user: &UserId, session: SessionId) -> Signal {
                self.sender_user_id = user.as_str().into();
                self.sender_session_id = session.to_text();
                Signal::new("", Payload::$message(self), Urgency::Relay)
            }
        }
    };
}

relayed_message!(VoiceSdpOffer, Offer, sdp);
relayed_message!(VoiceSdpAnswer, Answer, sdp);
relayed_message!(VoiceIceCandidate, Candidate, candidate_json);

impl Relayed for Relay<'_> {
    fn kind(&self) -> RelayKind {
        self.kind()
    }

    fn channel_id(&self) -> &str {
        self.channel_id()
    }

    fn target_user_id(&self) -> &str {
        self.target_user_id()
    }

    fn target_session_id(&self) -> &str {
        self.target_session_id()
    }

    fn content_len(&self) -> usize {
        self.content_len()
    }

    fn into_signal(self, user: &UserId, session: SessionId) -> Signal {
        match self.encode_from(user.as_str(), session.to_bytes().as_str()) {
            EncodedRelay::Protobuf(frame) => Signal::from_frame(frame, Urgency::Relay),
            #[cfg(feature = "json")]
            EncodedRelay::Json(text) => Signal::from_text(text, Urgency::Relay),
            // This crate is built without JSON, and another crate has turned it on in
            // united-voice-proto.
            _ => {
                let payload = self.to_payload(user.as_str(), &session.to_text());
                Signal::new("", payload, Urgency::Relay)
            }
        }
    }
}
