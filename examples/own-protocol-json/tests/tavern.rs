//! Chat and voice over one socket, from outside.

mod client;

use client::{Running, candidate, description};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{self, Message},
};
use united_voice_core::Limits;

#[tokio::test]
async fn chat_and_a_call_share_a_socket() {
    let server = Running::start(Limits::default());
    let (mut alice, mut bob) = server.alice_and_bob().await;

    bob.chat("can you hear me?").await;
    let line = ("bob".to_owned(), "can you hear me?".to_owned());
    assert_eq!(alice.line().await, line);
    assert_eq!(bob.line().await, line);

    let offer = description("alice", "v=0\r\n\"offer\"");
    bob.voice("", "voiceSdpOffer", offer).await;
    let offer = alice.told("voiceSdpOffer").await;
    assert_eq!(offer["senderUserId"], "bob");
    assert_eq!(offer["sdp"], "v=0\r\n\"offer\"");

    let mut answer = description("bob", "v=0\r\nanswer");
    answer["targetSessionId"] = offer["senderSessionId"].clone();
    alice.voice("", "voiceSdpAnswer", answer).await;
    let null = candidate("bob", "null");
    alice.voice("", "voiceIceCandidate", null).await;
    assert_eq!(bob.told("voiceSdpAnswer").await["sdp"], "v=0\r\nanswer");
    let candidate = bob.told("voiceIceCandidate").await;
    assert_eq!(candidate["candidateJson"], "null");

    let muted = json!({"channelId": "lounge", "muted": true});
    bob.voice("m", "voiceStateUpdate", muted).await;
    assert_eq!(bob.answer("m", "voiceStateUpdate").await["muted"], true);
    assert_eq!(alice.told("voiceStateUpdate").await["userId"], "bob");

    let lounge = json!({"channelId": "lounge"});
    bob.voice("l", "voiceLeaveRequest", lounge).await;
    let left = bob.answer("l", "voiceLeaveEvent").await;
    assert_eq!(left["reason"], "VOICE_LEAVE_REASON_LEFT");
    assert_eq!(alice.told("voiceLeaveEvent").await["userId"], "bob");
    bob.chat("still here").await;
    assert_eq!(alice.line().await.1, "still here");
}

#[tokio::test]
async fn bad_messages_are_answered_with_their_request_id_and_disturb_nobody() {
    let server = Running::start(Limits::default());
    let (mut alice, mut bob) = server.alice_and_bob().await;
    let no_channel =
        r#"{"type":"voice","requestId":"1","voiceJoinRequest":{"channelId":"cellar"}}"#;
    let wrong_type = r#"{"type":"voice","requestId":"2","voiceJoinRequest":{"channelId":5}}"#;
    let two = r#"{"type":"voice","requestId":"3","voiceJoinRequest":{},"voiceLeaveRequest":{}}"#;
    let no_payload = r#"{"type":"voice","requestId":"4"}"#;
    let not_a_clients = r#"{"type":"voice","requestId":"5","voiceError":{}}"#;
    let cut_off = r#"{"type":"voice","requestId":"6","voiceJoinRequest":{"channelId":"#;
    let unknown_type = r#"{"type":"song","requestId":"7"}"#;
    let bad_line = r#"{"type":"chat","requestId":"8","text":8}"#;
    let not_here = r#"{"type":"voice","requestId":"9","voiceLeaveRequest":{"channelId":"cellar"}}"#;
    let unknown = r#"{"type":"voice","requestId":"10","voiceSong":{}}"#;
    for (text, id, code) in [
        (no_channel, "1", "CHANNEL_NOT_FOUND"),
        (wrong_type, "2", "MALFORMED"),
        (two, "3", "MALFORMED"),
        (no_payload, "4", "UNSUPPORTED"),
        (not_a_clients, "5", "UNSUPPORTED"),
        (cut_off, "6", "MALFORMED"),
        (unknown_type, "7", "UNSUPPORTED"),
        (bad_line, "8", "UNSUPPORTED"),
        (not_here, "9", "NOT_IN_CHANNEL"),
        (unknown, "10", "UNSUPPORTED"),
        ("[]", "", "MALFORMED"),
    ] {
        bob.send_text(text).await;
        let answered = bob.error(id).await;
        assert_eq!(answered, format!("VOICE_ERROR_CODE_{code}"), "{text}");
    }
    // Nulls count as if they were not there, as the JSON mapping of protobuf demands.
    bob.send_text(
        r#"{"type":"voice","requestId":null,"voiceStateUpdate":{"channelId":"lounge","userId":null,"muted":true}}"#,
    )
    .await;
    assert_eq!(bob.told("voiceStateUpdate").await["muted"], true);
    assert_eq!(alice.told("voiceStateUpdate").await["userId"], "bob");
    bob.heard_nothing().await;
    assert_eq!(alice.line().await.0, "bob");
    alice.heard_nothing().await;
}

#[tokio::test]
async fn who_signs_in_with_a_wrong_token_is_refused() {
    let server = Running::start(Limits::default());
    let url = format!("ws://{}/ws?token=nobody", server.address);
    match connect_async(url).await.unwrap_err() {
        tungstenite::Error::Http(response) => assert_eq!(response.status(), 401),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_closes_with_1009() {
    let server = Running::start(Limits::default());
    let (mut alice, mut bob) = server.alice_and_bob().await;
    let text = "a".repeat(128 << 10);
    bob.chat(&text).await;
    assert_eq!(bob.close_code().await, 1009);
    let left = alice.told("voiceLeaveEvent").await;
    assert_eq!(left["reason"], "VOICE_LEAVE_REASON_DISCONNECTED");
    bob = server.client("bob").await;
    let offer = description("alice", &text);
    bob.voice("1", "voiceSdpOffer", offer).await;
    assert_eq!(bob.close_code().await, 1009);
    alice.heard_nothing().await;
}

#[tokio::test]
async fn chat_and_voice_count_in_one_rate() {
    let mut limits = Limits::default();
    limits.messages_per_second = 1;
    limits.burst = 6;
    let server = Running::start(limits);
    let (mut alice, mut bob) = server.alice_and_bob().await;
    for _ in 0..3 {
        bob.chat("hello").await;
        assert_eq!(bob.line().await.1, "hello");
    }
    // One was spent on the join. What the next seconds bring is spent too.
    loop {
        let line = json!({"type": "chat", "requestId": "c", "channel": "lounge", "text": "hello"});
        bob.send(&line).await;
        let answer = bob.next().await;
        if answer["type"] == "voice" {
            assert_eq!(answer["requestId"], "c");
            let code = &answer["voiceError"]["code"];
            assert_eq!(code, "VOICE_ERROR_CODE_RATE_LIMITED");
            break;
        }
    }
    let offer = description("alice", "v=0");
    let code = loop {
        bob.voice("v", "voiceSdpOffer", offer.clone()).await;
        // An offer that passes is not answered, so this line follows it.
        bob.send(&json!({"type": "chat", "requestId": "c", "channel": "lounge", "text": "hello"}))
            .await;
        let answer = bob.next().await;
        if answer["requestId"] == "v" {
            break answer["voiceError"]["code"].clone();
        }
    };
    assert_eq!(code, "VOICE_ERROR_CODE_RATE_LIMITED");
    alice.chat("all is well").await;
}

/// Without a rate, since a stalled client needs much to be sent.
fn unlimited() -> Limits {
    let mut limits = Limits::default();
    limits.messages_per_second = 1_000_000;
    limits.burst = 1_000_000;
    limits
}

#[tokio::test]
async fn a_client_that_does_not_read_voice_is_closed_with_1013() {
    let server = Running::start(unlimited());
    let (mut alice, mut bob) = server.alice_and_bob().await;
    let state = json!({"channelId": "lounge", "muted": true});
    let left = loop {
        alice.voice("", "voiceStateUpdate", state.clone()).await;
        let told = alice.next().await;
        if told["voiceLeaveEvent"].is_object() {
            break told["voiceLeaveEvent"].clone();
        }
    };
    assert_eq!(left["reason"], "VOICE_LEAVE_REASON_EVICTED");
    assert_eq!(left["userId"], "bob");
    assert_eq!(bob.close_code().await, 1013);
}

#[tokio::test]
async fn a_client_that_does_not_read_chat_is_closed_with_1013() {
    let server = Running::start(unlimited());
    let (mut alice, mut bob) = server.alice_and_bob().await;
    let long = "a".repeat(4096);
    let left = loop {
        alice.chat(&long).await;
        let told = alice.next().await;
        if told["type"] == "voice" {
            break told["voiceLeaveEvent"].clone();
        }
    };
    assert_eq!(left["userId"], "bob");
    assert_eq!(bob.close_code().await, 1013);
}

#[tokio::test]
async fn chat_does_not_change_the_order_of_voice() {
    const MESSAGES: usize = 2000;
    let server = Running::start(unlimited());
    let (alice, mut bob) = server.alice_and_bob().await;
    let mut carol = server.client("carol").await;
    // Carol's lines come to Alice too, and she has to read them.
    let (mut writer, mut reader) = alice.socket.split();
    let reads = tokio::spawn(async move { while reader.next().await.is_some() {} });
    // Few enough on their way that Bob keeps up, and many enough that both kinds wait together.
    let on_their_way = Semaphore::new(100);
    let relays = async {
        for number in 0..MESSAGES {
            on_their_way.acquire().await.unwrap().forget();
            let candidate = candidate("bob", &number.to_string());
            let message = json!({"type": "voice", "voiceIceCandidate": candidate});
            writer
                .send(Message::text(message.to_string()))
                .await
                .unwrap();
        }
    };
    let lines = async {
        for number in 0..MESSAGES {
            carol.chat(&number.to_string()).await;
            assert_eq!(carol.line().await.1, number.to_string());
        }
    };
    let heard = async {
        let (mut relayed, mut said) = (0, 0);
        while relayed < MESSAGES || said < MESSAGES {
            let message = bob.next().await;
            if message["type"] == "said" {
                assert_eq!(message["text"], said.to_string());
                said += 1;
            } else {
                let candidate = &message["voiceIceCandidate"]["candidateJson"];
                assert_eq!(*candidate, relayed.to_string(), "{message}");
                relayed += 1;
                on_their_way.add_permits(1);
            }
        }
    };
    futures::join!(relays, lines, heard);
    reads.abort();
}

#[tokio::test]
async fn a_stopping_server_closes_with_1001() {
    let server = Running::start(Limits::default());
    let (mut alice, mut bob) = server.alice_and_bob().await;
    let served = server.stop();
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.close_code().await, 1001);
        // Answers the close.
        assert!(client.socket.next().await.is_none());
    }
    drop((alice, bob));
    served.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_closes_or_vanishes_has_left() {
    let server = Running::start(Limits::default());
    let (mut alice, bob) = server.alice_and_bob().await;
    // Without a close frame.
    drop(bob);
    let left = alice.told("voiceLeaveEvent").await;
    assert_eq!(left["reason"], "VOICE_LEAVE_REASON_DISCONNECTED");

    let mut bob = server.client("bob").await;
    bob.join().await;
    alice.told("voiceParticipantJoinedEvent").await;
    bob.socket.close(None).await.unwrap();
    // The server answers the close.
    while let Some(message) = bob.socket.next().await {
        assert!(matches!(message, Ok(Message::Close(_))), "{message:?}");
    }
    let left = alice.told("voiceLeaveEvent").await;
    assert_eq!(left["userId"], "bob");
    alice.heard_nothing().await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_has_left() {
    let mut limits = Limits::default();
    limits.ping_interval = std::time::Duration::from_millis(300);
    limits.ping_timeout = std::time::Duration::from_millis(700);
    let server = Running::start(limits);
    let (mut alice, bob) = server.alice_and_bob().await;
    // Bob's socket stays open, but nobody reads from it. Alice answers while she waits.
    let left = alice.told("voiceLeaveEvent").await;
    assert_eq!(left["userId"], "bob");
    drop(bob);
}
