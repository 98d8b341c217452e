//! Relayed messages, read and rewritten on the wire: no message is built on the way from one client to another.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use crate::{
    write::{self, Part},
    ws::{Envelope, envelope::Payload},
};

/// Which of the relayed messages it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayKind {
    /// `voice_sdp_offer`.
    Offer,
    /// `voice_sdp_answer`.
    Answer,
    /// `voice_ice_candidate`.
    Candidate,
}

impl RelayKind {
    const fn field(self) -> u32 {
        match self {
            Self::Offer => 184,
            Self::Answer => 185,
            Self::Candidate => 186,
        }
    }
}

/// A frame with an offer, an answer or a candidate, borrowed as it came in.
///
/// It stands for what [`decode`](crate::decode) would make of the frame: the same texts, all of them checked UTF-8, the
/// limit on the frame's size aside. [`parse`](Self::parse) reads what protobuf libraries write; a frame that is unusual in
/// any way is left to `decode`, so that there is one judge of what is malformed.
#[derive(Clone, Copy)]
pub struct RelayFrame<'a> {
    kind: RelayKind,
    request_id: &'a str,
    target_user_id: &'a str,
    channel_id: &'a str,
    target_session_id: &'a str,
    content_len: usize,
    /// The fields on the wire up to the sender's, what the client wrote for those, and what follows them.
    before_sender: &'a [u8],
    sender: &'a [u8],
    behind_sender: &'a [u8],
}

impl<'a> RelayFrame<'a> {
    /// Reads a frame that holds nothing but one relayed message and at most one request id, written as protobuf libraries
    /// do: no field twice, none empty, the message's in the order of their numbers, no number in more bytes than it needs.
    ///
    /// `None` says nothing about the frame but that [`decode`](crate::decode) is to look at it.
    #[must_use]
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let (early_id, rest) = take_text(1, frame)?;
        let (kind, rest) = take_payload_key(rest)?;
        let (message, rest) = take_bytes(rest)?;
        let (late_id, rest) = take_text(1, rest)?;
        let request_id = if early_id.is_empty() {
            late_id
        } else {
            early_id
        };
        if !rest.is_empty() || early_id.len() + late_id.len() != request_id.len() {
            return None;
        }
        let (target_user_id, rest) = take_text(1, message)?;
        let (content_len, rest) = skip_text(2, rest)?;
        let (channel_id, from_sender) = take_text(3, rest)?;
        let (_, rest) = skip_text(4, from_sender)?;
        let (_, behind_sender) = skip_text(5, rest)?;
        let (target_session_id, rest) = take_text(6, behind_sender)?;
        let (before_sender, _) = message.split_at(message.len() - from_sender.len());
        let (sender, _) = from_sender.split_at(from_sender.len() - behind_sender.len());
        rest.is_empty().then_some(Self {
            kind,
            request_id,
            target_user_id,
            channel_id,
            target_session_id,
            content_len,
            before_sender,
            sender,
            behind_sender,
        })
    }

    /// Which message it is.
    #[must_use]
    pub const fn kind(&self) -> RelayKind {
        self.kind
    }

    /// The request id as the client wrote it, whatever its length.
    #[must_use]
    pub const fn request_id(&self) -> &'a str {
        self.request_id
    }

    /// Whom it is for.
    #[must_use]
    pub const fn target_user_id(&self) -> &'a str {
        self.target_user_id
    }

    /// The length of the `sdp` or the `candidate_json` in bytes.
    #[must_use]
    pub const fn content_len(&self) -> usize {
        self.content_len
    }

    /// The channel that both are in.
    #[must_use]
    pub const fn channel_id(&self) -> &'a str {
        self.channel_id
    }

    /// Which session of the target it is for; empty for whichever is present.
    #[must_use]
    pub const fn target_session_id(&self) -> &'a str {
        self.target_session_id
    }

    /// The frame for the target: without a request id, with this sender in place of what the client wrote there.
    ///
    /// It is byte for byte what [`encode_protobuf`](crate::encode_protobuf) makes of the message.
    #[must_use]
    pub fn encode_from(&self, sender_user_id: &str, sender_session_id: &str) -> Bytes {
        let user = Part::Text(4, sender_user_id);
        self.encode("", [user, Part::Text(5, sender_session_id)])
    }

    /// The message itself, with this sender in place of what the client wrote there.
    #[must_use]
    pub fn to_payload(&self, sender_user_id: &str, sender_session_id: &str) -> Payload {
        let frame = self.encode_from(sender_user_id, sender_session_id);
        let envelope = read_again(&frame);
        envelope.payload.expect("a rewritten frame has a payload")
    }

    /// The envelope as the client wrote it.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        let sender = Part::Fields(self.sender);
        let frame = self.encode(self.request_id, [sender, Part::Fields(&[])]);
        read_again(&frame)
    }

    #[inline]
    fn encode(&self, request_id: &str, sender: [Part<'_>; 2]) -> Bytes {
        let [user, session] = sender;
        let parts = [
            Part::Fields(self.before_sender),
            user,
            session,
            Part::Fields(self.behind_sender),
        ];
        write::envelope(request_id, self.kind.field(), &parts)
    }
}

fn read_again(frame: &[u8]) -> Envelope {
    Envelope::decode(frame).expect("a rewritten frame holds texts that were checked")
}

impl fmt::Debug for RelayFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message redacts its content itself.
        f.debug_tuple("RelayFrame")
            .field(&self.to_envelope())
            .finish()
    }
}

/// The two-byte key of a length-delimited field from 184 to 186.
fn take_payload_key(bytes: &[u8]) -> Option<(RelayKind, &[u8])> {
    let (key, rest) = bytes.split_first_chunk()?;
    let kind = match key {
        [0xc2, 0x0b] => RelayKind::Offer,
        [0xca, 0x0b] => RelayKind::Answer,
        [0xd2, 0x0b] => RelayKind::Candidate,
        _ => return None,
    };
    Some((kind, rest))
}

/// The text of this field, which is below 16; empty where another field comes next.
#[inline]
pub(crate) fn take_text(field: u8, bytes: &[u8]) -> Option<(&str, &[u8])> {
    match bytes.split_first() {
        Some((&key, rest)) if key == write::text_key(field) => {
            let (text, rest) = take_bytes(rest)?;
            // What is empty is not written at all.
            let text = std::str::from_utf8(text).ok()?;
            (!text.is_empty()).then_some((text, rest))
        }
        _ => Some(("", bytes)),
    }
}

/// As [`take_text`], for a text of which only the length is of interest, and that it is one.
#[inline]
fn skip_text(field: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes.split_first() {
        Some((&key, rest)) if key == write::text_key(field) => {
            let (text, rest) = take_bytes(rest)?;
            // Nearly all are ASCII, which is seen sooner.
            let is_text = text.is_ascii() || std::str::from_utf8(text).is_ok();
            (is_text && !text.is_empty()).then_some((text.len(), rest))
        }
        _ => Some((0, bytes)),
    }
}

#[inline]
pub(crate) fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match *bytes {
        [low, ref rest @ ..] if low < 0x80 => (usize::from(low), rest),
        [low, high, ref rest @ ..] if (0x01..0x80).contains(&high) => {
            (usize::from(low & 0x7f) | usize::from(high) << 7, rest)
        }
        [low, middle, high, ref rest @ ..] if middle >= 0x80 && (0x01..0x80).contains(&high) => {
            let low = usize::from(low & 0x7f) | usize::from(middle & 0x7f) << 7;
            (low | usize::from(high) << 14, rest)
        }
        // 2 MiB or more, in more bytes than needed, or nothing at all.
        _ => return None,
    };
    rest.split_at_checked(length)
}
