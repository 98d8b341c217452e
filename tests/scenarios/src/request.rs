//! Short constructors for the payloads that a client sends.

use crate::{
    Payload,
    voice::{
        VoiceIceCandidate, VoiceIceServersRequest, VoiceJoinRequest, VoiceLeaveRequest,
        VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
};

/// A request to join a channel.
#[must_use]
pub fn join(channel: &str) -> Payload {
    Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: channel.to_owned(),
    })
}

/// A request to leave a channel.
#[must_use]
pub fn leave(channel: &str) -> Payload {
    Payload::VoiceLeaveRequest(VoiceLeaveRequest {
        channel_id: channel.to_owned(),
    })
}

/// A request for fresh ICE servers.
#[must_use]
pub fn ice_servers(channel: &str) -> Payload {
    Payload::VoiceIceServersRequest(VoiceIceServersRequest {
        channel_id: channel.to_owned(),
    })
}

/// An update of the sender's microphone and headphones.
#[must_use]
pub fn state(channel: &str, muted: bool, deafened: bool) -> Payload {
    let (channel_id, user_id) = (channel.to_owned(), String::new());
    Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id,
        user_id,
        muted,
        deafened,
    })
}

/// An event that the sender began or stopped speaking.
#[must_use]
pub fn speaking(channel: &str, speaking: bool) -> Payload {
    let (channel_id, user_id) = (channel.to_owned(), String::new());
    Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
        channel_id,
        user_id,
        speaking,
    })
}

/// An SDP offer.
#[must_use]
pub fn offer(channel: &str, target: &str, sdp: &str) -> Payload {
    Payload::VoiceSdpOffer(VoiceSdpOffer {
        target_user_id: target.to_owned(),
        sdp: sdp.to_owned(),
        channel_id: channel.to_owned(),
        ..VoiceSdpOffer::default()
    })
}

/// An SDP answer.
#[must_use]
pub fn answer(channel: &str, target: &str, sdp: &str) -> Payload {
    Payload::VoiceSdpAnswer(VoiceSdpAnswer {
        target_user_id: target.to_owned(),
        sdp: sdp.to_owned(),
        channel_id: channel.to_owned(),
        ..VoiceSdpAnswer::default()
    })
}

/// An ICE candidate.
#[must_use]
pub fn candidate(channel: &str, target: &str, candidate_json: &str) -> Payload {
    Payload::VoiceIceCandidate(VoiceIceCandidate {
        target_user_id: target.to_owned(),
        candidate_json: candidate_json.to_owned(),
        channel_id: channel.to_owned(),
        ..VoiceIceCandidate::default()
    })
}

/// The three relayed payloads, with the same text in each.
#[must_use]
pub fn relayed(channel: &str, target: &str, text: &str) -> [Payload; 3] {
    [
        offer(channel, target, text),
        answer(channel, target, text),
        candidate(channel, target, text),
    ]
}
