//! Decoding and encoding JSON, and its agreement with protobuf.

use united_voice_proto::{
    Codec, decode, encode_json, encode_protobuf,
    voice::{VoiceErrorCode, VoiceLeaveReason},
    ws::{Envelope, envelope::Payload},
};

use crate::{input::Input, protobuf::refused_if_over_the_limit};

/// Reads the bytes as a text, as a protobuf frame, and as the description of an envelope.
///
/// # Panics
///
/// If the wire format breaks a rule, or if the two encodings disagree.
pub fn check(bytes: &[u8]) {
    any_text(bytes);
    same_in_both(Input::new(bytes).envelope());
    if let Ok(envelope) = decode(Codec::Protobuf, bytes, usize::MAX) {
        same_in_both(envelope);
    }
}

/// Any bytes give an envelope that both encodings can write, or an error that can be answered.
fn any_text(text: &[u8]) {
    refused_if_over_the_limit(Codec::Json, text);
    match decode(Codec::Json, text, text.len()) {
        Ok(envelope) => {
            assert!(envelope.payload.is_some());
            assert_eq!(with_named_enums(envelope.clone()), envelope);
            same_in_both(envelope);
        }
        Err(error) => {
            assert!(error.request_id().len() <= 128);
            assert!(!error.to_string().is_empty());
        }
    }
}

fn same_in_both(envelope: Envelope) {
    let text = encode_json(&envelope);
    let value: serde_json::Value = serde_json::from_str(&text).expect("what is written is JSON");
    assert_eq!(value["requestId"], envelope.request_id.as_str());
    let frame = encode_protobuf(&envelope);
    let from_protobuf = decode(Codec::Protobuf, &frame, usize::MAX);
    assert_eq!(from_protobuf.as_ref(), Ok(&envelope));
    let from_json = decode(Codec::Json, text.as_bytes(), usize::MAX);
    assert_eq!(from_json, Ok(with_named_enums(envelope)));
}

/// JSON reads an enum value that has no name as unspecified. Protobuf keeps its number.
fn with_named_enums(mut envelope: Envelope) -> Envelope {
    match &mut envelope.payload {
        Some(Payload::VoiceError(error)) if VoiceErrorCode::try_from(error.code).is_err() => {
            error.code = 0;
        }
        Some(Payload::VoiceLeaveEvent(event))
            if VoiceLeaveReason::try_from(event.reason).is_err() =>
        {
            event.reason = 0;
        }
        _ => {}
    }
    envelope
}
