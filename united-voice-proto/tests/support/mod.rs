//! Shared by the tests of relays and events, in protobuf and in JSON.

#![allow(dead_code, reason = "each test binary uses its own part")]

use proptest::prelude::*;
use united_voice_proto::{
    RelayKind,
    ws::{Envelope, envelope::Payload},
};

/// For [`damage`] of protobuf: tags, lengths, and first bytes of longer varints and characters.
pub(crate) const TELLING: &[u8] =
    b"\x00\x01\x0a\x0b\x0c\x12\x1a\x22\x2a\x32\x3a\x7f\x80\xc2\xca\xd2\xff";

pub(crate) const SENDER: (&str, &str) = ("zoë", "0123456789abcdef-2a");

/// The parts of a relayed message that a server reads: its kind; request id, target user, channel
/// and target session; the length of the content.
pub(crate) fn route(envelope: &Envelope) -> (RelayKind, [&str; 4], usize) {
    macro_rules! route {
        ($kind:ident, $message:ident, $content:ident) => {
            (
                RelayKind::$kind,
                [
                    &envelope.request_id,
                    &$message.target_user_id,
                    &$message.channel_id,
                    &$message.target_session_id,
                ],
                $message.$content.len(),
            )
        };
    }
    match envelope.payload.as_ref().expect("decoded") {
        Payload::VoiceSdpOffer(offer) => route!(Offer, offer, sdp),
        Payload::VoiceSdpAnswer(answer) => route!(Answer, answer, sdp),
        Payload::VoiceIceCandidate(candidate) => route!(Candidate, candidate, candidate_json),
        other => panic!("not relayed: {other:?}"),
    }
}

/// The payload of the envelope with [`SENDER`] as the sender.
pub(crate) fn sent_by(envelope: &Envelope) -> Option<Payload> {
    let (user, session) = (SENDER.0.to_owned(), SENDER.1.to_owned());
    let mut payload = envelope.payload.clone()?;
    match &mut payload {
        Payload::VoiceSdpOffer(offer) => {
            (offer.sender_user_id, offer.sender_session_id) = (user, session);
        }
        Payload::VoiceSdpAnswer(answer) => {
            (answer.sender_user_id, answer.sender_session_id) = (user, session);
        }
        Payload::VoiceIceCandidate(candidate) => {
            (candidate.sender_user_id, candidate.sender_session_id) = (user, session);
        }
        _ => return None,
    }
    Some(payload)
}

/// One change to the bytes of a frame. Places count modulo the frame's length.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Set(usize, u8),
    Flip(usize, u8),
    Insert(usize, u8),
    Remove(usize),
    Cut(usize),
    Repeat(usize, usize),
}

impl Damage {
    pub(crate) fn apply(&self, frame: &mut Vec<u8>) {
        if frame.is_empty() {
            return;
        }
        let at = |place: usize| place % frame.len();
        match *self {
            Self::Set(place, byte) => {
                let place = at(place);
                frame[place] = byte;
            }
            Self::Flip(place, bit) => {
                let place = at(place);
                frame[place] ^= 1 << (bit % 8);
            }
            Self::Insert(place, byte) => frame.insert(at(place), byte),
            Self::Remove(place) => {
                frame.remove(at(place));
            }
            Self::Cut(place) => frame.truncate(at(place)),
            Self::Repeat(from, length) => {
                let from = at(from);
                let to = frame.len().min(from + length);
                let again = frame[from..to].to_vec();
                frame.extend(again);
            }
        }
    }
}

/// Damage that is mostly near the front, because tags and keys are there. `telling` are bytes that
/// have a meaning in the encoding.
pub(crate) fn damage(telling: &'static [u8]) -> impl Strategy<Value = Damage> {
    let place = prop_oneof![3 => 0..24_usize, 1 => 0..100_000_usize];
    let telling = prop::sample::select(telling);
    let byte = prop_oneof![telling, any::<u8>()];
    prop_oneof![
        (place.clone(), byte.clone()).prop_map(|(place, byte)| Damage::Set(place, byte)),
        (place.clone(), any::<u8>()).prop_map(|(place, bit)| Damage::Flip(place, bit)),
        (place.clone(), byte).prop_map(|(place, byte)| Damage::Insert(place, byte)),
        place.clone().prop_map(Damage::Remove),
        place.clone().prop_map(Damage::Cut),
        (place, 0..64_usize).prop_map(|(from, length)| Damage::Repeat(from, length)),
    ]
}

pub(crate) fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig {
        cases: config.cases.max(2_000),
        ..config
    }
}
