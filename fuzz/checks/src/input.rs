//! Values out of a fuzzer's bytes.

use united_voice_proto::{
    voice::{
        IceServer, VoiceError, VoiceIceCandidate, VoiceIceServersRequest, VoiceIceServersResponse,
        VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveEvent, VoiceLeaveRequest, VoiceParticipant,
        VoiceParticipantJoinedEvent, VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent,
        VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

/// Texts that mean something to the code under test.
const TEXTS: [&str; 14] = [
    "",
    "a",
    "b",
    "alice",
    "bob",
    "text",
    "slow",
    "0000000000000001",
    "\"",
    "\\",
    "\r\n\t\u{0}\u{1f}",
    "é🎧",
    "\u{2028}\u{ffff}",
    "{\"candidate\":\"candidate:1 1 udp 1 192.0.2.7 9 typ host\",\"sdpMid\":\"0\"}",
];

/// The bytes that are left. If there are none, every value is the least one, so that any bytes
/// describe something.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *byte
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// A number below `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// As many bytes as the first one says.
    pub(crate) fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    /// All bytes that are left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// A text: one that means something, any characters, or one with a length near a limit.
    pub(crate) fn text(&mut self) -> String {
        match self.below(4) {
            0 | 1 => self.pick(&TEXTS).to_owned(),
            2 => String::from_utf8_lossy(self.bytes()).into_owned(),
            _ => {
                let unit = self.pick(&["x", "é", "🎧", "\"", "\n"]);
                let count = self.pick(&[31, 32, 63, 64, 65, 127, 128, 129, 400, 4097]);
                unit.repeat(count)
            }
        }
    }

    pub(crate) fn envelope(&mut self) -> Envelope {
        Envelope {
            request_id: self.text(),
            payload: Some(self.payload()),
        }
    }

    pub(crate) fn payload(&mut self) -> Payload {
        match self.below(13) {
            0..=2 => self.relayed(),
            3 => Payload::VoiceJoinRequest(VoiceJoinRequest {
                channel_id: self.text(),
            }),
            4 => Payload::VoiceLeaveRequest(VoiceLeaveRequest {
                channel_id: self.text(),
            }),
            5 => Payload::VoiceIceServersRequest(VoiceIceServersRequest {
                channel_id: self.text(),
            }),
            6 => Payload::VoiceStateUpdate(VoiceStateUpdate {
                channel_id: self.text(),
                user_id: self.text(),
                muted: self.flag(),
                deafened: self.flag(),
            }),
            7 => Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
                channel_id: self.text(),
                user_id: self.text(),
                speaking: self.flag(),
            }),
            8 => Payload::VoiceJoinResponse(VoiceJoinResponse {
                participants: self.several(Self::participant),
                ice_servers: self.several(Self::ice_server),
                quality_warning: self.flag(),
                channel_id: self.text(),
                session_id: self.text(),
            }),
            9 => Payload::VoiceLeaveEvent(VoiceLeaveEvent {
                channel_id: self.text(),
                user_id: self.text(),
                display_name: self.text(),
                reason: self.number(),
                session_id: self.text(),
            }),
            10 => Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
                channel_id: self.text(),
                participant: self.flag().then(|| self.participant()),
            }),
            11 => Payload::VoiceError(VoiceError {
                code: self.number(),
                message: self.text(),
                channel_id: self.text(),
            }),
            _ => Payload::VoiceIceServersResponse(VoiceIceServersResponse {
                ice_servers: self.several(Self::ice_server),
                channel_id: self.text(),
            }),
        }
    }

    /// An offer, an answer or a candidate.
    pub(crate) fn relayed(&mut self) -> Payload {
        let kind = self.below(3);
        let texts = [(); 6].map(|()| self.text());
        relayed(kind, texts)
    }

    /// The number of an enum value. Mostly it has a name.
    fn number(&mut self) -> i32 {
        match self.below(4) {
            0 => self.pick(&[-1, i32::MIN, i32::MAX, 15, 77]),
            _ => i32::from(self.byte() % 16),
        }
    }

    fn several<T>(&mut self, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| one(self)).collect()
    }

    fn participant(&mut self) -> VoiceParticipant {
        VoiceParticipant {
            user_id: self.text(),
            display_name: self.text(),
            pubkey: self.text(),
            muted: self.flag(),
            deafened: self.flag(),
            session_id: self.text(),
        }
    }

    fn ice_server(&mut self) -> IceServer {
        IceServer {
            urls: self.several(Self::text),
            username: self.text(),
            credential: self.text(),
        }
    }
}

/// An offer, an answer or a candidate with these texts: target, content, channel, sender, the
/// sender's session and the target's.
pub(crate) fn relayed(kind: usize, texts: [String; 6]) -> Payload {
    let [
        target_user_id,
        content,
        channel_id,
        sender_user_id,
        sender_session_id,
        target_session_id,
    ] = texts;
    match kind {
        0 => Payload::VoiceSdpOffer(VoiceSdpOffer {
            target_user_id,
            sdp: content,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        }),
        1 => Payload::VoiceSdpAnswer(VoiceSdpAnswer {
            target_user_id,
            sdp: content,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        }),
        _ => Payload::VoiceIceCandidate(VoiceIceCandidate {
            target_user_id,
            candidate_json: content,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        }),
    }
}
