//! The choice between protobuf and JSON: section 1.

use futures::StreamExt;
use prost::Message as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use united_voice_scenarios::{
    Client, Codec, Handshake, Server, ServerKind, Socket, User, expect_payload, from_json, request,
    soon,
    voice::{VoiceError, VoiceErrorCode},
    ws::Envelope,
};

scenarios! {
    each codec:
        first_message_selects_the_codec,
        undecodable_first_message_selects_the_codec,
        unknown_fields_are_ignored;
    once:
        first_known_subprotocol_wins,
        subprotocol_takes_precedence_over_the_first_message,
        json_accepts_camel_case_and_snake_case,
        json_fields_with_default_values_are_optional,
        server_json_has_every_field,
}

const PROTOBUF: &str = Codec::Protobuf.subprotocol();
const JSON: &str = Codec::Json.subprotocol();

async fn open(server: &Server, user: &User, subprotocols: &[&str]) -> (Socket, Option<String>) {
    let handshake = Handshake {
        bearer: Some(&user.token),
        subprotocols,
        ..Handshake::default()
    };
    handshake
        .open(server.address())
        .await
        .expect("the server upgrades")
}

async fn next(socket: &mut Socket) -> Message {
    soon("a message", socket.next())
        .await
        .expect("the connection is open")
        .expect("a message")
}

async fn first_known_subprotocol_wins(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let table: [(&[&str], Option<&str>); 11] = [
        (&[], None),
        (&[PROTOBUF], Some(PROTOBUF)),
        (&[JSON], Some(JSON)),
        (&[PROTOBUF, JSON], Some(PROTOBUF)),
        (&[JSON, PROTOBUF], Some(JSON)),
        (&["graphql-ws", JSON], Some(JSON)),
        (&["graphql-ws", PROTOBUF, "mqtt", JSON], Some(PROTOBUF)),
        (&["graphql-ws"], None),
        (&["united.voice.v2.proto"], None),
        (&["united.voice.v1"], None),
        (&["united.voice.v1.jsonx", "x.united.voice.v1.json"], None),
    ];
    for (offered, expected) in table {
        let (socket, chosen) = open(&server, &user, offered).await;
        assert_eq!(chosen.as_deref(), expected, "{offered:?}");
        let codec = if expected == Some(JSON) {
            Codec::Json
        } else {
            Codec::Protobuf
        };
        Client::over(socket, &user, codec).expect_idle().await;
    }
}

async fn first_message_selects_the_codec(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    for offered in [&[][..], &["graphql-ws"]] {
        let (socket, _) = open(&server, &user, offered).await;
        let mut client = Client::over(socket, &user, codec);
        client.join("general").await;
        later_message_of_the_other_encoding_is_malformed(&mut client).await;
        client.leave("general").await;
    }
}

async fn later_message_of_the_other_encoding_is_malformed(client: &mut Client) {
    let leave = Envelope {
        request_id: "other".to_owned(),
        payload: Some(request::leave("general")),
    };
    let other = if client.codec() == Codec::Json {
        Codec::Protobuf
    } else {
        Codec::Json
    };
    client.send_message(other.encode(&leave)).await;
    let answer = client.next().await.payload.expect("decoding checks that");
    assert_eq!(
        expect_payload!(answer, VoiceError).code(),
        VoiceErrorCode::Malformed
    );
    client.expect_idle().await;
}

async fn undecodable_first_message_selects_the_codec(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let (socket, _) = open(&server, &user, &[]).await;
    let mut client = Client::over(socket, &user, codec);
    let garbage = match codec {
        Codec::Protobuf => Message::binary(vec![0xff, 0xff]),
        Codec::Json => Message::text("garbage"),
    };
    client.send_message(garbage).await;
    let error: VoiceError = expect_payload!(client.event().await, VoiceError);
    assert_eq!(error.code(), VoiceErrorCode::Malformed);
    later_message_of_the_other_encoding_is_malformed(&mut client).await;
    client.join("general").await;
}

async fn subprotocol_takes_precedence_over_the_first_message(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let join = Envelope {
        request_id: "first".to_owned(),
        payload: Some(request::join("general")),
    };
    for (codec, other) in [
        (Codec::Protobuf, Codec::Json),
        (Codec::Json, Codec::Protobuf),
    ] {
        let mut client = Client::connect(&server, &user, codec).await;
        client.send_message(other.encode(&join)).await;
        let answer = client.next().await.payload.expect("decoding checks that");
        assert_eq!(
            expect_payload!(answer, VoiceError).code(),
            VoiceErrorCode::Malformed
        );
        client.expect_idle().await;
    }
    assert_eq!(server.roster(&user, "general").await, [""; 0]);
}

async fn unknown_fields_are_ignored(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let frame = match codec {
        Codec::Json => Message::text(
            json!({ "requestId": "r", "voiceJoinRequest":
                { "channelId": "general", "video": true, "extra": { "channelId": ["lounge", null, 1.5e9] } } })
            .to_string(),
        ),
        Codec::Protobuf => {
            // A join request with these unknown fields: 15 as a varint, 16 as 64 bits, 17 as bytes
            // and 18 as 32 bits.
            let mut join = b"\x0a\x07general\x78\x01".to_vec();
            join.extend(b"\x81\x01\x01\x02\x03\x04\x05\x06\x07\x08\x8a\x01\x02\xff\xfe\x95\x01\x01\x02\x03\x04");
            let mut envelope = b"\x0a\x01r\xa2\x0b".to_vec();
            envelope.push(u8::try_from(join.len()).expect("it is short"));
            envelope.extend(join);
            Message::binary(envelope)
        }
    };
    ann.send_message(frame).await;
    let answer = ann.next().await;
    assert_eq!(answer.request_id, "r");
    let response = expect_payload!(
        answer.payload.expect("decoding checks that"),
        VoiceJoinResponse
    );
    assert_eq!(response.channel_id, "general");
}

async fn json_accepts_camel_case_and_snake_case(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let mut bob = Client::new(&server, "Bob", Codec::Json).await;
    bob.join("general").await;
    let join = json!({ "request_id": "r", "voice_join_request": { "channel_id": "general" } });
    ann.send_message(Message::text(join.to_string())).await;
    let answer = ann.next().await;
    assert_eq!(answer.request_id, "r");
    let session = expect_payload!(
        answer.payload.expect("decoding checks that"),
        VoiceJoinResponse
    )
    .session_id;
    bob.joined_event("general").await;
    let candidate = json!({ "voiceIceCandidate": {
        "target_user_id": bob.user.id, "candidate_json": "{}", "channelId": "general", "targetSessionId": bob.session,
        "sender_user_id": "somebody else",
    } });
    ann.send_message(Message::text(candidate.to_string())).await;
    let seen = expect_payload!(bob.event().await, VoiceIceCandidate);
    assert_eq!(
        (seen.candidate_json.as_str(), seen.sender_session_id),
        ("{}", session)
    );
}

async fn json_fields_with_default_values_are_optional(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    ann.join("general").await;
    ann.set_state("general", true, true).await;
    let updates = [
        json!({ "requestId": "r", "voiceStateUpdate": { "channelId": "general" } }),
        json!({ "requestId": "r", "voiceStateUpdate":
            { "channelId": "general", "muted": null, "deafened": null, "userId": null } }),
    ];
    for update in updates {
        ann.send_message(Message::text(update.to_string())).await;
        let answer = ann.next().await;
        assert_eq!(answer.request_id, "r");
        let state = expect_payload!(
            answer.payload.expect("decoding checks that"),
            VoiceStateUpdate
        );
        assert_eq!((state.muted, state.deafened), (false, false));
    }
}

/// The other scenarios also read JSON strictly. This one shows a whole exchange as text.
async fn server_json_has_every_field(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let (mut socket, _) = open(&server, &user, &[JSON]).await;
    let join = r#"{"requestId":"r","voiceJoinRequest":{"channelId":"general"}}"#;
    futures::SinkExt::send(&mut socket, Message::text(join))
        .await
        .expect("the connection is open");
    let Message::Text(text) = next(&mut socket).await else {
        panic!("JSON is text")
    };
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let session = value["voiceJoinResponse"]["sessionId"].clone();
    let expected = json!({
        "requestId": "r",
        "voiceJoinResponse": {
            "participants": [],
            "iceServers": [{ "urls": ["stun:stun.l.google.com:19302"], "username": "", "credential": "" }],
            "qualityWarning": false,
            "channelId": "general",
            "sessionId": session,
        },
    });
    assert_eq!(value, expected);
    let envelope = from_json(value);
    let again = Envelope::decode(envelope.encode_to_vec().as_slice()).expect("an envelope");
    assert_eq!(again, envelope);

    let leave = r#"{"requestId":"l","voiceLeaveRequest":{"channelId":"general"}}"#;
    futures::SinkExt::send(&mut socket, Message::text(leave))
        .await
        .expect("the connection is open");
    let Message::Text(text) = next(&mut socket).await else {
        panic!("JSON is text")
    };
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        value,
        json!({ "requestId": "l", "voiceLeaveEvent": {
        "channelId": "general", "userId": user.id, "displayName": "Ann",
        "reason": "VOICE_LEAVE_REASON_LEFT", "sessionId": session,
    } })
    );
}
