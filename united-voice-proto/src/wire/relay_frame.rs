//! Relayed messages in protobuf, rewritten on the wire.

use bytes::Bytes;

use super::{
    field::{Field, envelope, relay},
    read,
    relay::{Form, Relay, RelayFrame, RelayKind},
    write::{self, Part},
};

/// Reads a frame that holds one relayed message and at most one request id, and nothing else.
///
/// It must be written as protobuf libraries write it, because parts of it are copied. The fields of
/// the message are in the order of their numbers, none of them comes twice, none is empty, and no
/// length takes more bytes than it needs.
#[inline]
pub(super) fn parse(frame: &[u8]) -> Option<Relay<'_>> {
    let (early_id, rest) = read::text(envelope::REQUEST_ID, frame)?;
    let (tag, rest) = rest.split_first_chunk()?;
    let kind = kind_of_tag(*tag)?;
    let (message, rest) = read::delimited(rest)?;
    // A library may write the request id behind the payload.
    let (late_id, rest) = read::text(envelope::REQUEST_ID, rest)?;
    let request_id = if early_id.is_empty() {
        late_id
    } else {
        early_id
    };
    let has_two_ids = early_id.len() + late_id.len() != request_id.len();
    if !rest.is_empty() || has_two_ids {
        return None;
    }
    let (target_user_id, rest) = read::text(relay::TARGET_USER_ID, message)?;
    let (content_len, rest) = read::text_len(relay::CONTENT, rest)?;
    let (channel_id, from_sender) = read::text(relay::CHANNEL_ID, rest)?;
    // The sender's fields will be replaced. They are checked all the same, because `decode` refuses
    // a frame in which they are not text.
    let (_, rest) = read::text_len(relay::SENDER_USER_ID, from_sender)?;
    let (_, behind_sender) = read::text_len(relay::SENDER_SESSION_ID, rest)?;
    let (target_session_id, rest) = read::text(relay::TARGET_SESSION_ID, behind_sender)?;
    let (before_sender, _) = message.split_at(message.len() - from_sender.len());
    rest.is_empty().then_some(Relay {
        frame,
        kind,
        request_id,
        target_user_id,
        channel_id,
        target_session_id,
        content_len,
        form: Form::Protobuf(RelayFrame {
            before_sender,
            behind_sender,
        }),
    })
}

#[inline]
fn kind_of_tag(tag: [u8; 2]) -> Option<RelayKind> {
    match tag {
        OFFER_TAG => Some(RelayKind::Offer),
        ANSWER_TAG => Some(RelayKind::Answer),
        CANDIDATE_TAG => Some(RelayKind::Candidate),
        _ => None,
    }
}

// A pattern can name a constant, but not a field of one.
const OFFER_TAG: [u8; 2] = envelope::VOICE_SDP_OFFER.tag;
const ANSWER_TAG: [u8; 2] = envelope::VOICE_SDP_ANSWER.tag;
const CANDIDATE_TAG: [u8; 2] = envelope::VOICE_ICE_CANDIDATE.tag;

const fn field_of(kind: RelayKind) -> Field<2> {
    match kind {
        RelayKind::Offer => envelope::VOICE_SDP_OFFER,
        RelayKind::Answer => envelope::VOICE_SDP_ANSWER,
        RelayKind::Candidate => envelope::VOICE_ICE_CANDIDATE,
    }
}

impl RelayFrame<'_> {
    #[inline]
    pub(super) fn encode(
        &self,
        kind: RelayKind,
        sender_user_id: &str,
        sender_session_id: &str,
    ) -> Bytes {
        let parts = [
            Part::Fields(self.before_sender),
            Part::text(relay::SENDER_USER_ID, sender_user_id),
            Part::text(relay::SENDER_SESSION_ID, sender_session_id),
            Part::Fields(self.behind_sender),
        ];
        write::envelope("", field_of(kind), &parts)
    }
}
