//! The parts of the proto3 JSON mapping that the generated code does not cover.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{
    error::{DecodeError, MalformedReason},
    ws::{Envelope, envelope::Payload},
};

const PAYLOAD_KEYS: [(&str, &str); 13] = [
    ("voiceJoinRequest", "voice_join_request"),
    ("voiceJoinResponse", "voice_join_response"),
    ("voiceLeaveRequest", "voice_leave_request"),
    ("voiceLeaveEvent", "voice_leave_event"),
    ("voiceSdpOffer", "voice_sdp_offer"),
    ("voiceSdpAnswer", "voice_sdp_answer"),
    ("voiceIceCandidate", "voice_ice_candidate"),
    ("voiceStateUpdate", "voice_state_update"),
    ("voiceSpeakingEvent", "voice_speaking_event"),
    (
        "voiceParticipantJoinedEvent",
        "voice_participant_joined_event",
    ),
    ("voiceError", "voice_error"),
    ("voiceIceServersRequest", "voice_ice_servers_request"),
    ("voiceIceServersResponse", "voice_ice_servers_response"),
];

pub(crate) fn decode(text: &[u8]) -> Result<Envelope, DecodeError> {
    match parse(text) {
        Ok(envelope) if envelope.payload.is_some() => Ok(envelope),
        Ok(envelope) if JsonOutline::of(text).foreign => {
            Err(DecodeError::foreign(envelope.request_id))
        }
        Ok(envelope) => Err(DecodeError::empty(envelope.request_id)),
        Err(error) => Err(DecodeError::malformed(
            JsonOutline::of(text).request_id,
            MalformedReason::Json {
                line: error.line(),
                column: error.column(),
            },
        )),
    }
}

/// Reads `null` as the default of any field, as the mapping demands. The generated code does so
/// only for messages. Such texts are rare, so they are read a second time, without their nulls.
fn parse(text: &[u8]) -> serde_json::Result<Envelope> {
    serde_json::from_slice(text).or_else(|error| {
        let syntax_is_fine = error.is_data();
        syntax_is_fine
            .then(|| parse_without_nulls(text))
            .flatten()
            .ok_or(error)
    })
}

fn parse_without_nulls(text: &[u8]) -> Option<Envelope> {
    let tree: Tree = serde_json::from_slice(text).ok()?;
    let text = serde_json::to_vec(&tree).ok()?;
    serde_json::from_slice(&text).ok()
}

/// The text as it stands between the quotes of a JSON string.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text
        .bytes()
        .any(|byte| matches!(byte, ..0x20 | b'"' | b'\\'))
    {
        let quoted = serde_json::to_string(text).expect("every text has a JSON form");
        Cow::Owned(quoted[1..quoted.len() - 1].to_owned())
    } else {
        Cow::Borrowed(text)
    }
}

pub(crate) fn encode(envelope: &Envelope) -> String {
    serde_json::to_string(envelope).unwrap_or_else(|_| encode_open_enum(envelope))
}

/// Writes the number of an enum value that has no name, as the mapping demands. The generated code
/// refuses such a value.
fn encode_open_enum(envelope: &Envelope) -> String {
    let mut envelope = envelope.clone();
    let (pointer, number) = match &mut envelope.payload {
        Some(Payload::VoiceError(error)) => ("/voiceError/code", std::mem::take(&mut error.code)),
        Some(Payload::VoiceLeaveEvent(event)) => {
            ("/voiceLeaveEvent/reason", std::mem::take(&mut event.reason))
        }
        _ => unreachable!("no other payload has an enum"),
    };
    let mut value =
        serde_json::to_value(&envelope).expect("only an enum without a name fails, and it is gone");
    *value
        .pointer_mut(pointer)
        .expect("defaults are written out") = number.into();
    value.to_string()
}

/// The top level of a text, as far as it can be read.
#[derive(Debug, Default)]
struct JsonOutline {
    request_id: String,
    /// There is a key that is neither the request id nor a payload of voice.
    foreign: bool,
}

impl JsonOutline {
    fn of(text: &[u8]) -> Self {
        let mut outline = Self::default();
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        // The outline has what came before an error, so the error itself does not matter.
        let _ = OutlineSeed(&mut outline).deserialize(&mut deserializer);
        outline
    }
}

struct OutlineSeed<'a>(&'a mut JsonOutline);

impl<'de> DeserializeSeed<'de> for OutlineSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OutlineSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if matches!(key.as_str(), "requestId" | "request_id") {
                if let Value::String(request_id) = map.next_value()? {
                    self.0.request_id = request_id;
                }
            } else {
                self.0.foreign |= !is_payload_key(&key);
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

fn is_payload_key(key: &str) -> bool {
    PAYLOAD_KEYS
        .iter()
        .any(|(camel, snake)| key == *camel || key == *snake)
}

/// Any JSON. It is written without the members that are null. Unlike [`Value`] it keeps a key that
/// comes twice, so that the text is still refused.
enum Tree {
    Scalar(Value),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scalar(value) => value.serialize(serializer),
            Self::Array(elements) => serializer.collect_seq(elements),
            Self::Object(members) => serializer.collect_map(
                members
                    .iter()
                    .filter(|(_, value)| !matches!(value, Self::Scalar(Value::Null)))
                    .map(|(key, value)| (key, value)),
            ),
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Tree, E> {
        let number = serde_json::Number::from_f64(value).ok_or_else(|| E::custom("not finite"))?;
        Ok(Tree::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Scalar(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Tree::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}
