//! Relayed messages, read and rewritten on the wire: no message is built on the way from one client to another.

use std::fmt;

use bytes::Bytes;

use crate::{
    voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
    write::{self, Text},
    ws::envelope::Payload,
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
/// limit on the frame's size aside. [`parse`](Self::parse) reads what clients write; a frame that is unusual in any way is
/// left to `decode`, so that there is one judge of what is malformed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RelayFrame<'a> {
    kind: RelayKind,
    request_id: &'a str,
    texts: Texts<'a>,
}

/// The fields 1 to 6, which the three messages have alike.
type Texts<'a> = [&'a str; 6];

const NUMBERS: [u8; 6] = [1, 2, 3, 4, 5, 6];

const TARGET_USER: usize = 0;
const CONTENT: usize = 1;
const CHANNEL: usize = 2;
const SENDER_USER: usize = 3;
const SENDER_SESSION: usize = 4;
const TARGET_SESSION: usize = 5;

impl<'a> RelayFrame<'a> {
    /// Reads a frame that holds nothing but one relayed message and at most one request id, each field at most once.
    ///
    /// `None` says nothing about the frame but that [`decode`](crate::decode) is to look at it.
    #[must_use]
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let mut request_id = None;
        let mut payload = None;
        let mut rest = frame;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(&[0x0a]) {
                let (text, after) = take_text(after)?;
                if request_id.replace(text).is_some() {
                    return None;
                }
                rest = after;
            } else {
                let (kind, after) = take_payload_key(rest)?;
                let (body, after) = take_bytes(after)?;
                if payload.replace((kind, body)).is_some() {
                    return None;
                }
                rest = after;
            }
        }
        let (kind, body) = payload?;
        Some(Self {
            kind,
            request_id: request_id.unwrap_or_default(),
            texts: parse_texts(body)?,
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
        self.texts[TARGET_USER]
    }

    /// The `sdp` or the `candidate_json`.
    #[must_use]
    pub const fn content(&self) -> &'a str {
        self.texts[CONTENT]
    }

    /// The channel that both are in.
    #[must_use]
    pub const fn channel_id(&self) -> &'a str {
        self.texts[CHANNEL]
    }

    /// Which session of the target it is for; empty for whichever is present.
    #[must_use]
    pub const fn target_session_id(&self) -> &'a str {
        self.texts[TARGET_SESSION]
    }

    /// The frame for the target: without a request id, with this sender in place of what the client wrote there.
    ///
    /// It is byte for byte what [`encode_protobuf`](crate::encode_protobuf) makes of the message.
    #[must_use]
    pub fn encode_from(&self, sender_user_id: &str, sender_session_id: &str) -> Bytes {
        let texts = self.texts_from(sender_user_id, sender_session_id);
        let numbered: [Text<'_>; 6] =
            std::array::from_fn(|place| Text(NUMBERS[place], texts[place]));
        write::envelope("", self.kind.field(), &numbered, &[])
    }

    /// The message itself, with this sender in place of what the client wrote there.
    #[must_use]
    pub fn to_payload(&self, sender_user_id: &str, sender_session_id: &str) -> Payload {
        self.payload_of(self.texts_from(sender_user_id, sender_session_id))
    }

    /// The message as the client wrote it.
    #[must_use]
    pub fn as_sent(&self) -> Payload {
        self.payload_of(self.texts)
    }

    fn texts_from<'b>(&self, sender_user_id: &'b str, sender_session_id: &'b str) -> Texts<'b>
    where
        'a: 'b,
    {
        let mut texts: Texts<'b> = self.texts;
        texts[SENDER_USER] = sender_user_id;
        texts[SENDER_SESSION] = sender_session_id;
        texts
    }

    fn payload_of(&self, texts: Texts<'_>) -> Payload {
        let [
            target_user_id,
            content,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        ] = texts.map(str::to_owned);
        match self.kind {
            RelayKind::Offer => Payload::VoiceSdpOffer(VoiceSdpOffer {
                target_user_id,
                sdp: content,
                channel_id,
                sender_user_id,
                sender_session_id,
                target_session_id,
            }),
            RelayKind::Answer => Payload::VoiceSdpAnswer(VoiceSdpAnswer {
                target_user_id,
                sdp: content,
                channel_id,
                sender_user_id,
                sender_session_id,
                target_session_id,
            }),
            RelayKind::Candidate => Payload::VoiceIceCandidate(VoiceIceCandidate {
                target_user_id,
                candidate_json: content,
                channel_id,
                sender_user_id,
                sender_session_id,
                target_session_id,
            }),
        }
    }
}

impl fmt::Debug for RelayFrame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message redacts its content itself.
        f.debug_struct("RelayFrame")
            .field("request_id", &self.request_id)
            .field("payload", &self.as_sent())
            .finish()
    }
}

/// The fields of the message, none of them twice and none unknown.
fn parse_texts(body: &[u8]) -> Option<Texts<'_>> {
    let mut texts: Texts<'_> = [""; 6];
    let mut seen = 0_u8;
    let mut rest = body;
    while let Some((&key, after)) = rest.split_first() {
        // Length-delimited, with a number below 16: one byte.
        let field = usize::from(key >> 3).checked_sub(1)?;
        let place = texts.get_mut(field)?;
        if key & 0x07 != 2 || seen & (1 << field) != 0 {
            return None;
        }
        seen |= 1 << field;
        (*place, rest) = take_text(after)?;
    }
    Some(texts)
}

/// The two-byte key of a length-delimited field from 184 to 186.
fn take_payload_key(bytes: &[u8]) -> Option<(RelayKind, &[u8])> {
    let (key, rest) = bytes.split_at_checked(2)?;
    let kind = match key {
        [0xc2, 0x0b] => RelayKind::Offer,
        [0xca, 0x0b] => RelayKind::Answer,
        [0xd2, 0x0b] => RelayKind::Candidate,
        _ => return None,
    };
    Some((kind, rest))
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (text, rest) = take_bytes(bytes)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

fn take_bytes(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return rest.split_at_checked(usize::from(first));
    }
    let (length, rest) = take_long_length(first, rest)?;
    rest.split_at_checked(length)
}

/// A length of two or three bytes: up to 2 MiB, more than any frame that is taken in.
fn take_long_length(first: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    let low = usize::from(first & 0x7f);
    match *rest {
        [second, ..] if second < 0x80 => Some((low | usize::from(second) << 7, &rest[1..])),
        [second, third, ..] if third < 0x80 => {
            let middle = usize::from(second & 0x7f) << 7;
            Some((low | middle | usize::from(third) << 14, &rest[2..]))
        }
        _ => None,
    }
}
