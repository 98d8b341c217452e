//! The bytes and the JSON are the same as another implementation writes: Google's Python protobuf
//! 7.36.2, with the protoc of grpcio-tools 1.85.1. `golden/generate.py` made the fixtures and says
//! how.

mod fixtures;
mod samples;

use std::fmt::Write;

use fixtures::{envelopes, expected, messages};
use prost::Message;
use samples::{envelope, payloads, turn, zoe};
use united_voice_proto::{
    Codec, decode, encode_protobuf,
    voice::{
        VoiceError, VoiceIceCandidate, VoiceIceServersRequest, VoiceIceServersResponse,
        VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveEvent, VoiceLeaveRequest,
        VoiceParticipantJoinedEvent, VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent,
        VoiceStateUpdate,
    },
    ws::envelope::Payload,
};

const LIMIT: usize = 128 * 1024;

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn every_fixture_is_expected_and_the_other_way_round() {
    let fixtures: Vec<_> = envelopes("hex").into_keys().collect();
    let expected: Vec<_> = expected().into_keys().collect();
    assert_eq!(fixtures, expected);
}

#[test]
fn protobuf_both_ways() {
    let fixtures = envelopes("hex");
    for (name, envelope) in expected() {
        let hex = fixtures[&name].as_str().unwrap();
        assert_eq!(to_hex(&encode_protobuf(&envelope)), hex, "{name}");
        let decoded = decode(Codec::Protobuf, &from_hex(hex), LIMIT);
        assert_eq!(decoded, Ok(envelope), "{name}");
    }
}

#[test]
fn messages_on_their_own() {
    let fixtures = messages("hex");
    let mut seen = 0;
    let mut check = |name: &str, bytes: Vec<u8>| {
        assert_eq!(to_hex(&bytes), fixtures[name], "{name}");
        seen += 1;
    };
    check("VoiceParticipant", zoe().encode_to_vec());
    check("IceServer", turn().encode_to_vec());
    for payload in payloads() {
        macro_rules! check_payload {
            ($($variant:ident)*) => {
                match payload {
                    $(Payload::$variant(message) => {
                        check(stringify!($variant), message.encode_to_vec());
                        let bytes = from_hex(fixtures[stringify!($variant)].as_str().unwrap());
                        assert_eq!($variant::decode(&bytes[..]), Ok(message));
                    })*
                }
            };
        }
        check_payload! {
            VoiceJoinRequest VoiceJoinResponse VoiceLeaveRequest VoiceLeaveEvent VoiceSdpOffer VoiceSdpAnswer
            VoiceIceCandidate VoiceStateUpdate VoiceSpeakingEvent VoiceParticipantJoinedEvent VoiceError
            VoiceIceServersRequest VoiceIceServersResponse
        }
    }
    assert_eq!(seen, fixtures.len());
}

#[test]
fn fields_unknown_to_a_payload_are_ignored_in_protobuf() {
    // A VoiceJoinRequest with field 99 (a varint), channel_id "x", and fields 98 (a text) and 97
    // (a group).
    let payload = b"\x98\x06\x2a\x0a\x01x\x92\x06\x02hi\x8b\x06\x8c\x06";
    let mut frame = vec![
        0x0a,
        1,
        b'7',
        0xa2,
        0x0b,
        u8::try_from(payload.len()).unwrap(),
    ];
    frame.extend(payload);
    let join = Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: "x".into(),
    });
    let expected = envelope("7", join);
    assert_eq!(decode(Codec::Protobuf, &frame, LIMIT), Ok(expected.clone()));

    // The same with a host's field 20 next to the payload.
    frame.extend(b"\xa2\x01\x02hi");
    assert_eq!(decode(Codec::Protobuf, &frame, LIMIT), Ok(expected));
}

#[test]
fn the_last_of_several_payloads_counts_in_protobuf() {
    let frame = b"\xb2\x0b\x03\x0a\x01a\xa2\x0b\x03\x0a\x01b";
    let join = Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: "b".into(),
    });
    assert_eq!(
        decode(Codec::Protobuf, frame, LIMIT),
        Ok(envelope("", join))
    );
}
