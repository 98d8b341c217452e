//! The three messages that go from one participant to another: what the server reads of them, and what it writes.

use united_voice_proto::{
    voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
    ws::envelope::Payload,
};

use crate::{Limits, SessionId, UserId};

/// A message from one participant to another. The server reads the route and the content's length, and writes the sender.
pub trait Relayed {
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
