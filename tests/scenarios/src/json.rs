//! The proto3 JSON mapping of `united.ws.Envelope`, written by hand from the contract.
//!
//! Reading is strict, since a server's output has only one right form: every field is present under
//! its lowerCamelCase name, every enum is a name, and there are no other keys.

use serde_json::{Map, Value, json};

use crate::{
    client::Payload,
    voice::{
        IceServer, VoiceError, VoiceErrorCode, VoiceIceCandidate, VoiceIceServersRequest,
        VoiceIceServersResponse, VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceLeaveReason, VoiceLeaveRequest, VoiceParticipant, VoiceParticipantJoinedEvent,
        VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
    ws::Envelope,
};

/// The JSON form of an envelope, with every field written out.
#[must_use]
pub fn to_json(envelope: &Envelope) -> Value {
    let mut object = Map::new();
    object.insert("requestId".to_owned(), envelope.request_id.clone().into());
    if let Some(payload) = &envelope.payload {
        let (key, value) = payload_to_json(payload);
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

fn payload_to_json(payload: &Payload) -> (&'static str, Value) {
    use Payload as P;
    match payload {
        P::VoiceJoinRequest(m) => ("voiceJoinRequest", json!({ "channelId": m.channel_id })),
        P::VoiceLeaveRequest(m) => ("voiceLeaveRequest", json!({ "channelId": m.channel_id })),
        P::VoiceIceServersRequest(m) => (
            "voiceIceServersRequest",
            json!({ "channelId": m.channel_id }),
        ),
        P::VoiceSdpOffer(m) => (
            "voiceSdpOffer",
            json!({
                "targetUserId": m.target_user_id, "sdp": m.sdp, "channelId": m.channel_id,
                "senderUserId": m.sender_user_id, "senderSessionId": m.sender_session_id,
                "targetSessionId": m.target_session_id,
            }),
        ),
        P::VoiceSdpAnswer(m) => (
            "voiceSdpAnswer",
            json!({
                "targetUserId": m.target_user_id, "sdp": m.sdp, "channelId": m.channel_id,
                "senderUserId": m.sender_user_id, "senderSessionId": m.sender_session_id,
                "targetSessionId": m.target_session_id,
            }),
        ),
        P::VoiceIceCandidate(m) => (
            "voiceIceCandidate",
            json!({
                "targetUserId": m.target_user_id, "candidateJson": m.candidate_json, "channelId": m.channel_id,
                "senderUserId": m.sender_user_id, "senderSessionId": m.sender_session_id,
                "targetSessionId": m.target_session_id,
            }),
        ),
        P::VoiceStateUpdate(m) => (
            "voiceStateUpdate",
            json!({ "channelId": m.channel_id, "userId": m.user_id, "muted": m.muted, "deafened": m.deafened }),
        ),
        P::VoiceSpeakingEvent(m) => (
            "voiceSpeakingEvent",
            json!({ "channelId": m.channel_id, "userId": m.user_id, "speaking": m.speaking }),
        ),
        other => server_payload_to_json(other),
    }
}

/// Payloads that only a server may send. A client sends them to be refused.
fn server_payload_to_json(payload: &Payload) -> (&'static str, Value) {
    use Payload as P;
    match payload {
        P::VoiceJoinResponse(m) => ("voiceJoinResponse", json!({ "channelId": m.channel_id })),
        P::VoiceLeaveEvent(m) => (
            "voiceLeaveEvent",
            json!({ "channelId": m.channel_id, "reason": m.reason }),
        ),
        P::VoiceParticipantJoinedEvent(m) => (
            "voiceParticipantJoinedEvent",
            json!({ "channelId": m.channel_id }),
        ),
        P::VoiceError(m) => (
            "voiceError",
            json!({ "code": m.code, "channelId": m.channel_id }),
        ),
        P::VoiceIceServersResponse(m) => (
            "voiceIceServersResponse",
            json!({ "channelId": m.channel_id }),
        ),
        other => unreachable!("a client's payload: {other:?}"),
    }
}

/// Reads a server's message.
///
/// # Panics
/// If the message is not the exact mapping of an envelope with a payload that a server may send.
#[must_use]
pub fn from_json(value: Value) -> Envelope {
    let mut object = Fields::of("Envelope", value);
    let request_id = object.text("requestId");
    let (key, payload) = object.only_one_left();
    Envelope {
        request_id,
        payload: Some(payload_from_json(&key, payload)),
    }
}

fn payload_from_json(key: &str, value: Value) -> Payload {
    let mut fields = Fields::of(key, value);
    let f = &mut fields;
    let payload = match key {
        "voiceJoinResponse" => Payload::VoiceJoinResponse(VoiceJoinResponse {
            participants: f
                .list("participants")
                .into_iter()
                .map(participant)
                .collect(),
            ice_servers: f.list("iceServers").into_iter().map(ice_server).collect(),
            quality_warning: f.flag("qualityWarning"),
            channel_id: f.text("channelId"),
            session_id: f.text("sessionId"),
        }),
        "voiceLeaveEvent" => Payload::VoiceLeaveEvent(VoiceLeaveEvent {
            channel_id: f.text("channelId"),
            user_id: f.text("userId"),
            display_name: f.text("displayName"),
            reason: leave_reason_named(&f.text("reason")),
            session_id: f.text("sessionId"),
        }),
        "voiceParticipantJoinedEvent" => {
            Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
                channel_id: f.text("channelId"),
                participant: Some(participant(f.take("participant"))),
            })
        }
        "voiceError" => Payload::VoiceError(VoiceError {
            code: error_code_named(&f.text("code")),
            message: f.text("message"),
            channel_id: f.text("channelId"),
        }),
        "voiceIceServersResponse" => Payload::VoiceIceServersResponse(VoiceIceServersResponse {
            ice_servers: f.list("iceServers").into_iter().map(ice_server).collect(),
            channel_id: f.text("channelId"),
        }),
        other => relayed_from_json(other, f),
    };
    fields.done();
    payload
}

/// Payloads that both sides may send.
fn relayed_from_json(key: &str, f: &mut Fields) -> Payload {
    match key {
        "voiceSdpOffer" => Payload::VoiceSdpOffer(VoiceSdpOffer {
            target_user_id: f.text("targetUserId"),
            sdp: f.text("sdp"),
            channel_id: f.text("channelId"),
            sender_user_id: f.text("senderUserId"),
            sender_session_id: f.text("senderSessionId"),
            target_session_id: f.text("targetSessionId"),
        }),
        "voiceSdpAnswer" => Payload::VoiceSdpAnswer(VoiceSdpAnswer {
            target_user_id: f.text("targetUserId"),
            sdp: f.text("sdp"),
            channel_id: f.text("channelId"),
            sender_user_id: f.text("senderUserId"),
            sender_session_id: f.text("senderSessionId"),
            target_session_id: f.text("targetSessionId"),
        }),
        "voiceIceCandidate" => Payload::VoiceIceCandidate(VoiceIceCandidate {
            target_user_id: f.text("targetUserId"),
            candidate_json: f.text("candidateJson"),
            channel_id: f.text("channelId"),
            sender_user_id: f.text("senderUserId"),
            sender_session_id: f.text("senderSessionId"),
            target_session_id: f.text("targetSessionId"),
        }),
        "voiceStateUpdate" => Payload::VoiceStateUpdate(VoiceStateUpdate {
            channel_id: f.text("channelId"),
            user_id: f.text("userId"),
            muted: f.flag("muted"),
            deafened: f.flag("deafened"),
        }),
        "voiceSpeakingEvent" => Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
            channel_id: f.text("channelId"),
            user_id: f.text("userId"),
            speaking: f.flag("speaking"),
        }),
        "voiceJoinRequest" => Payload::VoiceJoinRequest(VoiceJoinRequest {
            channel_id: f.text("channelId"),
        }),
        "voiceLeaveRequest" => Payload::VoiceLeaveRequest(VoiceLeaveRequest {
            channel_id: f.text("channelId"),
        }),
        "voiceIceServersRequest" => Payload::VoiceIceServersRequest(VoiceIceServersRequest {
            channel_id: f.text("channelId"),
        }),
        other => panic!("an envelope with the key {other:?}"),
    }
}

/// Reads a participant, which the WebSocket and the REST route write in the same way.
pub(crate) fn participant(value: Value) -> VoiceParticipant {
    let mut f = Fields::of("VoiceParticipant", value);
    let participant = VoiceParticipant {
        user_id: f.text("userId"),
        display_name: f.text("displayName"),
        pubkey: f.text("pubkey"),
        muted: f.flag("muted"),
        deafened: f.flag("deafened"),
        session_id: f.text("sessionId"),
    };
    f.done();
    participant
}

fn ice_server(value: Value) -> IceServer {
    let mut f = Fields::of("IceServer", value);
    let server = IceServer {
        urls: f
            .list("urls")
            .iter()
            .map(|url| url.as_str().expect("a URL is a string").to_owned())
            .collect(),
        username: f.text("username"),
        credential: f.text("credential"),
    };
    f.done();
    server
}

fn leave_reason_named(name: &str) -> i32 {
    VoiceLeaveReason::from_str_name(name)
        .unwrap_or_else(|| panic!("a leave reason called {name:?}"))
        .into()
}

fn error_code_named(name: &str) -> i32 {
    VoiceErrorCode::from_str_name(name)
        .unwrap_or_else(|| panic!("an error code called {name:?}"))
        .into()
}

/// The fields of an object. A reader must take each of them once.
struct Fields {
    of: String,
    left: Map<String, Value>,
}

impl Fields {
    fn of(of: &str, value: Value) -> Self {
        let Value::Object(left) = value else {
            panic!("{of} is not an object: {value}")
        };
        Self {
            of: of.to_owned(),
            left,
        }
    }

    fn take(&mut self, key: &str) -> Value {
        self.left
            .remove(key)
            .unwrap_or_else(|| panic!("{} without {key:?}: {:?}", self.of, self.left))
    }

    fn text(&mut self, key: &str) -> String {
        match self.take(key) {
            Value::String(text) => text,
            other => panic!("{}.{key} is not a string: {other}", self.of),
        }
    }

    fn flag(&mut self, key: &str) -> bool {
        let value = self.take(key);
        value
            .as_bool()
            .unwrap_or_else(|| panic!("{}.{key} is not a boolean: {value}", self.of))
    }

    fn list(&mut self, key: &str) -> Vec<Value> {
        match self.take(key) {
            Value::Array(list) => list,
            other => panic!("{}.{key} is not an array: {other}", self.of),
        }
    }

    fn only_one_left(&mut self) -> (String, Value) {
        assert_eq!(self.left.len(), 1, "{} with {:?}", self.of, self.left);
        std::mem::take(&mut self.left)
            .into_iter()
            .next()
            .expect("the length was checked")
    }

    fn done(self) {
        assert!(
            self.left.is_empty(),
            "{} with unknown keys: {:?}",
            self.of,
            self.left
        );
    }
}
