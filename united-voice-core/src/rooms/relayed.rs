//! The three messages that go from one participant to another: what the server reads of them, and what it writes.

#[cfg(feature = "json")]
use united_voice_proto::RelayText;
use united_voice_proto::{
    RelayFrame, RelayKind,
    voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
    ws::envelope::Payload,
};

use crate::{Limits, SessionId, Signal, Urgency, UserId};

/// A message from one participant to another. The server reads the route and the content's length, and writes the sender.
pub(crate) trait Relayed {
    /// The channel in which both sit.
    fn channel(&self) -> &str;

    /// Whom it is for.
    fn target_user(&self) -> &str;

    /// Which session of the target it is for; empty for whichever is present.
    fn target_session(&self) -> &str;

    /// The length of the opaque content in bytes, and the most that it may be.
    fn size_and_limit(&self, limits: &Limits) -> (usize, usize);

    /// The payload as the target gets it, with the sender written over whatever the client put there.
    fn sent_by(self, user: &UserId, session: SessionId) -> Payload;

    /// The signal for the target. The default wraps [`sent_by`](Self::sent_by); a message that can be encoded without
    /// being built does better.
    fn into_signal(self, user: &UserId, session: SessionId) -> Signal
    where
        Self: Sized,
    {
        Signal::new("", self.sent_by(user, session), Urgency::Event)
    }
}

macro_rules! relayed {
    ($message:ident, $content:ident, $limit:ident) => {
        impl Relayed for $message {
            fn channel(&self) -> &str {
                &self.channel_id
            }

            fn target_user(&self) -> &str {
                &self.target_user_id
            }

            fn target_session(&self) -> &str {
                &self.target_session_id
            }

            fn size_and_limit(&self, limits: &Limits) -> (usize, usize) {
                (self.$content.len(), limits.$limit)
            }

            fn sent_by(mut self, user: &UserId, session: SessionId) -> Payload {
                self.sender_user_id = user.as_str().into();
                self.sender_session_id = session.to_text();
                Payload::$message(self)
            }
        }
    };
}

relayed!(VoiceSdpOffer, sdp, max_sdp_bytes);
relayed!(VoiceSdpAnswer, sdp, max_sdp_bytes);
relayed!(VoiceIceCandidate, candidate_json, max_candidate_bytes);

macro_rules! relayed_as_written {
    ($frame:ty, $signal:path) => {
        impl Relayed for $frame {
            fn channel(&self) -> &str {
                self.channel_id()
            }

            fn target_user(&self) -> &str {
                self.target_user_id()
            }

            fn target_session(&self) -> &str {
                self.target_session_id()
            }

            fn size_and_limit(&self, limits: &Limits) -> (usize, usize) {
                let limit = match self.kind() {
                    RelayKind::Offer | RelayKind::Answer => limits.max_sdp_bytes,
                    RelayKind::Candidate => limits.max_candidate_bytes,
                };
                (self.content_len(), limit)
            }

            fn sent_by(self, user: &UserId, session: SessionId) -> Payload {
                self.to_payload(user.as_str(), &session.to_text())
            }

            fn into_signal(self, user: &UserId, session: SessionId) -> Signal {
                let frame = self.encode_from(user.as_str(), session.to_bytes().as_str());
                $signal(frame, Urgency::Event)
            }
        }
    };
}

relayed_as_written!(RelayFrame<'_>, Signal::from_frame);
#[cfg(feature = "json")]
relayed_as_written!(RelayText<'_>, Signal::from_text);
