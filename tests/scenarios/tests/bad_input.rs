//! Bad input from a client is refused and has no other effect: section 2, rule 10.

use tokio_tungstenite::tungstenite::Message;
use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, expect_payload, request,
    voice::{
        VoiceError, VoiceErrorCode, VoiceIceServersResponse, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceParticipantJoinedEvent,
    },
    ws::Envelope,
};

scenarios! {
    each codec:
        undecodable_messages_are_malformed,
        messages_without_payload_are_malformed,
        unknown_payloads_are_unsupported,
        server_payloads_are_unsupported,
        messages_of_the_other_encoding_are_malformed,
        request_id_may_have_128_bytes,
        ids_have_1_to_128_bytes,
        sdp_may_have_64_kib,
        candidate_may_have_4_kib;
    once:
        limits_are_configurable,
        many_mistakes_do_not_close_the_connection,
}

/// Two participants. Ann makes mistakes, and Bob must not notice them. Each scenario ends with both
/// unchanged.
struct Mistakes {
    server: Server,
    ann: Client,
    bob: Client,
}

impl Mistakes {
    async fn in_general(kind: ServerKind, codec: Codec) -> Self {
        let server = Server::start(kind).await;
        let mut ann = Client::new(&server, "Ann", codec).await;
        let mut bob = Client::new(&server, "Bob", codec).await;
        ann.join("general").await;
        bob.join("general").await;
        ann.joined_event("general").await;
        Self { server, ann, bob }
    }

    /// Sends a frame, which must be answered by an error. Returns the request id and the error.
    async fn send(&mut self, frame: Message) -> (String, VoiceError) {
        self.ann.send_message(frame.clone()).await;
        let Envelope {
            request_id,
            payload,
        } = self.ann.next().await;
        match payload {
            Some(Payload::VoiceError(error)) => (request_id, error),
            other => panic!("{frame:?} gave {other:?}"),
        }
    }

    async fn assert_unchanged(mut self) {
        self.ann.expect_idle().await;
        self.bob.expect_idle().await;
        let both = [self.ann.as_participant(), self.bob.as_participant()];
        assert_eq!(
            self.server.participants(&self.ann.user, "general").await,
            both
        );
        self.ann
            .send(request::offer("general", &self.bob.user.id, "sdp"))
            .await;
        expect_payload!(self.bob.event().await, VoiceSdpOffer);
    }
}

fn frame(codec: Codec, protobuf: &[u8], json: &str) -> Message {
    match codec {
        Codec::Protobuf => Message::binary(protobuf.to_vec()),
        Codec::Json => Message::text(json),
    }
}

async fn undecodable_messages_are_malformed(kind: ServerKind, codec: Codec) {
    let frames = match codec {
        Codec::Protobuf => {
            let bad: [&[u8]; 8] = [
                &[0xff],
                b"{\"requestId\":\"1\"}",
                // A truncated field, in the envelope and in the join request.
                &[0x0a, 0x05, b'a'],
                &[0xa2, 0x0b, 0x04, 0x0a, 0x05, b'a', b'b'],
                // An endless varint, a request id that is not UTF-8, a request id of the wrong wire
                // type, and the end of a group that never began.
                &[0xff; 16],
                &[0x0a, 0x01, 0xff],
                &[0x08, 0x01],
                &[0x0c],
            ];
            bad.map(|bytes| Message::binary(bytes.to_vec())).to_vec()
        }
        Codec::Json => [
            "not json",
            "",
            "{",
            "[]",
            "null",
            "3",
            r#""voiceJoinRequest""#,
            r#"{"voiceJoinRequest":{"channelId":"general"}} trailing"#,
            r#"{"voiceJoinRequest":"general"}"#,
            r#"{"voiceJoinRequest":{"channelId":7}}"#,
            r#"{"requestId":7,"voiceJoinRequest":{"channelId":"general"}}"#,
            r#"{"voiceStateUpdate":{"channelId":"general","muted":"yes"}}"#,
            r#"{"voiceJoinRequest":{"channelId":"\ud800"}}"#,
        ]
        .map(Message::text)
        .to_vec(),
    };
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    for frame in frames {
        let (_, error) = mistakes.send(frame.clone()).await;
        assert_eq!(error.code(), VoiceErrorCode::Malformed, "{frame:?}");
    }
    let deep = "[".repeat(20_000);
    let (_, error) = mistakes.send(frame(codec, &[0x0b; 20_000], &deep)).await;
    assert_eq!(error.code(), VoiceErrorCode::Malformed);
    mistakes.assert_unchanged().await;
}

async fn messages_without_payload_are_malformed(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    let (id, error) = mistakes.send(frame(codec, &[], "{}")).await;
    assert_eq!((id.as_str(), error.code()), ("", VoiceErrorCode::Malformed));
    let (id, error) = mistakes
        .send(frame(codec, b"\x0a\x02r1", r#"{"requestId":"r1"}"#))
        .await;
    assert_eq!(
        (id.as_str(), error.code()),
        ("r1", VoiceErrorCode::Malformed)
    );
    mistakes.assert_unchanged().await;
}

async fn unknown_payloads_are_unsupported(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    // Fields 20, 200 and 193 of the envelope. Field 193 is the last one reserved for voice and is
    // not in use yet.
    let foreign: [(&[u8], &str); 3] = [
        (
            b"\x0a\x02r1\xa2\x01\x03\x0a\x01x",
            r#"{"requestId":"r1","chatMessage":{"text":"x"}}"#,
        ),
        (
            b"\x0a\x02r1\xc2\x0c\x00",
            r#"{"requestId":"r1","presence":null}"#,
        ),
        (
            b"\x0a\x02r1\x8a\x0c\x00",
            r#"{"requestId":"r1","voiceFromTheFuture":{}}"#,
        ),
    ];
    for (protobuf, json) in foreign {
        let (id, error) = mistakes.send(frame(codec, protobuf, json)).await;
        assert_eq!(
            (id.as_str(), error.code()),
            ("r1", VoiceErrorCode::Unsupported),
            "{json}"
        );
    }
    mistakes.assert_unchanged().await;
}

async fn server_payloads_are_unsupported(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    let channel_id = "general".to_owned();
    let only_a_server = [
        Payload::VoiceJoinResponse(VoiceJoinResponse {
            channel_id: channel_id.clone(),
            ..Default::default()
        }),
        Payload::VoiceLeaveEvent(VoiceLeaveEvent {
            channel_id: channel_id.clone(),
            user_id: mistakes.bob.user.id.clone(),
            ..Default::default()
        }),
        Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent {
            channel_id: channel_id.clone(),
            participant: None,
        }),
        Payload::VoiceError(VoiceError {
            code: 1,
            message: String::new(),
            channel_id: channel_id.clone(),
        }),
        Payload::VoiceIceServersResponse(VoiceIceServersResponse {
            channel_id,
            ice_servers: Vec::new(),
        }),
    ];
    for payload in only_a_server {
        assert_eq!(
            mistakes.ann.refused(payload.clone()).await.code(),
            VoiceErrorCode::Unsupported,
            "{payload:?}"
        );
    }
    mistakes.assert_unchanged().await;
}

async fn messages_of_the_other_encoding_are_malformed(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    let other = match codec {
        Codec::Protobuf => Codec::Json,
        Codec::Json => Codec::Protobuf,
    };
    let leave = Envelope {
        request_id: "r1".to_owned(),
        payload: Some(request::leave("general")),
    };
    // Reading the answer also checks that it has the connection's own encoding.
    let (_, error) = mistakes.send(other.encode(&leave)).await;
    assert_eq!(error.code(), VoiceErrorCode::Malformed);
    mistakes.assert_unchanged().await;
}

async fn request_id_may_have_128_bytes(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    for good in [
        "r".repeat(128),
        "é".repeat(64),
        "\u{1}\"\\ \u{7f}🎧".to_owned(),
    ] {
        mistakes
            .ann
            .send_as(&good, request::ice_servers("general"))
            .await;
        let answer = mistakes.ann.next().await;
        assert_eq!(answer.request_id, good);
        expect_payload!(
            answer.payload.expect("decoding checks that"),
            VoiceIceServersResponse
        );
    }
    for bad in [
        "r".repeat(129),
        format!("{}r", "é".repeat(64)),
        "r".repeat(60_000),
    ] {
        let leave = Envelope {
            request_id: bad,
            payload: Some(request::leave("general")),
        };
        let (id, error) = mistakes.send(codec.encode(&leave)).await;
        assert_eq!((id.as_str(), error.code()), ("", VoiceErrorCode::Malformed));
    }
    mistakes.assert_unchanged().await;
}

async fn ids_have_1_to_128_bytes(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    let ann = &mut mistakes.ann;
    for id in [
        String::new(),
        "c".repeat(129),
        format!("{}c", "é".repeat(64)),
    ] {
        let naming_a_channel = [
            request::join(&id),
            request::leave(&id),
            request::ice_servers(&id),
            request::state(&id, true, true),
            request::speaking(&id, true),
        ];
        let relayed = request::relayed(&id, "somebody", "text")
            .into_iter()
            .chain(request::relayed("general", &id, "text"));
        for payload in naming_a_channel.into_iter().chain(relayed) {
            assert_eq!(
                ann.refused(payload.clone()).await.code(),
                VoiceErrorCode::Malformed,
                "{payload:?}"
            );
        }
    }
    for id in ["c".repeat(128), "é".repeat(64), "c".to_owned()] {
        ann.refused_as(request::join(&id), VoiceErrorCode::ChannelNotFound, &id)
            .await;
        ann.refused_as(request::leave(&id), VoiceErrorCode::NotInChannel, &id)
            .await;
        for payload in request::relayed("general", &id, "text") {
            ann.refused_as(payload, VoiceErrorCode::TargetNotInChannel, "general")
                .await;
        }
    }
    mistakes.assert_unchanged().await;
}

async fn sdp_may_have_64_kib(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    let Mistakes { ann, bob, .. } = &mut mistakes;
    for sdp in ["s".repeat(65_536), "é".repeat(32_768)] {
        ann.send(request::offer("general", &bob.user.id, &sdp))
            .await;
        assert!(expect_payload!(bob.event().await, VoiceSdpOffer).sdp == sdp);
        ann.send(request::answer("general", &bob.user.id, &sdp))
            .await;
        assert!(expect_payload!(bob.event().await, VoiceSdpAnswer).sdp == sdp);
        let longer = sdp + "s";
        let too_large = VoiceErrorCode::TooLarge;
        ann.refused_as(
            request::offer("general", &bob.user.id, &longer),
            too_large,
            "general",
        )
        .await;
        ann.refused_as(
            request::answer("general", &bob.user.id, &longer),
            too_large,
            "general",
        )
        .await;
    }
    mistakes.assert_unchanged().await;
}

async fn candidate_may_have_4_kib(kind: ServerKind, codec: Codec) {
    let mut mistakes = Mistakes::in_general(kind, codec).await;
    let Mistakes { ann, bob, .. } = &mut mistakes;
    for text in ["c".repeat(4096), "é".repeat(2048)] {
        ann.send(request::candidate("general", &bob.user.id, &text))
            .await;
        assert_eq!(
            expect_payload!(bob.event().await, VoiceIceCandidate).candidate_json,
            text
        );
        let longer = request::candidate("general", &bob.user.id, &(text + "c"));
        ann.refused_as(longer, VoiceErrorCode::TooLarge, "general")
            .await;
    }
    mistakes.assert_unchanged().await;
}

async fn limits_are_configurable(kind: ServerKind) {
    let server = Server::with_config(
        kind,
        "[limits]\nmax_sdp_bytes = 10\nmax_candidate_bytes = 5\n",
    )
    .await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let mut bob = Client::new(&server, "Bob", Codec::Json).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    let too_large = VoiceErrorCode::TooLarge;
    ann.refused_as(
        request::offer("general", &bob.user.id, "12345678901"),
        too_large,
        "general",
    )
    .await;
    ann.refused_as(
        request::candidate("general", &bob.user.id, "123456"),
        too_large,
        "general",
    )
    .await;
    ann.send(request::offer("general", &bob.user.id, "1234567890"))
        .await;
    ann.send(request::candidate("general", &bob.user.id, "12345"))
        .await;
    expect_payload!(bob.event().await, VoiceSdpOffer);
    expect_payload!(bob.event().await, VoiceIceCandidate);
}

async fn many_mistakes_do_not_close_the_connection(kind: ServerKind) {
    let mut mistakes = Mistakes::in_general(kind, Codec::Protobuf).await;
    for _ in 0..150 {
        let (_, error) = mistakes.send(Message::binary(vec![0xff])).await;
        assert_eq!(error.code(), VoiceErrorCode::Malformed);
    }
    mistakes.assert_unchanged().await;
}
