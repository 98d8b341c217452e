//! Texts that a client should not send, and how they are classified.
#![cfg(feature = "json")]

mod verdict;

use united_voice_proto::Codec;
use verdict::{
    Verdict::{self, Empty, Envelope, Foreign, Malformed},
    check,
};

#[test]
fn table() {
    let table: &[(&str, Verdict<'_>)] = &[
        (r#"{}"#, Empty("")),
        (r#"{"requestId":"1"}"#, Empty("1")),
        (r#"{"request_id":"1"}"#, Empty("1")),
        (r#"{"requestId":null}"#, Empty("")),
        (r#"{"requestId":"1","voiceJoinRequest":null}"#, Empty("1")),
        (r#"{"requestId":null,"voiceError":null}"#, Empty("")),
        (r#"{"requestId":"1","chat":{"text":"x"}}"#, Foreign("1")),
        (r#"{"chat":null,"requestId":"1"}"#, Foreign("1")),
        (r#"{"requestId":null,"chat":null}"#, Foreign("")),
        (
            r#"{"requestId":"1","voiceJoinRequest":null,"chat":1}"#,
            Foreign("1"),
        ),
        (r#"{"requestId":"1","voiceJoinrequest":{}}"#, Foreign("1")),
        (r#"{"requestId":"1","voice_joinRequest":{}}"#, Foreign("1")),
        (r#"{"":1}"#, Foreign("")),
        (r#"{"voiceJoinRequest":{}}"#, Envelope),
        (" \n\t{\"voiceJoinRequest\":{}} \r\n", Envelope),
        (r#"{"chat":[1,{}],"voiceJoinRequest":{}}"#, Envelope),
        (
            r#"{"voiceError":null,"voiceJoinRequest":{"channelId":null}}"#,
            Envelope,
        ),
        // Not an object.
        ("", Malformed("")),
        (" ", Malformed("")),
        ("[]", Malformed("")),
        ("[null]", Malformed("")),
        ("3", Malformed("")),
        (r#""x""#, Malformed("")),
        ("null", Malformed("")),
        ("true", Malformed("")),
        // Not JSON.
        ("hello", Malformed("")),
        (r#"{"requestId":"1""#, Malformed("1")),
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":"x"#,
            Malformed("1"),
        ),
        (r#"{"requestId":"1"} x"#, Malformed("1")),
        (r#"{"requestId":"1"}{"requestId":"2"}"#, Malformed("1")),
        (r#"{"requestId":"1",}"#, Malformed("1")),
        (r#"{requestId:"1"}"#, Malformed("")),
        (r#"{'requestId':'1'}"#, Malformed("")),
        (
            r#"{"requestId":"1","voiceStateUpdate":{"muted":tru}}"#,
            Malformed("1"),
        ),
        ("\u{feff}{}", Malformed("")),
        // Wrong types.
        (r#"{"requestId":1,"voiceJoinRequest":{}}"#, Malformed("")),
        (
            r#"{"requestId":["1"],"voiceJoinRequest":{}}"#,
            Malformed(""),
        ),
        (r#"{"requestId":"1","voiceJoinRequest":[]}"#, Malformed("1")),
        (
            r#"{"requestId":"1","voiceJoinRequest":"lounge"}"#,
            Malformed("1"),
        ),
        (r#"{"voiceJoinRequest":7,"request_id":"1"}"#, Malformed("1")),
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":5}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":5,"x":null}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceStateUpdate":{"muted":"true"}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceStateUpdate":{"muted":1}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinResponse":{"participants":{}}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinResponse":{"participants":[null]}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceError":{"code":1.5}}"#,
            Malformed("1"),
        ),
        // The same key twice, also next to a null, which is allowed.
        (r#"{"requestId":"1","requestId":"2"}"#, Malformed("2")),
        (r#"{"requestId":"1","request_id":"2"}"#, Malformed("2")),
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":"a","channelId":"b"}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":"a","channelId":"b","x":null}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":"a","channel_id":"b"},"voiceError":null}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinRequest":{},"voiceLeaveRequest":{}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceJoinRequest":{},"voiceJoinRequest":{}}"#,
            Malformed("1"),
        ),
        // Half a surrogate pair, control characters, numbers that are too large.
        (
            r#"{"requestId":"1","voiceJoinRequest":{"channelId":"\ud800"}}"#,
            Malformed("1"),
        ),
        (r#"{"requestId":"\udc00x"}"#, Malformed("")),
        (
            "{\"requestId\":\"1\",\"voiceJoinRequest\":{\"channelId\":\"\u{1}\"}}",
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceError":{"code":99999999999999999999999}}"#,
            Malformed("1"),
        ),
        (
            r#"{"requestId":"1","voiceError":{"code":1e999}}"#,
            Malformed("1"),
        ),
        (r#"{"requestId":1e999}"#, Malformed("")),
    ];
    for (text, expected) in table {
        check(Codec::Json, text.as_bytes(), *expected);
    }
}

#[test]
fn text_that_is_not_utf8() {
    check(Codec::Json, b"{\"requestId\":\"\xff\"}", Malformed(""));
    check(
        Codec::Json,
        b"{\"requestId\":\"1\",\"\xff\":2}",
        Malformed("1"),
    );
    check(Codec::Json, b"\x0a\x017\xa2\x0b\x00", Malformed(""));
}

/// Fails if a payload was added to the .proto file and not to the names in `json.rs`.
#[test]
fn a_null_payload_of_every_name_is_empty() {
    let proto = include_str!("../proto/united/ws.proto");
    let mut seen = 0;
    for name in proto
        .split_whitespace()
        .filter(|word| word.starts_with("voice_"))
    {
        let mut camel = String::new();
        for part in name.split('_') {
            let (first, rest) = part.split_at(1);
            camel += &if camel.is_empty() {
                first.to_owned()
            } else {
                first.to_uppercase()
            };
            camel += rest;
        }
        for key in [name, &camel] {
            let text = format!(r#"{{"{key}":null,"requestId":"1"}}"#);
            check(Codec::Json, text.as_bytes(), Empty("1"));
            let text = format!(r#"{{"{key}":{{}}}}"#);
            check(Codec::Json, text.as_bytes(), Envelope);
        }
        seen += 1;
    }
    assert_eq!(seen, 13);
}

#[test]
fn deep_nesting_ends_in_an_error_and_not_the_stack() {
    let open = "[".repeat(60_000);
    let objects = r#"{"a":"#.repeat(20_000);
    for deep in [&open, &objects] {
        let text = format!(r#"{{"requestId":"1","voiceError":{{"code":{deep}"#);
        check(Codec::Json, text.as_bytes(), Malformed("1"));
        let text = format!(r#"{{"requestId":"1","voiceError":{{"channelId":null,"x":{deep}"#);
        check(Codec::Json, text.as_bytes(), Malformed("1"));
        let text = format!(r#"{{"requestId":{deep}"#);
        check(Codec::Json, text.as_bytes(), Malformed(""));
        check(Codec::Json, deep.as_bytes(), Malformed(""));
    }
    let shut = "]".repeat(60_000);
    let host = format!(r#"{{"requestId":"1","chat":{open}{shut}}}"#);
    check(Codec::Json, host.as_bytes(), Foreign("1"));
    // A text with nulls is read as a tree. The parser limits its depth.
    let nulls = format!(r#"{{"voiceJoinRequest":{{"channelId":null,"x":{open}{shut}}}}}"#);
    check(Codec::Json, nulls.as_bytes(), Malformed(""));
}
