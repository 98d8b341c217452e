//! The events that go to a whole room, encoded from borrowed texts.

use bytes::Bytes;

use crate::write::{Part, envelope};

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
