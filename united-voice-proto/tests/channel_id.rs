//! Every message names a channel, whatever its form.

mod samples;

use samples::{envelope, payloads};
use united_voice_proto::{
    Codec, Incoming, encode_protobuf,
    ws::{Envelope, envelope::Payload},
};

#[test]
fn every_payload_names_its_channel() {
    for payload in payloads() {
        let expected = match payload {
            Payload::VoiceLeaveRequest(_) => "音声",
            _ => "lounge",
        };
        assert_eq!(payload.channel_id(), expected, "{payload:?}");
        let frame = encode_protobuf(&envelope("1", payload));
        let message = Incoming::decode(Codec::Protobuf, &frame, frame.len()).expect("an envelope");
        assert_eq!(message.channel_id(), expected, "{message:?}");
        assert_eq!(message.request_id(), "1", "{message:?}");
    }
}

#[test]
fn an_envelope_without_a_payload_names_none() {
    assert_eq!(Incoming::from(Envelope::default()).channel_id(), "");
}
