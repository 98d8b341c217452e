//! The requests of a client.

use united_voice_core::proto::{
    voice::{
        VoiceIceCandidate, VoiceIceServersRequest, VoiceJoinRequest, VoiceLeaveRequest,
        VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
    ws::envelope::Payload,
};

pub(crate) fn join(channel: &str) -> Payload {
    let channel_id = channel.into();
    Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id })
}

pub(crate) fn leave(channel: &str) -> Payload {
    let channel_id = channel.into();
    Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id })
}

/// Neither muted nor deafened.
pub(crate) fn state(channel: &str) -> Payload {
    Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: channel.into(),
        ..VoiceStateUpdate::default()
    })
}

/// Not speaking.
pub(crate) fn speaking(channel: &str) -> Payload {
    Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
        channel_id: channel.into(),
        ..VoiceSpeakingEvent::default()
    })
}

pub(crate) fn ice(channel: &str) -> Payload {
    let channel_id = channel.into();
    Payload::VoiceIceServersRequest(VoiceIceServersRequest { channel_id })
}

pub(crate) fn offer(channel: &str, to: &str, sdp: &str) -> Payload {
    Payload::VoiceSdpOffer(VoiceSdpOffer {
        channel_id: channel.into(),
        target_user_id: to.into(),
        sdp: sdp.into(),
        ..VoiceSdpOffer::default()
    })
}

/// All three relayed messages with the same content.
pub(crate) fn relayed(channel: &str, to: &str, content: &str) -> [Payload; 3] {
    let answer = VoiceSdpAnswer {
        channel_id: channel.into(),
        target_user_id: to.into(),
        sdp: content.into(),
        ..VoiceSdpAnswer::default()
    };
    let candidate = VoiceIceCandidate {
        channel_id: channel.into(),
        target_user_id: to.into(),
        candidate_json: content.into(),
        ..VoiceIceCandidate::default()
    };
    [
        offer(channel, to, content),
        Payload::VoiceSdpAnswer(answer),
        Payload::VoiceIceCandidate(candidate),
    ]
}

/// All requests that name a channel, the join first.
pub(crate) fn requests(channel: &str) -> Vec<Payload> {
    let mut all = vec![
        join(channel),
        leave(channel),
        state(channel),
        speaking(channel),
        ice(channel),
    ];
    all.extend(relayed(channel, "bob", "x"));
    all
}
