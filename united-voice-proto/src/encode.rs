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
        Part::Flag(3, muted),
        Part::Flag(4, deafened),
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
        Part::Flag(3, speaking),
    ];
    envelope(request_id, 188, &parts)
}
