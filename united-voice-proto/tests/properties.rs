//! Properties of any envelope and of any bytes.

use proptest::{collection::vec, prelude::*};
use united_voice_proto::{
    Codec, DecodeError, decode, encode_protobuf, is_voice_frame,
    voice::{
        IceServer, VoiceError, VoiceIceCandidate, VoiceIceServersRequest, VoiceIceServersResponse,
        VoiceJoinRequest, VoiceJoinResponse, VoiceLeaveEvent, VoiceLeaveRequest, VoiceParticipant,
        VoiceParticipantJoinedEvent, VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent,
        VoiceStateUpdate,
    },
    ws::{Envelope, envelope::Payload},
};

const LIMIT: usize = 128 * 1024;

// Nested strategies are boxed: without a box they are too large for the stack of a test's thread.

/// Any text, control characters included.
fn text() -> BoxedStrategy<String> {
    prop_oneof![
        3 => vec(any::<char>(), 0..20).prop_map(String::from_iter),
        2 => vec(prop::sample::select("ab\r\n\t\0\"\\/{}[]:,é\u{2028}🎧".chars().collect::<Vec<_>>()), 0..60)
            .prop_map(String::from_iter),
        1 => Just(String::new()),
    ]
    .boxed()
}

fn participant() -> impl Strategy<Value = VoiceParticipant> {
    let texts = (text(), text(), text(), text());
    (texts, any::<(bool, bool)>()).prop_map(
        |((user_id, display_name, pubkey, session_id), flags)| VoiceParticipant {
            user_id,
            display_name,
            pubkey,
            muted: flags.0,
            deafened: flags.1,
            session_id,
        },
    )
}

fn ice_servers() -> impl Strategy<Value = Vec<IceServer>> {
    let server =
        (vec(text(), 0..3), text(), text()).prop_map(|(urls, username, credential)| IceServer {
            urls,
            username,
            credential,
        });
    vec(server, 0..3)
}

fn relayed() -> impl Strategy<Value = Payload> {
    let texts = (text(), text(), text(), text(), text(), text());
    (texts, 0..3).prop_map(|(texts, kind)| {
        let (
            target_user_id,
            content,
            channel_id,
            sender_user_id,
            sender_session_id,
            target_session_id,
        ) = texts;
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
    })
}

fn requests() -> impl Strategy<Value = Payload> {
    (text(), 0..3).prop_map(|(channel_id, kind)| match kind {
        0 => Payload::VoiceJoinRequest(VoiceJoinRequest { channel_id }),
        1 => Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id }),
        _ => Payload::VoiceIceServersRequest(VoiceIceServersRequest { channel_id }),
    })
}

fn events() -> impl Strategy<Value = Payload> {
    let joined = (text(), prop::option::of(participant())).prop_map(|(channel_id, participant)| {
        Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
            channel_id,
            participant,
        })
    });
    let left = (text(), text(), text(), 0..=6, text()).prop_map(
        |(channel_id, user_id, display_name, reason, session_id)| {
            Payload::VoiceLeaveEvent(VoiceLeaveEvent {
                channel_id,
                user_id,
                display_name,
                reason,
                session_id,
            })
        },
    );
    let state = (text(), text(), any::<bool>(), any::<bool>()).prop_map(
        |(channel_id, user_id, muted, deafened)| {
            Payload::VoiceStateUpdate(VoiceStateUpdate {
                channel_id,
                user_id,
                muted,
                deafened,
            })
        },
    );
    let speaking = (text(), text(), any::<bool>()).prop_map(|(channel_id, user_id, speaking)| {
        Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
            channel_id,
            user_id,
            speaking,
        })
    });
    prop_oneof![joined, left, state, speaking]
}

fn responses() -> impl Strategy<Value = Payload> {
    let join = (
        vec(participant(), 0..4),
        ice_servers(),
        any::<bool>(),
        text(),
        text(),
    )
        .prop_map(
            |(participants, ice_servers, quality_warning, channel_id, session_id)| {
                Payload::VoiceJoinResponse(VoiceJoinResponse {
                    participants,
                    ice_servers,
                    quality_warning,
                    channel_id,
                    session_id,
                })
            },
        );
    let ice = (ice_servers(), text()).prop_map(|(ice_servers, channel_id)| {
        Payload::VoiceIceServersResponse(VoiceIceServersResponse {
            ice_servers,
            channel_id,
        })
    });
    let error = (0..=14, text(), text()).prop_map(|(code, message, channel_id)| {
        Payload::VoiceError(VoiceError {
            code,
            message,
            channel_id,
        })
    });
    prop_oneof![join, ice, error]
}

fn envelope() -> BoxedStrategy<Envelope> {
    let payload = prop_oneof![
        requests().boxed(),
        relayed().boxed(),
        events().boxed(),
        responses().boxed()
    ];
    (text(), payload)
        .prop_map(|(request_id, payload)| Envelope {
            request_id,
            payload: Some(payload),
        })
        .boxed()
}

/// Fields of any number and wire type, some of them out of order or cut short.
fn fields() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![Just(1_u64), 1..30_u64, 178..202_u64, 0..(1_u64 << 30)];
    let content = prop_oneof![
        vec(any::<u8>(), 0..12),
        Just(b"\x0a\x01x".to_vec()),
        envelope().prop_map(|envelope| encode_protobuf(&envelope).to_vec()),
    ];
    let field = (number, 0..6_u64, content).prop_map(|(number, kind, content)| {
        let mut bytes = Vec::new();
        prost::encoding::encode_varint(number << 3 | kind, &mut bytes);
        if kind == 2 {
            prost::encoding::encode_varint(content.len() as u64, &mut bytes);
        }
        bytes.extend(content);
        bytes
    });
    vec(field, 0..5).prop_map(|fields| fields.concat())
}

/// A server can answer any bytes: it gets a payload, or an error with a request id it may echo.
fn check_any(codec: Codec, frame: &[u8]) {
    match decode(codec, frame, LIMIT) {
        Ok(envelope) => assert!(envelope.payload.is_some()),
        Err(error) => assert!(error.request_id().len() <= 128),
    }
}

/// The scan of the top level reads every frame that the decoder reads.
fn check_outline(frame: &[u8]) {
    let verdict = decode(Codec::Protobuf, frame, LIMIT);
    let with_a_hosts_field = [frame, b"\xa2\x01\x00"].concat();
    let then = decode(Codec::Protobuf, &with_a_hosts_field, LIMIT);
    match verdict {
        Ok(_) => {
            assert!(is_voice_frame(frame));
            assert_eq!(then, verdict);
        }
        Err(DecodeError::Empty { request_id }) => {
            assert!(!is_voice_frame(frame));
            assert_eq!(then, Err(DecodeError::Foreign { request_id }));
        }
        Err(DecodeError::Foreign { .. }) => assert_eq!(then, verdict),
        // The scan does not look inside a payload, so it need not see the damage.
        Err(_) => {}
    }
}

proptest! {
    #[test]
    fn protobuf_round_trip(envelope in envelope(), number in any::<i32>()) {
        let frame = encode_protobuf(&envelope);
        prop_assert!(is_voice_frame(&frame));
        prop_assert_eq!(decode(Codec::Protobuf, &frame, LIMIT), Ok(envelope.clone()));

        // Protobuf keeps enum values that have no name.
        let error = VoiceError { code: number, ..Default::default() };
        let envelope = Envelope { payload: Some(Payload::VoiceError(error)), ..envelope };
        let frame = encode_protobuf(&envelope);
        prop_assert_eq!(decode(Codec::Protobuf, &frame, LIMIT), Ok(envelope));
    }

    #[test]
    fn any_bytes(frame in vec(any::<u8>(), 0..200)) {
        check_any(Codec::Protobuf, &frame);
        check_outline(&frame);
        #[cfg(feature = "json")]
        check_any(Codec::Json, &frame);
    }

    #[test]
    fn any_fields(frame in fields()) {
        check_any(Codec::Protobuf, &frame);
        check_outline(&frame);
    }

    #[test]
    fn damaged_protobuf(envelope in envelope(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut frame = encode_protobuf(&envelope).to_vec();
        let at = at.index(frame.len());
        frame[at] = byte;
        check_any(Codec::Protobuf, &frame);
        check_outline(&frame);
        check_any(Codec::Protobuf, &frame[..at]);
        check_outline(&frame[..at]);
    }
}

#[cfg(feature = "json")]
proptest! {
    #[test]
    fn json_round_trip(envelope in envelope()) {
        let text = united_voice_proto::encode_json(&envelope);
        prop_assert_eq!(decode(Codec::Json, text.as_bytes(), LIMIT), Ok(envelope));
    }

    #[test]
    fn json_of_an_enum_value_without_a_name(number in any::<i32>()) {
        let error = VoiceError { code: number, message: "m".into(), channel_id: "c".into() };
        let envelope = Envelope { request_id: "1".into(), payload: Some(Payload::VoiceError(error)) };
        let text = united_voice_proto::encode_json(&envelope);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&value["requestId"], "1");
        prop_assert_eq!(&value["voiceError"]["message"], "m");
        if !(0..=14).contains(&number) {
            prop_assert_eq!(&value["voiceError"]["code"], number);
        }
        check_any(Codec::Json, text.as_bytes());
    }

    #[test]
    fn damaged_json(
        envelope in envelope(),
        at in any::<prop::sample::Index>(),
        patch in prop::sample::select(vec!["", "null", "\"", "{", "}", "[", ",", ":", "\\", "1e400", "\u{1}", "\"a\":null,"]),
    ) {
        let text = united_voice_proto::encode_json(&envelope).into_bytes();
        let at = at.index(text.len());
        let (before, after) = text.split_at(at);
        check_any(Codec::Json, &[before, patch.as_bytes(), after].concat());
        check_any(Codec::Json, &[before, patch.as_bytes(), &after[1..]].concat());
    }
}
