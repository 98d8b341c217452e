//! `Debug` of messages with content that must not reach a log: addresses of users (in SDP and
//! candidates) and credentials.

use std::fmt;

use crate::voice::{IceServer, VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer};

/// Shows the length of a text and none of its content.
struct Redacted<'a>(&'a str);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

// Each pattern names all fields, without `..`, so a new field cannot be forgotten here.

impl fmt::Debug for VoiceSdpOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target_user_id,
            sdp,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        } = self;
        f.debug_struct("VoiceSdpOffer")
            .field("target_user_id", target_user_id)
            .field("sdp", &Redacted(sdp))
            .field("channel_id", channel_id)
            .field("sender_user_id", sender_user_id)
            .field("sender_session_id", sender_session_id)
            .field("target_session_id", target_session_id)
            .finish()
    }
}

impl fmt::Debug for VoiceSdpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target_user_id,
            sdp,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        } = self;
        f.debug_struct("VoiceSdpAnswer")
            .field("target_user_id", target_user_id)
            .field("sdp", &Redacted(sdp))
            .field("channel_id", channel_id)
            .field("sender_user_id", sender_user_id)
            .field("sender_session_id", sender_session_id)
            .field("target_session_id", target_session_id)
            .finish()
    }
}

impl fmt::Debug for VoiceIceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            target_user_id,
            candidate_json,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        } = self;
        f.debug_struct("VoiceIceCandidate")
            .field("target_user_id", target_user_id)
            .field("candidate_json", &Redacted(candidate_json))
            .field("channel_id", channel_id)
            .field("sender_user_id", sender_user_id)
            .field("sender_session_id", sender_session_id)
            .field("target_session_id", target_session_id)
            .finish()
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            urls,
            username,
            credential,
        } = self;
        f.debug_struct("IceServer")
            .field("urls", urls)
            .field("username", &Redacted(username))
            .field("credential", &Redacted(credential))
            .finish()
    }
}
