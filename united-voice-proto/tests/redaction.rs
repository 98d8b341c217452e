//! `Debug` and errors never show addresses of users or credentials.

mod samples;

use samples::{CANDIDATE, SDP, envelope, payloads, turn};
use united_voice_proto::{Codec, decode, ws::envelope::Payload};

const SECRET: &str = "MARKER";

/// The sample payloads with a marker in each field that must not be shown, and how many markers
/// each has.
fn marked() -> Vec<(Payload, usize)> {
    let mark = |mut payload: Payload| {
        let mut marks = 0;
        let mut mark = |field: &mut String| {
            *field = format!("{SECRET}{field}");
            marks += 1;
        };
        match &mut payload {
            Payload::VoiceSdpOffer(offer) => mark(&mut offer.sdp),
            Payload::VoiceSdpAnswer(answer) => mark(&mut answer.sdp),
            Payload::VoiceIceCandidate(candidate) => mark(&mut candidate.candidate_json),
            Payload::VoiceJoinResponse(response) => {
                for server in &mut response.ice_servers {
                    mark(&mut server.username);
                    mark(&mut server.credential);
                }
            }
            Payload::VoiceIceServersResponse(response) => {
                for server in &mut response.ice_servers {
                    mark(&mut server.username);
                    mark(&mut server.credential);
                }
            }
            _ => {}
        }
        (payload, marks)
    };
    payloads().map(mark).into()
}

#[test]
fn debug_of_an_envelope_shows_no_secret() {
    let mut marks = 0;
    for (payload, marked) in marked() {
        marks += marked;
        let envelope = envelope("req-1", payload);
        for shown in [format!("{envelope:?}"), format!("{envelope:#?}")] {
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(!shown.contains("192.0.2.7"), "{shown}");
        }
    }
    assert_eq!(marks, 3 + 4 + 4);
}

#[test]
fn debug_shows_ids_and_lengths() {
    for payload in payloads() {
        let shown = format!("{payload:?}");
        let (name, length) = match &payload {
            Payload::VoiceSdpOffer(_) => ("VoiceSdpOffer", SDP.len()),
            Payload::VoiceSdpAnswer(_) => ("VoiceSdpAnswer", SDP.len()),
            Payload::VoiceIceCandidate(_) => ("VoiceIceCandidate", CANDIDATE.len()),
            _ => continue,
        };
        for part in [
            name,
            &format!(": <{length} bytes>"),
            r#"channel_id: "lounge""#,
            "zoë",
            "bob",
            "s-2",
            "s-3",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
    }
    let shown = format!("{:?}", turn());
    assert_eq!(
        shown,
        r#"IceServer { urls: ["turn:turn.example.org:3478?transport=udp", "turn:turn.example.org:3478?transport=tcp"], username: <15 bytes>, credential: <11 bytes> }"#
    );
}

/// Frames that break before, in or after a marker.
fn broken_frames() -> Vec<(Codec, &'static [u8])> {
    let protobuf: [&[u8]; 5] = [
        b"\xc2\x0b\x09\x12\x06MARKER",     // the offer ends too soon
        b"\xc2\x0b\x08\x12\x07MARKER",     // the sdp ends too soon
        b"\xc2\x0b\x08\x10\x06MARKER",     // the sdp as a number
        b"\xc2\x0b\x09\x12\x07MARKER\xff", // not UTF-8
        b"MARKER",
    ];
    #[cfg(feature = "json")]
    let json: [&str; 9] = [
        r#"{"voiceSdpOffer":{"sdp":"MARKER"}"#,
        r#"{"voiceSdpOffer":{"sdp":["MARKER"]}}"#,
        r#"{"voiceSdpOffer":"MARKER"}"#,
        r#"{"voiceSdpOffer":{"sdp":"MARKER","sdp":"MARKER"}}"#,
        r#"{"voiceError":{"code":["MARKER"]}}"#,
        r#"{"voiceStateUpdate":{"muted":"MARKER","userId":null}}"#,
        r#"{"MARKER":MARKER}"#,
        r#""MARKER""#,
        r#"{"MARKER":1}"#,
    ];
    let frames = protobuf.map(|frame| (Codec::Protobuf, frame)).into_iter();
    #[cfg(feature = "json")]
    let frames = frames.chain(json.map(|text| (Codec::Json, text.as_bytes())));
    frames.collect()
}

#[test]
fn errors_repeat_nothing_of_the_frame() {
    for (codec, frame) in broken_frames() {
        let error = decode(codec, frame, 1024).expect_err("broken");
        let mut shown = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            shown += &format!(" {error} {error:?}");
            source = error.source();
        }
        assert!(!shown.contains(SECRET), "{shown}");
        assert_eq!(error.request_id(), "", "{shown}");
    }
}
