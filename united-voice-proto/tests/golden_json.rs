//! The JSON is the same as another implementation writes. See `golden.rs`.
#![cfg(feature = "json")]

mod fixtures;
mod samples;

use fixtures::{bare, envelopes, expected, messages};
use samples::{envelope, payloads, turn, zoe};
use serde_json::Value;
use united_voice_proto::{
    Codec, decode, encode_json,
    voice::{
        VoiceErrorCode, VoiceJoinResponse, VoiceLeaveEvent, VoiceLeaveReason, VoiceParticipant,
    },
    ws::{Envelope, envelope::Payload},
};

const LIMIT: usize = 128 * 1024;

fn read(text: &str) -> Envelope {
    decode(Codec::Json, text.as_bytes(), LIMIT).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn both_ways() {
    let fixtures = envelopes("json");
    for (name, envelope) in expected() {
        let theirs = &fixtures[&name];
        let ours: Value = serde_json::from_str(&encode_json(&envelope)).unwrap();
        assert_eq!(&ours, theirs, "{name}");
        if !name.ends_with("of the future") {
            assert_eq!(read(&theirs.to_string()), envelope, "{name}");
        }
    }
}

/// A host's own message, of which the envelope is one kind.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
enum Message {
    Chat { text: String },
    Voice(Envelope),
}

#[test]
fn an_envelope_can_be_a_variant_of_a_hosts_own_enum() {
    let fixtures = envelopes("json");
    let known = |(name, _): &(String, Envelope)| !name.ends_with("of the future");
    for (name, envelope) in expected().into_iter().filter(known) {
        let mut theirs = fixtures[&name].clone();
        theirs["type"] = "voice".into();
        let message = Message::Voice(envelope);
        assert_eq!(serde_json::to_value(&message).unwrap(), theirs, "{name}");
        let read: Message = serde_json::from_str(&theirs.to_string()).unwrap();
        assert_eq!(read, message, "{name}");
    }
    let chat = Message::Chat { text: "hi".into() };
    let read: Message = serde_json::from_str(r#"{"text":"hi","type":"chat"}"#).unwrap();
    assert_eq!(read, chat);
    // A payload that this version does not know is dropped, and the rest is read.
    let newer = r#"{"type":"voice","requestId":"7","voiceSong":{}}"#;
    let Message::Voice(envelope) = serde_json::from_str(newer).unwrap() else {
        panic!("voice");
    };
    assert_eq!((&*envelope.request_id, envelope.payload), ("7", None));
    let bad = r#"{"type":"voice","requestId":"7","voiceJoinRequest":{"channelId":5}}"#;
    serde_json::from_str::<Message>(bad).unwrap_err();
}

#[test]
fn messages_on_their_own_as_the_rest_route_writes_them() {
    let fixtures = messages("json");
    let ours = serde_json::to_value(zoe()).unwrap();
    assert_eq!(ours, fixtures["VoiceParticipant"]);
    let ours = serde_json::to_value(turn()).unwrap();
    assert_eq!(ours, fixtures["IceServer"]);
}

#[test]
fn both_spellings_of_a_name_are_read() {
    fn snake(value: &Value) -> Value {
        match value {
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| (snake_key(key), snake(value)))
                .collect(),
            Value::Array(elements) => elements.iter().map(snake).collect(),
            other => other.clone(),
        }
    }
    fn snake_key(camel: &str) -> String {
        camel.chars().fold(String::new(), |mut key, c| {
            if c.is_ascii_uppercase() {
                key.push('_');
            }
            key.push(c.to_ascii_lowercase());
            key
        })
    }
    let fixtures = envelopes("json");
    for payload in payloads() {
        let (name, _) = bare(&payload);
        let text = snake(&fixtures[name]).to_string();
        assert!(text.contains("request_id") && text.contains(name));
        assert_eq!(read(&text), envelope("req-1", payload));
    }
}

fn code(text: &str) -> VoiceErrorCode {
    let envelope = read(&format!(r#"{{"voiceError":{{"code":{text}}}}}"#));
    let Some(Payload::VoiceError(error)) = envelope.payload else {
        panic!("{text}: another payload");
    };
    error.code()
}

#[test]
fn enums_are_read_by_name_and_by_number() {
    assert_eq!(code("14"), VoiceErrorCode::StaleSession);
    assert_eq!(
        code(r#""VOICE_ERROR_CODE_CHANNEL_FULL""#),
        VoiceErrorCode::ChannelFull
    );
    for later in [r#""VOICE_ERROR_CODE_OF_THE_FUTURE""#, "4000", "-1", "null"] {
        assert_eq!(code(later), VoiceErrorCode::Unspecified, "{later}");
    }
}

#[test]
fn unknown_keys_in_a_payload_are_ignored() {
    let text = r#"{"requestId":"1","voiceLeaveEvent":
        {"new":{"a":[1,null,{}],"a":2},"channelId":"x","reason":6,"newer":null}, "host":{"x":1}}"#;
    let event = VoiceLeaveEvent {
        channel_id: "x".into(),
        reason: VoiceLeaveReason::Evicted.into(),
        ..Default::default()
    };
    assert_eq!(read(text), envelope("1", Payload::VoiceLeaveEvent(event)));
}

#[test]
fn null_stands_for_the_default_of_any_field() {
    for payload in payloads() {
        let (name, empty) = bare(&payload);
        let full: Value = serde_json::from_str(&encode_json(&envelope("", payload))).unwrap();
        let (key, members) = (full.as_object().unwrap().iter())
            .find(|(key, _)| *key != "requestId")
            .unwrap();
        let nulls: Value = (members.as_object().unwrap().keys())
            .map(|key| (key.clone(), Value::Null))
            .collect();
        let text = serde_json::json!({ "requestId": null, key: nulls }).to_string();
        assert_eq!(read(&text), envelope("", empty), "{name}");
    }
    // Members next to a null keep their values.
    let text = r#"{"voiceJoinResponse":{"sessionId":null,"participants":[{"userId":"é\n","muted":true,"pubkey":null}],
        "n":[1,-2,3.5,18446744073709551615,"x",null,false]}}"#;
    let response = VoiceJoinResponse {
        participants: vec![VoiceParticipant {
            user_id: "é\n".into(),
            muted: true,
            ..Default::default()
        }],
        ..Default::default()
    };
    assert_eq!(
        read(text),
        envelope("", Payload::VoiceJoinResponse(response))
    );
}
