//! The two events that go to a whole room and come often, encoded from borrowed texts.

use bytes::Bytes;

use super::{
    field::{self, Field, envelope},
    write::{self, Part},
};
#[cfg(feature = "json")]
use crate::{json::escaped, wire::read};

/// Encodes an envelope with a `voice_state_update`, with one allocation.
///
/// The bytes are those that [`encode_protobuf`](crate::encode_protobuf) writes.
#[must_use]
pub fn encode_state_update(
    request_id: &str,
    channel_id: &str,
    user_id: &str,
    muted: bool,
    deafened: bool,
) -> Bytes {
    let flags: &[u8] = match (muted, deafened) {
        (false, false) => &[],
        (true, false) => &MUTED,
        (false, true) => &DEAFENED,
        (true, true) => &MUTED_AND_DEAFENED,
    };
    let parts = [
        Part::text(field::event::CHANNEL_ID, channel_id),
        Part::text(field::event::USER_ID, user_id),
        Part::Fields(flags),
    ];
    write::envelope(request_id, envelope::VOICE_STATE_UPDATE, &parts)
}

/// Encodes an envelope with a `voice_speaking_event`, with one allocation.
///
/// The bytes are those that [`encode_protobuf`](crate::encode_protobuf) writes.
#[must_use]
pub fn encode_speaking_event(
    request_id: &str,
    channel_id: &str,
    user_id: &str,
    speaking: bool,
) -> Bytes {
    let flags: &[u8] = if speaking { &SPEAKING } else { &[] };
    let parts = [
        Part::text(field::event::CHANNEL_ID, channel_id),
        Part::text(field::event::USER_ID, user_id),
        Part::Fields(flags),
    ];
    write::envelope(request_id, envelope::VOICE_SPEAKING_EVENT, &parts)
}

const MUTED: [u8; 2] = set(field::event::MUTED);
const DEAFENED: [u8; 2] = set(field::event::DEAFENED);
const MUTED_AND_DEAFENED: [u8; 4] = [MUTED[0], MUTED[1], DEAFENED[0], DEAFENED[1]];
const SPEAKING: [u8; 2] = set(field::event::SPEAKING);

/// A flag that is true. One that is false is not written.
const fn set(flag: Field<1>) -> [u8; 2] {
    [flag.tag[0], 1]
}

/// The JSON form of a frame from [`encode_state_update`] or [`encode_speaking_event`].
///
/// The text is the one that [`encode_json`](crate::encode_json) writes. The result is `None` for
/// any other frame.
#[cfg(feature = "json")]
#[must_use]
pub fn event_json(frame: &[u8]) -> Option<String> {
    let (request_id, rest) = read::text(envelope::REQUEST_ID, frame)?;
    let (tag, rest) = rest.split_first_chunk()?;
    let (message, []) = read::delimited(rest)? else {
        return None;
    };
    let (channel_id, rest) = read::text(field::event::CHANNEL_ID, message)?;
    let (user_id, flags) = read::text(field::event::USER_ID, rest)?;
    let (name, flags) = if *tag == envelope::VOICE_STATE_UPDATE.tag {
        ("voiceStateUpdate", state_flags(flags)?)
    } else if *tag == envelope::VOICE_SPEAKING_EVENT.tag {
        ("voiceSpeakingEvent", speaking_flag(flags)?)
    } else {
        return None;
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

/// The flags of a state update in JSON, in which a `false` is written too.
#[cfg(feature = "json")]
fn state_flags(flags: &[u8]) -> Option<&'static str> {
    let json = match flags {
        [] => r#""muted":false,"deafened":false"#,
        _ if flags == MUTED => r#""muted":true,"deafened":false"#,
        _ if flags == DEAFENED => r#""muted":false,"deafened":true"#,
        _ if flags == MUTED_AND_DEAFENED => r#""muted":true,"deafened":true"#,
        _ => return None,
    };
    Some(json)
}

/// As [`state_flags`], of a speaking event.
#[cfg(feature = "json")]
fn speaking_flag(flags: &[u8]) -> Option<&'static str> {
    match flags {
        [] => Some(r#""speaking":false"#),
        _ if flags == SPEAKING => Some(r#""speaking":true"#),
        _ => None,
    }
}
