//! Frames that a client should not send, and how they are classified.

mod verdict;

use united_voice_proto::{Codec, DecodeError, decode, is_voice_frame};
use verdict::{
    LIMIT,
    Verdict::{self, Empty, Envelope, Foreign, Malformed},
    check,
};

/// A length-delimited field.
fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_varint(u64::from(number << 3 | 2), &mut bytes);
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

#[test]
fn protobuf() {
    let table: &[(&[u8], Verdict<'_>)] = &[
        // Empty: nothing at all, or only request ids.
        (b"", Empty("")),
        (b"\x0a\x00", Empty("")),
        (b"\x0a\x017", Empty("7")),
        (b"\x0a\x017\x0a\x018", Empty("8")),
        // Foreign: any other field, in any wire type.
        (b"\x0a\x017\xa2\x01\x02hi", Foreign("7")),
        (b"\xa2\x01\x02hi\x0a\x017", Foreign("7")),
        (b"\xa0\x01\x01", Foreign("")),
        (b"\xa5\x01abcd", Foreign("")),
        (b"\xa1\x01abcdefgh", Foreign("")),
        (
            b"\x0a\x017\xa3\x01\x0a\x01x\xab\x01\xac\x01\xa4\x01",
            Foreign("7"),
        ),
        (b"\x9a\x0c\x00", Foreign("")), // 195, not in use yet
        (b"\xfa\xff\xff\xff\x0f\x00", Foreign("")), // the highest field number
        // An empty payload is a payload.
        (b"\xa2\x0b\x00", Envelope),
        (b"\xa2\x01\x02hi\xa2\x0b\x00", Envelope),
        // Malformed, with the request id that came before the damage.
        (b"\x0a", Malformed("")),
        (b"\x0a\x05hi", Malformed("")),
        (b"\x0a\x017\xa2\x0b\x05\x0a", Malformed("7")),
        (b"\x0a\x017\xa2\x0b", Malformed("7")),
        (b"\x0a\x017\xff", Malformed("7")),
        (b"\x0a\x017\x0a\x018\xff", Malformed("8")),
        (b"\x0a\x017\x00", Malformed("7")),     // field number 0
        (b"\x0a\x017\x0e", Malformed("7")),     // wire type 6
        (b"\x0a\x017\x0f", Malformed("7")),     // wire type 7
        (b"\x0a\x017\xa4\x01", Malformed("7")), // the end of a group that never began
        (b"\x0a\x017\xa3\x01\x0a\x01x", Malformed("7")), // a group without an end
        (b"\x08\x07", Malformed("")),           // a number for a request id
        (b"\x0a\x01\xff", Malformed("")),       // a request id that is not UTF-8
        (b"\x0a\x017\x0a\x01\xff", Malformed("7")),
        // Malformed inside a payload, with the request id that comes after the damage.
        (b"\xa2\x0b\x01\xff\x0a\x017", Malformed("7")),
        (b"\xa2\x0b\x03\x0a\x01\xff\x0a\x017", Malformed("7")),
        (b"\xa0\x0b\x01\x0a\x017", Malformed("7")), // a payload as a number
        // Varints without an end, and lengths far beyond the frame.
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            Malformed(""),
        ),
        (
            b"\x0a\x017\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            Malformed("7"),
        ),
        (b"\x0a\x017\x12\xff\xff\xff\xff\x07", Malformed("7")),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", Malformed("")),
        // JSON, and no encoding at all.
        (br#"{"requestId":"1","voiceJoinRequest":{}}"#, Malformed("")),
        (b"\n\xffnot protobuf", Malformed("")),
    ];
    for (frame, expected) in table {
        check(Codec::Protobuf, frame, *expected);
    }
}

#[test]
fn deep_groups_end_in_an_error_and_not_the_stack() {
    let mut frame = field(1, b"7");
    frame.extend([0x23].repeat(60_000));
    frame.extend([0x24].repeat(60_000));
    check(Codec::Protobuf, &frame, Malformed("7"));
    let mut inside = field(1, b"7");
    inside.extend(field(180, &[0x23].repeat(60_000)));
    check(Codec::Protobuf, &inside, Malformed("7"));
}

#[test]
fn a_request_id_over_128_bytes_is_not_echoed() {
    let longest = "é".repeat(64);
    let longer = format!("{longest}x");
    for (request_id, echoed) in [(&longest, longest.as_str()), (&longer, "")] {
        // The answer to a host's payload needs a valid request id.
        let foreign = if echoed.is_empty() {
            Malformed("")
        } else {
            Foreign(echoed)
        };
        let start = field(1, request_id.as_bytes());
        let protobuf = |rest: &[u8], expected| {
            check(Codec::Protobuf, &[&start, rest].concat(), expected);
        };
        protobuf(b"", Empty(echoed));
        protobuf(b"\xa2\x01\x00", foreign);
        protobuf(b"\xff", Malformed(echoed));
        protobuf(b"\xa2\x0b\x00", Envelope);
        #[cfg(feature = "json")]
        {
            let json = |rest: &str, expected| {
                let text = format!(r#"{{"requestId":"{request_id}"{rest}"#);
                check(Codec::Json, text.as_bytes(), expected);
            };
            json("}", Empty(echoed));
            json(r#","chat":1}"#, foreign);
            json("", Malformed(echoed));
            json(r#","voiceJoinRequest":{}}"#, Envelope);
        }
    }
    // A decoded envelope keeps the id, and the server refuses it.
    let frame = [field(1, longer.as_bytes()), field(180, b"")].concat();
    let envelope = decode(Codec::Protobuf, &frame, LIMIT).unwrap();
    assert_eq!(envelope.request_id, longer);
}

#[test]
fn the_size_is_checked_first() {
    let frame = field(1, b"7");
    let codecs = [
        Codec::Protobuf,
        #[cfg(feature = "json")]
        Codec::Json,
    ];
    for codec in codecs {
        let error = decode(codec, &frame, 2).unwrap_err();
        assert_eq!(error, DecodeError::TooLarge { size: 3, limit: 2 });
        assert_eq!(error.request_id(), "");
        assert_eq!(error.to_string(), "frame of 3 bytes is over the limit of 2");
    }
    check(Codec::Protobuf, &frame, Empty("7"));
    let exact = decode(Codec::Protobuf, &frame, 3).unwrap_err();
    assert_eq!(exact.request_id(), "7");
}

#[test]
fn voice_frames_are_told_from_a_hosts() {
    for number in 180..=199 {
        assert!(is_voice_frame(&field(number, b"")), "{number}");
        let with_id = [field(1, b"7"), field(number, b"\xff")].concat();
        assert!(is_voice_frame(&with_id), "{number}");
        let in_a_host = field(20, &field(number, b""));
        assert!(!is_voice_frame(&in_a_host), "{number} inside another");
    }
    for number in [1, 2, 20, 179, 200, 1000, (1 << 29) - 1] {
        assert!(!is_voice_frame(&field(number, b"")), "{number}");
    }
    let voice = [field(1, b"7"), field(184, b"abc")].concat();
    for length in 0..voice.len() {
        assert!(!is_voice_frame(&voice[..length]), "cut to {length}");
    }
    let garbage: [&[u8]; 4] = [b"", b"\x00", b"\xa2\x0b\x00\xff", b"hello"];
    for frame in garbage {
        assert!(!is_voice_frame(frame), "{}", frame.escape_ascii());
    }
    let voice = field(180, b"");
    let beside: [(&[u8], bool); 8] = [
        (b"\x11abcdefgh", true),
        (b"\x15abcd", true),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", true),
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", false), // over 64 bits
        (b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", false),
        (b"\x02\x00", false),                 // field number 0
        (b"\x82\x80\x80\x80\x10\x00", false), // one above the highest field number
        (b"\x14", false),                     // the end of a group that never began
    ];
    for (other, expected) in beside {
        for frame in [[other, &voice].concat(), [&voice, other].concat()] {
            assert_eq!(is_voice_frame(&frame), expected, "{}", frame.escape_ascii());
        }
    }
    // A field inside a group is not at the top level, however deep the group is.
    let group = [
        [0x23].repeat(60_000),
        field(180, b""),
        [0x24].repeat(60_000),
    ]
    .concat();
    assert!(!is_voice_frame(&group));
    assert!(is_voice_frame(&[group, field(180, b"")].concat()));
}

#[test]
fn subprotocols() {
    assert_eq!(Codec::Protobuf.subprotocol(), "united.voice.v1.proto");
    let name = Codec::Protobuf.subprotocol();
    assert_eq!(Codec::from_subprotocol(name), Some(Codec::Protobuf));
    for unknown in [
        "",
        "united.voice.v1",
        "United.Voice.v1.proto",
        " united.voice.v1.proto",
    ] {
        assert_eq!(Codec::from_subprotocol(unknown), None, "{unknown}");
    }
    assert_eq!(Codec::select([]), None);
    assert_eq!(Codec::select(["chat", "mqtt"]), None);
    assert_eq!(Codec::select(["chat", name]), Some(Codec::Protobuf));
    #[cfg(feature = "json")]
    {
        let json = "united.voice.v1.json";
        assert_eq!(Codec::Json.subprotocol(), json);
        assert_eq!(Codec::select(["x", json, name]), Some(Codec::Json));
        assert_eq!(Codec::select([name, json]), Some(Codec::Protobuf));
    }
    #[cfg(not(feature = "json"))]
    assert_eq!(
        Codec::select(["united.voice.v1.json", name]),
        Some(Codec::Protobuf)
    );
}
