//! Relayed messages in JSON, whose content is passed on as it was written.

use std::fmt;

use memchr::memchr2;

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
    frame: &'a str,
    kind: RelayKind,
    request_id: &'a str,
    message: MessageText<'a>,
    content: Quoted<'a>,
}

impl<'a> RelayText<'a> {
    /// Reads a frame that holds nothing but one relayed message and at most one request id, under the names that are written
    /// (`lowerCamelCase`). Nothing is escaped but in the content, and there not by number.
    ///
    /// `None` says nothing about the frame but that [`decode`](crate::decode) is to look at it.
    #[must_use]
    pub fn parse(frame: &'a str) -> Option<Self> {
        let (request_id, kind, message) = Scanner(frame).frame()?;
        let content = match (kind, message.sdp, message.candidate_json) {
            (_, None, None) => Quoted {
                json: r#""""#,
                len: 0,
            },
            (RelayKind::Offer | RelayKind::Answer, Some(content), None)
            | (RelayKind::Candidate, None, Some(content)) => content,
            _ => return None,
        };
        Some(Self {
            frame,
            kind,
            request_id: request_id.unwrap_or_default(),
            message,
            content,
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
        self.content.len
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
            self.content.json,
            r#","channelId":""#,
            self.channel_id(),
            r#"","senderUserId":""#,
            &json::escaped(sender_user_id),
            r#"","senderSessionId":""#,
            &json::escaped(sender_session_id),
            r#"","targetSessionId":""#,
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
        read_again(self.frame.as_bytes())
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

#[derive(Clone, Copy, Default)]
struct MessageText<'a> {
    target_user_id: Option<&'a str>,
    sdp: Option<Quoted<'a>>,
    candidate_json: Option<Quoted<'a>>,
    channel_id: Option<&'a str>,
    sender_user_id: Option<&'a str>,
    sender_session_id: Option<&'a str>,
    target_session_id: Option<&'a str>,
}

/// A JSON string with its quotes and escapes.
#[derive(Clone, Copy)]
struct Quoted<'a> {
    json: &'a str,
    /// The length of what it stands for.
    len: usize,
}

/// What is left of a text to be read as JSON libraries write it. `None` is for whatever else it may be.
struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    fn frame(&mut self) -> Option<(Option<&'a str>, RelayKind, MessageText<'a>)> {
        let (mut request_id, mut payload) = (None, None);
        self.object(|scanner, key| {
            let kind = match key {
                "requestId" => return put(&mut request_id, scanner.plain()?),
                "voiceSdpOffer" => RelayKind::Offer,
                "voiceSdpAnswer" => RelayKind::Answer,
                "voiceIceCandidate" => RelayKind::Candidate,
                _ => return None,
            };
            put(&mut payload, (kind, scanner.message()?))
        })?;
        let (kind, message) = payload?;
        self.skip_blanks();
        self.0.is_empty().then_some((request_id, kind, message))
    }

    fn message(&mut self) -> Option<MessageText<'a>> {
        let mut message = MessageText::default();
        self.object(|scanner, key| match key {
            "targetUserId" => put(&mut message.target_user_id, scanner.plain()?),
            "sdp" => put(&mut message.sdp, scanner.quoted()?),
            "candidateJson" => put(&mut message.candidate_json, scanner.quoted()?),
            "channelId" => put(&mut message.channel_id, scanner.plain()?),
            "senderUserId" => put(&mut message.sender_user_id, scanner.plain()?),
            "senderSessionId" => put(&mut message.sender_session_id, scanner.plain()?),
            "targetSessionId" => put(&mut message.target_session_id, scanner.plain()?),
            _ => None,
        })?;
        Some(message)
    }

    /// An object, whose values `member` reads.
    fn object(&mut self, mut member: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.token(b'{')?;
        if self.token(b'}').is_some() {
            return Some(());
        }
        loop {
            let key = self.plain()?;
            self.token(b':')?;
            member(self, key)?;
            if self.token(b'}').is_some() {
                return Some(());
            }
            self.token(b',')?;
        }
    }

    /// A string in which nothing is escaped.
    fn plain(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let special = |byte: &u8| matches!(byte, ..0x20 | b'"' | b'\\');
        let end = self.0.as_bytes().iter().position(special)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A string in which nothing is escaped by number.
    fn quoted(&mut self) -> Option<Quoted<'a>> {
        self.skip_blanks();
        let bytes = self.0.as_bytes();
        let (mut at, mut escapes) = (1, 0);
        if bytes.first() != Some(&b'"') {
            return None;
        }
        loop {
            at += memchr2(b'"', b'\\', &bytes[at..])?;
            if bytes[at] == b'"' {
                break;
            }
            let escape = bytes.get(at + 1)?;
            if !br#""\/bfnrt"#.contains(escape) {
                return None;
            }
            escapes += 1;
            at += 2;
        }
        let (json, rest) = self.0.split_at(at + 1);
        self.0 = rest;
        // Looked at as a whole, which takes many bytes at a time.
        let has_control = json.bytes().fold(false, |any, byte| any | (byte < 0x20));
        let len = json.len() - 2 - escapes;
        (!has_control).then_some(Quoted { json, len })
    }

    fn token(&mut self, token: u8) -> Option<()> {
        self.skip_blanks();
        let (&first, _) = self.0.as_bytes().split_first()?;
        (first == token).then(|| self.0 = &self.0[1..])
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.0.as_bytes().first() {
            self.0 = &self.0[1..];
        }
    }
}

/// Puts a value where there is none yet.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}
