//! Relayed messages in JSON, whose content is passed on as it was written.

use memchr::memchr2;

use super::route::{RelayKind, Route};
use crate::json::escaped;

/// The content of the message as a JSON string, with its quotes and escapes.
#[derive(Clone, Copy)]
pub(super) struct RelayText<'a> {
    content: &'a str,
}

/// Reads a frame that holds one relayed message and at most one request id, and nothing else.
///
/// It must be written as JSON libraries write it, because parts of it are copied. All names are in
/// `lowerCamelCase`, and none comes twice. Only the content has escapes, and none of them is `\u`.
pub(super) fn parse(frame: &str) -> Option<(Route<'_>, RelayText<'_>)> {
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
    let route = Route {
        kind,
        request_id: request_id.unwrap_or_default(),
        target_user_id: message.target_user_id.unwrap_or_default(),
        channel_id: message.channel_id.unwrap_or_default(),
        target_session_id: message.target_session_id.unwrap_or_default(),
        content_len: content.len,
    };
    let text = RelayText {
        content: content.json,
    };
    Some((route, text))
}

impl RelayText<'_> {
    pub(super) fn encode(
        &self,
        route: &Route<'_>,
        sender_user_id: &str,
        sender_session_id: &str,
    ) -> String {
        let (message, content) = match route.kind {
            RelayKind::Offer => ("voiceSdpOffer", "sdp"),
            RelayKind::Answer => ("voiceSdpAnswer", "sdp"),
            RelayKind::Candidate => ("voiceIceCandidate", "candidateJson"),
        };
        // The borrowed ids have nothing to escape, or `parse` would have refused the frame.
        let parts = [
            r#"{"requestId":"",""#,
            message,
            r#"":{"targetUserId":""#,
            route.target_user_id,
            r#"",""#,
            content,
            r#"":"#,
            self.content,
            r#","channelId":""#,
            route.channel_id,
            r#"","senderUserId":""#,
            &escaped(sender_user_id),
            r#"","senderSessionId":""#,
            &escaped(sender_session_id),
            r#"","targetSessionId":""#,
            route.target_session_id,
            r#""}}"#,
        ];
        parts.concat()
    }
}

/// The members of a message, each if it is there.
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

/// A JSON string.
#[derive(Clone, Copy)]
struct Quoted<'a> {
    /// The string with its quotes and escapes.
    json: &'a str,
    /// Bytes of the text without quotes and escapes.
    len: usize,
}

/// The rest of a frame, to be read as JSON libraries write it. Each method gives `None` for
/// anything that they would write in another way.
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

    /// Reads an object. `member` gets each key and reads its value.
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

    /// A string without escapes.
    fn plain(&mut self) -> Option<&'a str> {
        self.token(b'"')?;
        let special = |byte: &u8| matches!(byte, ..0x20 | b'"' | b'\\');
        let end = self.0.as_bytes().iter().position(special)?;
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix('"')?;
        Some(text)
    }

    /// A string whose escapes are a backslash and one character: no `\u`.
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
        // A fold has no early exit, so the compiler checks many bytes at a time.
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

/// Puts a value into an empty place. A key that comes twice finds the place taken.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}
