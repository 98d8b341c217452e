//! One message of each kind, with the same content as in `golden/generate.py`.

use united_voice_proto::{
    voice::{
        IceServer, VoiceError, VoiceErrorCode, VoiceIceCandidate, VoiceIceServersRequest,
        VoiceIceServersResponse, VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceLeaveReason, VoiceLeaveRequest, VoiceParticipant, VoiceParticipantJoinedEvent,
        VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

pub(crate) const SDP: &str = "v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n";
pub(crate) const CANDIDATE: &str = r#"{"candidate":"candidate:1 1 udp 2122260223 192.0.2.7 49203 typ host","sdpMid":"0","sdpMLineIndex":0}"#;

pub(crate) fn zoe() -> VoiceParticipant {
    VoiceParticipant {
        user_id: "zoë".into(),
        display_name: "Zoë 🎧 \"Z\" \\ <b>".into(),
        pubkey: "ed25519:AAAA".into(),
        muted: true,
        deafened: false,
        session_id: "s-2".into(),
    }
}

fn bob() -> VoiceParticipant {
    VoiceParticipant {
        user_id: "bob".into(),
        display_name: "Bob".into(),
        deafened: true,
        session_id: "s-3".into(),
        ..Default::default()
    }
}

fn stun() -> IceServer {
    IceServer {
        urls: vec!["stun:stun.example.org:3478".into()],
        ..Default::default()
    }
}

pub(crate) fn turn() -> IceServer {
    IceServer {
        urls: vec![
            "turn:turn.example.org:3478?transport=udp".into(),
            "turn:turn.example.org:3478?transport=tcp".into(),
        ],
        username: "1767225600:zoë".into(),
        credential: "c2VjcmV0+/=".into(),
    }
}

/// One payload of each kind, in the order of their field numbers.
pub(crate) fn payloads() -> [Payload; 13] {
    let lounge = || "lounge".to_owned();
    [
        Payload::VoiceJoinRequest(VoiceJoinRequest {
            channel_id: lounge(),
        }),
        Payload::VoiceJoinResponse(VoiceJoinResponse {
            participants: vec![zoe(), bob()],
            ice_servers: vec![stun(), turn()],
            quality_warning: true,
            channel_id: lounge(),
            session_id: "s-9".into(),
        }),
        Payload::VoiceLeaveRequest(VoiceLeaveRequest {
            channel_id: "音声".into(),
        }),
        Payload::VoiceLeaveEvent(VoiceLeaveEvent {
            channel_id: lounge(),
            user_id: "zoë".into(),
            display_name: "Zoë".into(),
            reason: VoiceLeaveReason::Evicted.into(),
            session_id: "s-2".into(),
        }),
        Payload::VoiceSdpOffer(VoiceSdpOffer {
            target_user_id: "bob".into(),
            sdp: SDP.into(),
            channel_id: lounge(),
            sender_user_id: "zoë".into(),
            sender_session_id: "s-2".into(),
            target_session_id: "s-3".into(),
        }),
        Payload::VoiceSdpAnswer(VoiceSdpAnswer {
            target_user_id: "zoë".into(),
            sdp: SDP.into(),
            channel_id: lounge(),
            sender_user_id: "bob".into(),
            sender_session_id: "s-3".into(),
            target_session_id: "s-2".into(),
        }),
        Payload::VoiceIceCandidate(VoiceIceCandidate {
            target_user_id: "bob".into(),
            candidate_json: CANDIDATE.into(),
            channel_id: lounge(),
            sender_user_id: "zoë".into(),
            sender_session_id: "s-2".into(),
            target_session_id: "s-3".into(),
        }),
        Payload::VoiceStateUpdate(VoiceStateUpdate {
            channel_id: lounge(),
            user_id: "bob".into(),
            muted: true,
            deafened: true,
        }),
        Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
            channel_id: lounge(),
            user_id: "bob".into(),
            speaking: true,
        }),
        Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
            channel_id: lounge(),
            participant: Some(zoe()),
        }),
        Payload::VoiceError(VoiceError {
            code: VoiceErrorCode::StaleSession.into(),
            message: "not the present session".into(),
            channel_id: lounge(),
        }),
        Payload::VoiceIceServersRequest(VoiceIceServersRequest {
            channel_id: lounge(),
        }),
        Payload::VoiceIceServersResponse(VoiceIceServersResponse {
            ice_servers: vec![stun(), turn()],
            channel_id: lounge(),
        }),
    ]
}

pub(crate) fn envelope(request_id: &str, payload: Payload) -> Envelope {
    Envelope {
        request_id: request_id.to_owned(),
        payload: Some(payload),
    }
}
