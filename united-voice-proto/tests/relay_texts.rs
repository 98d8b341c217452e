//! Compares the short way, which passes a relayed message on as JSON, with the long way: decode,
//! change, encode. For any text, both ways accept it or both refuse it with the same error, and the
//! texts for the target mean the same.
//!
//! `PROPTEST_CASES=1000000 cargo test --release -p united-voice-proto --test relay_texts` tries
//! more texts.
#![cfg(feature = "json")]

mod support;

use proptest::{collection::vec, prelude::*, sample::select};
use support::{SENDER, config, damage, route, sent_by};
use united_voice_proto::{
    Codec, EncodedRelay, Incoming, Relay, decode, encode_json,
    voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
    ws::{Envelope, envelope::Payload},
};

const LIMIT: usize = 128 * 1024;

/// The punctuation of JSON, and first bytes of longer characters.
const TELLING: &[u8] = b"{}[]\",:\\/u0n \t\n\x00\x1f\x7f\x80\xc2\xed\xff";

/// Compares both ways, and gives the text for the target if the short way took the frame.
fn check(frame: &[u8]) -> Option<String> {
    let slow = decode(Codec::Json, frame, LIMIT);
    let fast = Incoming::decode(Codec::Json, frame, LIMIT);
    let told = if let Ok(Incoming::Relay(relay)) = &fast {
        let envelope = slow.as_ref().expect("what one way takes, the other does");
        let read = [
            relay.request_id(),
            relay.target_user_id(),
            relay.channel_id(),
            relay.target_session_id(),
        ];
        let seen = (relay.kind(), read, relay.content_len());
        assert_eq!(seen, route(envelope), "{}", frame.escape_ascii());
        let payload = sent_by(envelope).expect("a relayed message");
        assert_eq!(relay.to_payload(SENDER.0, SENDER.1), payload);
        let told = text_from(relay, SENDER);
        let expected = Envelope {
            request_id: String::new(),
            payload: Some(payload),
        };
        let understood = decode(Codec::Json, told.as_bytes(), LIMIT * 2);
        assert_eq!(understood, Ok(expected), "{told}");
        Some(told)
    } else {
        None
    };
    let fast = fast.map(Incoming::into_envelope);
    assert_eq!(fast, slow, "{}", frame.escape_ascii());
    if let Ok(text) = str::from_utf8(frame) {
        let as_text = Incoming::decode_text(text, LIMIT);
        let is_relay = matches!(as_text, Ok(Incoming::Relay(_)));
        assert_eq!(is_relay, told.is_some(), "{text}");
        assert_eq!(as_text.map(Incoming::into_envelope), slow, "{text}");
    }
    told
}

/// The text for the target. A relay that came in as JSON goes out as JSON.
fn text_from(relay: &Relay<'_>, sender: (&str, &str)) -> String {
    match relay.encode_from(sender.0, sender.1) {
        EncodedRelay::Json(text) => text,
        other => panic!("not JSON: {other:?}"),
    }
}

/// Text that needs no escapes.
fn plain() -> BoxedStrategy<String> {
    let char = any::<char>().prop_map(|char| match char {
        ..' ' | '"' | '\\' => 'x',
        plain => plain,
    });
    vec(char, 0..8).prop_map(String::from_iter).boxed()
}

/// Content as clients send it: lines, quotes, backslashes, and characters of all lengths.
fn content() -> BoxedStrategy<String> {
    let unit = select(vec![
        "a=mid:0\r\n",
        "\"",
        "\\",
        "\\u0041",
        "/",
        "\t\u{8}\u{c}",
        "é",
        "音",
        "🎧",
        "\u{7f}",
        "\u{2028}",
    ]);
    let long = (unit.clone(), 60..70_usize).prop_map(|(unit, count)| unit.repeat(count));
    prop_oneof![8 => vec(unit, 0..8).prop_map(|units| units.concat()), 4 => plain(), 1 => long]
        .boxed()
}

/// One relayed message. Its texts come from these strategies.
fn message(
    id: BoxedStrategy<String>,
    content: BoxedStrategy<String>,
) -> impl Strategy<Value = Envelope> {
    let ids = vec(id, 6);
    (0..3_u8, ids, content).prop_map(|(kind, ids, content)| {
        let [
            request_id,
            target_user_id,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        ] = ids.try_into().expect("six");
        macro_rules! payload {
            ($message:ident, $content:ident) => {
                Payload::$message($message {
                    target_user_id,
                    $content: content,
                    channel_id,
                    sender_user_id,
                    sender_session_id,
                    target_session_id,
                })
            };
        }
        let payload = match kind {
            0 => payload!(VoiceSdpOffer, sdp),
            1 => payload!(VoiceSdpAnswer, sdp),
            _ => payload!(VoiceIceCandidate, candidate_json),
        };
        Envelope {
            request_id,
            payload: Some(payload),
        }
    })
}

fn regular() -> impl Strategy<Value = Envelope> {
    message(plain(), content())
}

/// A value in place of a text or a message.
fn odd_value() -> BoxedStrategy<String> {
    let values = [
        "null",
        "\"\"",
        "\"x\"",
        "0",
        "true",
        "[]",
        "{}",
        "[\"x\"]",
        "{\"sdp\":\"x\"}",
        r#""\/""#,
        r#""\u0041""#,
        r#""\ud800""#,
        r#""\ud83c\udfa7""#,
        r#""\x""#,
        r#""\"#,
        "\"\u{1}\"",
        "\"\n\"",
        r#""\r\n""#,
        r#" "x" "#,
        r#""\\u0041""#,
        r#""\b\f\t\"""#,
        "nul",
        "",
    ];
    select(values.map(str::to_owned).to_vec()).boxed()
}

fn object(keys: &'static [&'static str], value: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let entry = (select(keys), value).prop_map(|(key, value)| format!("\"{key}\":{value}"));
    let wrap = select(vec![("{", "}"), (" { ", " } "), ("[", "]"), ("{", ",}")]);
    let usual = prop_oneof![9 => Just(("{", "}")), 1 => wrap];
    (vec(entry, 0..7), usual)
        .prop_map(|(entries, (open, close))| format!("{open}{}{close}", entries.join(",")))
        .boxed()
}

/// Texts that are nearly relays: names in both spellings, twice, escaped or unknown, and values of
/// other types.
fn odd() -> impl Strategy<Value = String> {
    let text = prop_oneof![6 => plain().prop_map(|text| format!("\"{text}\"")), 1 => odd_value()];
    let inner = object(
        &[
            "targetUserId",
            "target_user_id",
            "sdp",
            "sdp",
            "candidateJson",
            "candidate_json",
            "channelId",
            "senderUserId",
            "senderSessionId",
            "targetSessionId",
            "target_session_id",
            r"s\u0064p",
            "x",
            "",
        ],
        text.boxed(),
    );
    let outer = prop_oneof![8 => inner, 1 => odd_value()];
    object(
        &[
            "requestId",
            "request_id",
            "voiceSdpOffer",
            "voiceSdpOffer",
            "voiceSdpAnswer",
            "voiceIceCandidate",
            "voice_ice_candidate",
            r"voiceSdp\u004fffer",
            "voiceJoinRequest",
            "hostMessage",
        ],
        outer.boxed(),
    )
}

proptest! {
    #![proptest_config(config())]

    /// The text for the target is byte for byte the one of the long way.
    #[test]
    fn what_clients_write_is_passed_on(envelope in regular()) {
        let text = encode_json(&envelope);
        let expected = encode_json(&Envelope {
            request_id: String::new(),
            payload: sent_by(&envelope),
        });
        let escaped = text.contains("\\u");
        match check(text.as_bytes()) {
            Some(told) => prop_assert_eq!(told, expected),
            None => prop_assert!(escaped, "{}", text),
        }
    }

    #[test]
    fn any_text_in_any_place(envelope in message(any::<String>().boxed(), any::<String>().boxed())) {
        check(encode_json(&envelope).as_bytes());
    }

    #[test]
    fn odd_texts(text in odd()) {
        check(text.as_bytes());
    }

    #[test]
    fn odd_content(value in odd_value(), ids in vec(odd_value(), 2)) {
        let [target, channel] = &ids[..] else { unreachable!() };
        check(format!(
            r#"{{"voiceSdpOffer":{{"targetUserId":{target},"sdp":{value},"channelId":{channel}}}}}"#
        ).as_bytes());
    }

    #[test]
    fn damaged_texts(envelope in regular(), damage in vec(damage(TELLING), 1..4)) {
        let mut frame = encode_json(&envelope).into_bytes();
        for damage in damage {
            damage.apply(&mut frame);
            check(&frame);
        }
    }
}

/// The text that `JSON.stringify` writes of a minimal offer, and the text that its target gets.
#[test]
fn a_browsers_offer() {
    let frame = r#"{"requestId":"7","voiceSdpOffer":{"channelId":"general","targetUserId":"u","sdp":"v=0\r\no=- \"é\"\/"}}"#;
    let told = check(frame.as_bytes()).expect("an ordinary offer");
    assert_eq!(
        told,
        r#"{"requestId":"","voiceSdpOffer":{"targetUserId":"u","sdp":"v=0\r\no=- \"é\"\/","channelId":"general","senderUserId":"zoë","senderSessionId":"0123456789abcdef-2a","targetSessionId":""}}"#
    );
}

/// Both ways accept the same escapes and the same plain characters, in every place for a text.
#[test]
fn every_escape_and_every_character() {
    let mut taken = 0;
    for char in '\0'..='\u{7f}' {
        for text in [format!("a\\{char}x"), format!("a{char}x")] {
            for frame in [
                format!(r#"{{"voiceSdpOffer":{{"sdp":"{text}"}}}}"#),
                format!(r#"{{"voiceSdpOffer":{{"targetUserId":"{text}"}}}}"#),
                format!(r#"{{"voiceSdpOffer":{{"{text}":""}}}}"#),
                format!(r#"{{"requestId":"{text}","voiceSdpOffer":{{}}}}"#),
            ] {
                taken += usize::from(check(frame.as_bytes()).is_some());
            }
        }
    }
    // Of 128 characters, 32 are controls, one ends a text and one begins an escape. Eight may
    // follow a backslash, and only in the content.
    assert_eq!(taken, 3 * (128 - 32 - 2) + 8);
}

#[test]
fn a_sender_is_escaped() {
    let frame = br#"{"voiceIceCandidate":{"candidateJson":""}}"#;
    let Ok(Incoming::Relay(relay)) = Incoming::decode(Codec::Json, frame, LIMIT) else {
        panic!("an ordinary candidate");
    };
    let told = text_from(&relay, ("a\"\\\n", "\""));
    let envelope = decode(Codec::Json, told.as_bytes(), LIMIT).expect("JSON");
    let Some(Payload::VoiceIceCandidate(candidate)) = envelope.payload else {
        panic!("{told}");
    };
    assert_eq!(candidate.sender_user_id, "a\"\\\n");
    assert_eq!(candidate.sender_session_id, "\"");
}

#[test]
fn the_limit_comes_first() {
    let frame = br#"{"voiceIceCandidate":{"candidateJson":"x"}}"#;
    for limit in [0, frame.len() - 1, frame.len()] {
        let text = str::from_utf8(frame).expect("text");
        for fast in [
            Incoming::decode(Codec::Json, frame, limit),
            Incoming::decode_text(text, limit),
        ] {
            let slow = decode(Codec::Json, frame, limit);
            assert_eq!(fast.map(Incoming::into_envelope), slow);
        }
    }
}

#[test]
fn content_is_not_shown() {
    let frame = br#"{"voiceIceCandidate":{"candidateJson":"192.0.2.1"}}"#;
    let incoming = Incoming::decode(Codec::Json, frame, LIMIT).expect("a candidate");
    let Incoming::Relay(relay) = &incoming else {
        panic!("an ordinary candidate");
    };
    let told = format!("{:?}", relay.encode_from("a", "b"));
    assert!(
        told.starts_with("Json(<") && !told.contains("192"),
        "{told}"
    );
    let shown = format!("{incoming:?}");
    assert!(
        shown.contains("9 bytes") && !shown.contains("192"),
        "{shown}"
    );
}
