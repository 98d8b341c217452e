//! The events that go to a whole room, encoded from borrowed texts.

use bytes::Bytes;

use crate::write::{Part, envelope};
#[cfg(feature = "json")]
use crate::{
    json::escaped,
    relay::{take_bytes, take_text},
};

/// An envelope with a `voice_state_update`, byte for byte as [`encode_protobuf`](crate::encode_protobuf) writes it, with
/// one allocation.
#[must_use]
pub fn encode_state_update(
    request_id: &str,
    channel_id: &str,
    user_id: &str,
    muted: bool,
    deafened: bool,
) -> Bytes {
    let parts = [
        Part::Text(1, channel_id),
        Part::Text(2, user_id),
        flags(muted, deafened),
    ];
    envelope(request_id, 187, &parts)
}

/// An envelope with a `voice_speaking_event`, byte for byte as [`encode_protobuf`](crate::encode_protobuf) writes it, with
/// one allocation.
#[must_use]
pub fn encode_speaking_event(
    request_id: &str,
    channel_id: &str,
    user_id: &str,
    speaking: bool,
) -> Bytes {
    let parts = [
        Part::Text(1, channel_id),
        Part::Text(2, user_id),
        flags(speaking, false),
    ];
    envelope(request_id, 188, &parts)
}

/// The fields 3 and 4. False is not written.
fn flags(third: bool, fourth: bool) -> Part<'static> {
    Part::Fields(match (third, fourth) {
        (false, false) => b"",
        (true, false) => b"\x18\x01",
        (false, true) => b"\x20\x01",
        (true, true) => b"\x18\x01\x20\x01",
    })
}

/// The JSON form of a frame that [`encode_state_update`] or [`encode_speaking_event`] wrote, as
/// [`encode_json`](crate::encode_json) writes it. `None` for frames that are anything else.
#[cfg(feature = "json")]
#[must_use]
pub fn event_json(frame: &[u8]) -> Option<String> {
    let (request_id, rest) = take_text(1, frame)?;
    let (key, rest) = rest.split_first_chunk()?;
    let (message, []) = take_bytes(rest)? else {
        return None;
    };
    let (channel_id, rest) = take_text(1, message)?;
    let (user_id, rest) = take_text(2, rest)?;
    // The keys of the fields 187 and 188, then those of 3 and 4 with their values: what is false is not written.
    let (name, flags) = match (key, rest) {
        ([0xda, 0x0b], b"") => ("voiceStateUpdate", r#""muted":false,"deafened":false"#),
        ([0xda, 0x0b], b"\x18\x01") => ("voiceStateUpdate", r#""muted":true,"deafened":false"#),
        ([0xda, 0x0b], b"\x20\x01") => ("voiceStateUpdate", r#""muted":false,"deafened":true"#),
        ([0xda, 0x0b], b"\x18\x01\x20\x01") => {
            ("voiceStateUpdate", r#""muted":true,"deafened":true"#)
        }
        ([0xe2, 0x0b], b"") => ("voiceSpeakingEvent", r#""speaking":false"#),
        ([0xe2, 0x0b], b"\x18\x01") => ("voiceSpeakingEvent", r#""speaking":true"#),
        _ => return None,
    };
    let parts = [
        r#"{"requestId":""#,
        &escaped(request_id),
        r#"",""#,
        name,
        r#"":{"channelId":""#,
        &escaped(channel_id),
        r#"","userId":""#,
        &escaped(user_id),
        r#"","#,
        flags,
        "}}",
    ];
    Some(parts.concat())
}
