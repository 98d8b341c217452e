//! Relayed messages in JSON, whose content is passed on as it was written.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    RelayKind, json,
    ws::{Envelope, envelope::Payload},
};

/// A frame with an offer, an answer or a candidate in JSON, borrowed as it came in.
///
/// It stands for what [`decode`](crate::decode) would make of the frame, the limit on the frame's size aside.
/// [`parse`](Self::parse) reads what JSON libraries write; a frame that is unusual in any way is left to `decode`, so that there
/// is one judge of what is malformed.
#[derive(Clone, Copy)]
pub struct RelayText<'a> {
    frame: &'a [u8],
    kind: RelayKind,
    request_id: &'a str,
    message: MessageText<'a>,
    /// The content as a JSON string, quotes included.
    content: &'a str,
    content_len: usize,
}

impl<'a> RelayText<'a> {
    /// Reads a frame that holds nothing but one relayed message and at most one request id, under the names that are written
    /// (`lowerCamelCase`). Nothing is escaped but in the content, and there not by number.
    ///
    /// `None` says nothing about the frame but that [`decode`](crate::decode) is to look at it.
    #[must_use]
    pub fn parse(frame: &'a [u8]) -> Option<Self> {
        let FrameText {
            request_id,
            payload: Some((kind, message)),
        } = serde_json::from_slice(frame).ok()?
        else {
            return None;
        };
        let content = match (kind, message.sdp, message.candidate_json) {
            (_, None, None) => "\"\"",
            (RelayKind::Offer | RelayKind::Answer, Some(content), None)
            | (RelayKind::Candidate, None, Some(content)) => content.get(),
            _ => return None,
        };
        Some(Self {
            frame,
            kind,
            request_id: request_id.unwrap_or_default(),
            message,
            content,
            content_len: unescaped_len(content)?,
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
    pub fn target_user_id(&self) -> &'a str {
        self.message.target_user_id.unwrap_or_default()
    }

    /// The length of the `sdp` or the `candidateJson` in bytes, once it is unescaped.
    #[must_use]
    pub const fn content_len(&self) -> usize {
        self.content_len
    }

    /// The channel that both are in.
    #[must_use]
    pub fn channel_id(&self) -> &'a str {
        self.message.channel_id.unwrap_or_default()
    }

    /// Which session of the target it is for; empty for whichever is present.
    #[must_use]
    pub fn target_session_id(&self) -> &'a str {
        self.message.target_session_id.unwrap_or_default()
    }

    /// The frame for the target: without a request id, with this sender in place of what the client wrote there.
    ///
    /// It is what [`encode_json`](crate::encode_json) makes of the message, but that the content is escaped as the client
    /// escaped it.
    #[must_use]
    pub fn encode_from(&self, sender_user_id: &str, sender_session_id: &str) -> String {
        let (message, content) = match self.kind {
            RelayKind::Offer => ("voiceSdpOffer", "sdp"),
            RelayKind::Answer => ("voiceSdpAnswer", "sdp"),
            RelayKind::Candidate => ("voiceIceCandidate", "candidateJson"),
        };
        // What was borrowed has nothing to escape.
        let parts = [
            r#"{"requestId":"",""#,
            message,
            r#"":{"targetUserId":""#,
            self.target_user_id(),
            r#"",""#,
            content,
            r#"":"#,
            self.content,
            r#","channelId":""#,
            self.channel_id(),
            r#"","senderUserId":"#,
            &json::text(sender_user_id),
            r#","senderSessionId":"#,
            &json::text(sender_session_id),
            r#","targetSessionId":""#,
            self.target_session_id(),
            r#""}}"#,
        ];
        parts.concat()
    }

    /// The message itself, with this sender in place of what the client wrote there.
    #[must_use]
    pub fn to_payload(&self, sender_user_id: &str, sender_session_id: &str) -> Payload {
        let frame = self.encode_from(sender_user_id, sender_session_id);
        let envelope = read_again(frame.as_bytes());
        envelope.payload.expect("a rewritten frame has a payload")
    }

    /// The envelope as the client wrote it.
    #[must_use]
    pub fn to_envelope(&self) -> Envelope {
        read_again(self.frame)
    }
}

fn read_again(frame: &[u8]) -> Envelope {
    json::decode(frame).expect("what was read once")
}

impl fmt::Debug for RelayText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The message redacts its content itself.
        f.debug_tuple("RelayText")
            .field(&self.to_envelope())
            .finish()
    }
}

/// The length of a JSON string without its quotes and escapes; `None` for what is no string, or escapes by number.
fn unescaped_len(json: &str) -> Option<usize> {
    let mut rest = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut length = rest.len();
    while let Some(at) = rest.find('\\') {
        let (escaped, behind) = rest[at + 1..].split_at_checked(1)?;
        if escaped == "u" {
            return None;
        }
        length -= 1;
        rest = behind;
    }
    Some(length)
}

struct FrameText<'a> {
    request_id: Option<&'a str>,
    payload: Option<(RelayKind, MessageText<'a>)>,
}

#[derive(Clone, Copy, Default)]
struct MessageText<'a> {
    target_user_id: Option<&'a str>,
    sdp: Option<&'a RawValue>,
    candidate_json: Option<&'a RawValue>,
    channel_id: Option<&'a str>,
    sender_user_id: Option<&'a str>,
    sender_session_id: Option<&'a str>,
    target_session_id: Option<&'a str>,
}

// Not derived: derived code takes arrays for objects.

impl<'de> Deserialize<'de> for FrameText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FrameVisitor)
    }
}

struct FrameVisitor;

impl<'de> Visitor<'de> for FrameVisitor {
    type Value = FrameText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut request_id, mut payload) = (None, None);
        while let Some(key) = map.next_key()? {
            let kind = match key {
                "requestId" => {
                    put(&mut request_id, &mut map)?;
                    continue;
                }
                "voiceSdpOffer" => RelayKind::Offer,
                "voiceSdpAnswer" => RelayKind::Answer,
                "voiceIceCandidate" => RelayKind::Candidate,
                _ => return Err(unusual()),
            };
            let message = (kind, map.next_value()?);
            if payload.replace(message).is_some() {
                return Err(unusual());
            }
        }
        Ok(FrameText {
            request_id,
            payload,
        })
    }
}

impl<'de> Deserialize<'de> for MessageText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MessageVisitor)
    }
}

struct MessageVisitor;

impl<'de> Visitor<'de> for MessageVisitor {
    type Value = MessageText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a relayed message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut message = MessageText::default();
        while let Some(key) = map.next_key()? {
            match key {
                "targetUserId" => put(&mut message.target_user_id, &mut map),
                "sdp" => put(&mut message.sdp, &mut map),
                "candidateJson" => put(&mut message.candidate_json, &mut map),
                "channelId" => put(&mut message.channel_id, &mut map),
                "senderUserId" => put(&mut message.sender_user_id, &mut map),
                "senderSessionId" => put(&mut message.sender_session_id, &mut map),
                "targetSessionId" => put(&mut message.target_session_id, &mut map),
                _ => Err(unusual()),
            }?;
        }
        Ok(message)
    }
}

/// Reads a value to where there is none yet.
fn put<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    place: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    match place.replace(map.next_value()?) {
        None => Ok(()),
        Some(_) => Err(unusual()),
    }
}

/// Nobody reads it: `decode` says what is wrong, if anything is.
fn unusual<E: serde::de::Error>() -> E {
    E::custom("unusual")
}
