//! Compares the short way, which rewrites a relayed message on the wire, with the long way: decode
//! with prost, change, encode. For any frame, both ways accept it or both refuse it with the same
//! error, and the frames for the target are equal byte for byte.
//!
//! `PROPTEST_CASES=1000000 cargo test --release -p united-voice-proto --test relay_frames` tries
//! more frames.

mod support;

use proptest::{collection::vec, prelude::*};
use support::{SENDER, TELLING, config, damage, route, sent_by};
use united_voice_proto::{
    Codec, EncodedRelay, Incoming, Relay, decode, encode_protobuf,
    voice::{VoiceIceCandidate, VoiceSdpOffer},
    ws::{Envelope, envelope::Payload},
};

const LIMIT: usize = 128 * 1024;

/// Compares both ways, and says whether the short one took the frame.
fn check(frame: &[u8]) -> bool {
    check_within(frame, LIMIT)
}

fn check_within(frame: &[u8], limit: usize) -> bool {
    let slow = decode(Codec::Protobuf, frame, limit);
    let fast = Incoming::decode(Codec::Protobuf, frame, limit);
    let relay = match (&fast, &slow) {
        (Ok(Incoming::Relay(relay)), Ok(envelope)) => {
            check_texts(relay, envelope);
            let rewritten = relay.encode_from(SENDER.0, SENDER.1);
            let payload = sent_by(envelope).expect("a relayed message");
            assert_eq!(relay.to_payload(SENDER.0, SENDER.1), payload);
            let expected = encode_protobuf(&Envelope {
                request_id: String::new(),
                payload: Some(payload),
            });
            let expected = EncodedRelay::Protobuf(expected);
            assert_eq!(rewritten, expected, "{}", frame.escape_ascii());
            true
        }
        _ => false,
    };
    let fast = fast.map(Incoming::into_envelope);
    assert_eq!(fast, slow, "{}", frame.escape_ascii());
    relay
}

/// The server reads the same texts as prost.
fn check_texts(relay: &Relay<'_>, envelope: &Envelope) {
    let read = [
        relay.request_id(),
        relay.target_user_id(),
        relay.channel_id(),
        relay.target_session_id(),
    ];
    assert_eq!((relay.kind(), read, relay.content_len()), route(envelope));
}

fn varint(mut value: u64, padding: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    if padding > 0 {
        // The same number, in more bytes than it needs.
        *bytes.last_mut().expect("one byte at least") |= 0x80;
        bytes.extend([0x80].repeat(padding - 1));
        bytes.push(0);
    }
    bytes
}

fn field(number: u64, content: &[u8]) -> Vec<u8> {
    [
        varint(number << 3 | 2, 0),
        varint(content.len() as u64, 0),
        content.to_vec(),
    ]
    .concat()
}

/// Texts of any characters. Some are so long that their length takes two or three bytes.
fn text() -> BoxedStrategy<Vec<u8>> {
    let unit = prop_oneof![Just("x"), Just("é"), Just("音"), Just("🎧"), Just("\r\n")];
    prop_oneof![
        60 => vec(any::<char>(), 0..8).prop_map(|chars| String::from_iter(chars).into_bytes()),
        10 => (unit, 60..70_usize).prop_map(|(unit, count)| unit.repeat(count).into_bytes()),
        10 => Just(Vec::new()),
        1 => (16_380..16_390_usize).prop_map(|count| "x".repeat(count).into_bytes()),
    ]
    .boxed()
}

/// A text that is not empty, so that libraries write it.
fn written() -> impl Strategy<Value = Vec<u8>> {
    text().prop_map(|text| if text.is_empty() { b"x".to_vec() } else { text })
}

/// A frame as protobuf libraries write it: the fields in order, without the empty ones.
fn regular() -> impl Strategy<Value = Vec<u8>> {
    let some = || prop::option::of(written());
    let body = vec(some(), 6).prop_map(|texts| {
        let numbered = (1..).zip(texts);
        let fields = numbered.filter_map(|(number, text)| Some(field(number, &text?)));
        fields.collect::<Vec<_>>().concat()
    });
    let request_id = some();
    (184..=186_u64, body, request_id, any::<bool>()).prop_map(|(kind, body, request_id, last)| {
        let payload = field(kind, &body);
        let request_id = request_id.map_or(Vec::new(), |text| field(1, &text));
        if last {
            [payload, request_id].concat()
        } else {
            [request_id, payload].concat()
        }
    })
}

/// All fields, some of them empty, in any order and twice.
fn shuffled() -> impl Strategy<Value = Vec<u8>> {
    let order = Just(vec![1_u64, 2, 3, 4, 5, 6, 1, 3, 5]).prop_shuffle();
    (184..=186_u64, order, 0..=9_usize, vec(text(), 9)).prop_map(|(kind, order, count, texts)| {
        let fields = order[..count].iter().zip(texts);
        let body: Vec<_> = fields.map(|(number, text)| field(*number, &text)).collect();
        field(kind, &body.concat())
    })
}

/// A field of any number and wire type. Its tag and length may be padded, its length may be wrong,
/// and its content may not be text.
fn odd_field(
    numbers: BoxedStrategy<u64>,
    content: BoxedStrategy<Vec<u8>>,
) -> BoxedStrategy<Vec<u8>> {
    let kind = prop_oneof![12 => Just(2_u64), 4 => 0..8_u64];
    let padding = prop_oneof![12 => Just(0_usize), 2 => 1..4_usize, 1 => 4..11_usize];
    let lie = prop_oneof![12 => Just(0_i64), 1 => -3..4_i64, 1 => Just(i64::MAX)];
    (numbers, kind, (padding.clone(), padding), lie, content)
        .prop_map(|(number, kind, padding, lie, content)| {
            let mut bytes = varint(number << 3 | kind, padding.0);
            if kind == 2 {
                let length = (content.len() as u64).saturating_add_signed(lie);
                bytes.extend(varint(length, padding.1));
            }
            bytes.extend(&content);
            bytes
        })
        .boxed()
}

fn odd_content() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        8 => text(),
        2 => vec(any::<u8>(), 0..12),
        1 => prop::sample::select(vec![
            b"\xff".to_vec(),
            b"\xc0\x80".to_vec(),         // an overlong NUL
            b"\xed\xa0\x80".to_vec(),     // half of a surrogate pair
            b"\xf4\x90\x80\x80".to_vec(), // beyond Unicode
            b"abc\xe9".to_vec(),          // cut off
            b"\x0b\x0c".to_vec(),         // a group
        ]),
    ]
    .boxed()
}

/// Frames that are nearly relays: doubled and unknown fields, groups, wrong types, wrong lengths.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let inner = prop_oneof![20 => 1..=6_u64, 2 => 0..20_u64, 1 => 0..(1_u64 << 33)].boxed();
    let body = vec(odd_field(inner, odd_content()), 0..7).prop_map(|fields| fields.concat());
    let regular_body = vec((1..=6_u64, text()), 0..4).prop_map(|fields| {
        let fields = fields.iter().map(|(number, text)| field(*number, text));
        fields.collect::<Vec<_>>().concat()
    });
    let outer = prop_oneof![
        8 => 184..=186_u64,
        4 => Just(1_u64),
        2 => 180..=200_u64,
        1 => 0..30_u64,
        1 => 0..(1_u64 << 33),
    ]
    .boxed();
    let payload = prop_oneof![4 => body, 4 => regular_body, 1 => odd_content()].boxed();
    vec(odd_field(outer, payload), 0..4).prop_map(|fields| fields.concat())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_clients_write_is_rewritten_on_the_wire(frame in regular()) {
        prop_assert!(check(&frame) || frame.len() > LIMIT);
    }

    #[test]
    fn odd_frames(frame in odd()) {
        check(&frame);
    }

    #[test]
    fn damaged_frames(frame in regular(), damage in vec(damage(TELLING), 1..4)) {
        let mut frame = frame;
        for damage in damage {
            damage.apply(&mut frame);
            check(&frame);
        }
    }

    #[test]
    fn fields_in_any_order(frame in shuffled()) {
        check(&frame);
    }

    #[test]
    fn two_frames_in_one(first in regular(), second in regular()) {
        check(&[first, second].concat());
    }

    #[test]
    fn any_bytes(frame in vec(any::<u8>(), 0..40)) {
        check(&frame);
        check(&field(186, &frame));
    }
}

/// A candidate `{"target_user_id": "a"}` under the request id `7`.
const PLAIN: &[u8] = b"\x0a\x017\xd2\x0b\x03\x0a\x01a";

#[test]
fn which_frames_take_the_short_way() {
    let table: [(&[u8], bool); 13] = [
        (PLAIN, true),
        (b"\xd2\x0b\x03\x0a\x01a", true),
        (b"\xd2\x0b\x00", true),
        (b"\xc2\x0b\x03\x0a\x01a\x0a\x017", true), // the request id behind the offer
        (b"\xca\x0b\x06\x1a\x01c\x0a\x01a", false), // the channel before the target
        (b"\xca\x0b\x05\x0a\x01a\x1a\x00", false), // an empty channel that is written
        (b"\xd2\x0b\x83\x00\x0a\x01a", false),     // a length in two bytes instead of one
        (b"\xd2\x8b\x00\x03\x0a\x01a", false),     // a tag in three bytes
        (b"\xd2\x0b\x83\x80\x80\x00\x0a\x01a", false),
        (b"\xda\x0b\x00", false), // a state update
        (b"\x0a\x017", false),
        (b"", false),
        (b"\xd2\x0b\x03\x3a\x01a", false), // a field of a later version
    ];
    for (frame, expected) in table {
        assert_eq!(check(frame), expected, "{}", frame.escape_ascii());
    }
}

/// If one check were missing, one of these would be taken for another message.
#[test]
fn frames_that_are_left_to_prost() {
    let table: &[&[u8]] = &[
        // Doubled: prost takes the last of two texts, and merges two messages.
        b"\xd2\x0b\x06\x0a\x01a\x0a\x01b",
        b"\x0a\x017\x0a\x018\xd2\x0b\x03\x0a\x01a",
        b"\x0a\x017\xd2\x0b\x03\x0a\x01a\x0a\x018",
        b"\xd2\x0b\x03\x0a\x01a\xd2\x0b\x03\x12\x01b",
        b"\xd2\x0b\x03\x0a\x01a\xc2\x0b\x03\x12\x01b", // the last of two payloads counts
        b"\xd2\x0b\x03\x0a\x01a\xa2\x0b\x03\x0a\x01b",
        // Unknown: prost skips the field, in the envelope and in the message.
        b"\xd2\x0b\x03\x0a\x01a\xa2\x01\x01x",
        b"\xa0\x01\x07\xd2\x0b\x03\x0a\x01a",
        b"\xd2\x0b\x06\x0a\x01a\x3a\x01x",
        b"\xd2\x0b\x05\x0a\x01a\x38\x01",
        b"\xd2\x0b\x05\x0a\x01a\x3b\x3c", // a group
        // Malformed.
        b"\xd2\x0b\x02\x08\x01",           // a number for a text
        b"\xd0\x0b\x01",                   // a number for a message
        b"\xd3\x0b\xd4\x0b",               // a group for a message
        b"\x08\x01\xd2\x0b\x03\x0a\x01a",  // a number for a request id
        b"\xd2\x0b\x02\x02\x00",           // field 0
        b"\xd2\x0b\x02\x0e\x00",           // wire type 6
        b"\xd2\x0b\x02\x0a\x01a",          // the text runs out of the message
        b"\xd2\x0b\x04\x0a\x01a",          // the message runs out of the frame
        b"\xd2\x0b\x04\x0a\x01a\x0a\x017", // and into the request id
        b"\xd2\x0b\x03\x0a\x02a",
        b"\xd2\x0b\x03\x0a\x01a\x0a",
        b"\xd2\x0b\x03\x0a\x01a\xd2",
        b"\xd2\x0b\x03\x0a\x01a\x00",
        b"\xd2\x0b",
        b"\xd2",
        // Not UTF-8, also in a field that is replaced or never read.
        b"\xd2\x0b\x03\x0a\x01\xff",
        b"\xd2\x0b\x03\x12\x01\xff",
        b"\xd2\x0b\x03\x1a\x01\xff",
        b"\xd2\x0b\x03\x22\x01\xff",
        b"\xd2\x0b\x03\x2a\x01\xff",
        b"\xd2\x0b\x03\x32\x01\xff",
        b"\x0a\x01\xff\xd2\x0b\x03\x0a\x01a",
        b"\xd2\x0b\x06\x0a\x01\xff\x0a\x01a",
        // A character cut in two by a length.
        b"\xd2\x0b\x07\x0a\x01\xc3\x12\x02\xa9x",
        // Lengths in more bytes than they need, or without an end.
        b"\xd2\x0b\x04\x0a\x81\x00a",
        b"\xd2\x0b\x05\x12\x81\x80\x00a",
        b"\xd2\x0b\x0c\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a",
        b"\xd2\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\xd2\x0b\x0d\x0a\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00a",
    ];
    for frame in table {
        assert!(!check(frame), "{}", frame.escape_ascii());
    }
}

/// Around the lengths at which a varint takes one byte more.
#[test]
fn content_of_every_magnitude() {
    for border in [1 << 7, 1 << 14, 1 << 21] {
        // The message is 11 to 13 bytes longer than its content, so its own length grows sooner.
        for length in border - 14..border + 2 {
            let candidate = VoiceIceCandidate {
                target_user_id: "b".into(),
                candidate_json: "x".repeat(length),
                channel_id: "c".into(),
                ..VoiceIceCandidate::default()
            };
            let frame = encode_protobuf(&Envelope {
                request_id: String::new(),
                payload: Some(Payload::VoiceIceCandidate(candidate)),
            });
            assert!(check_within(&frame, frame.len()), "{length}");
        }
    }
}

#[test]
fn every_cut_and_every_changed_byte() {
    let candidate = VoiceIceCandidate {
        target_user_id: "bob".into(),
        candidate_json: "{\"é\":1}".into(),
        channel_id: "lounge".into(),
        sender_user_id: "mallory".into(),
        sender_session_id: "1-1".into(),
        target_session_id: "2-2".into(),
    };
    let frame = encode_protobuf(&Envelope {
        request_id: "42".into(),
        payload: Some(Payload::VoiceIceCandidate(candidate)),
    });
    assert!(check(&frame));
    for place in 0..frame.len() {
        check(&frame[..place]);
        check(&frame[place..]);
        let mut changed = frame.to_vec();
        for byte in 0..=u8::MAX {
            changed[place] = byte;
            check(&changed);
        }
    }
}

#[test]
fn the_size_is_checked_before_anything_else() {
    for limit in [0, PLAIN.len() - 1, PLAIN.len()] {
        let fast = Incoming::decode(Codec::Protobuf, PLAIN, limit).map(Incoming::into_envelope);
        assert_eq!(fast, decode(Codec::Protobuf, PLAIN, limit), "{limit}");
    }
}

#[test]
fn debug_shows_no_content() {
    let offer = VoiceSdpOffer {
        sdp: "a=ice-pwd:hunter2".into(),
        ..VoiceSdpOffer::default()
    };
    let frame = encode_protobuf(&Envelope {
        request_id: "42".into(),
        payload: Some(Payload::VoiceSdpOffer(offer)),
    });
    let shown = format!("{:?}", Incoming::decode(Codec::Protobuf, &frame, LIMIT));
    assert!(
        shown.contains("Relay") && shown.contains("17 bytes"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
    let Ok(Incoming::Relay(relay)) = Incoming::decode(Codec::Protobuf, &frame, LIMIT) else {
        panic!("an ordinary offer");
    };
    let shown = format!("{:?}", relay.encode_from("a", "b"));
    assert!(shown.starts_with("Protobuf(<"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
