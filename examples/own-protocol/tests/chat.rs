//! What Parley did before it had voice, and still does.

mod client;

use client::{Client, default_server, join_request, say};
use futures::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_tungstenite::{connect_async, tungstenite::Message};
use united_voice_core::proto::voice::VoiceErrorCode;
use united_voice_own_protocol::wire::{
    Envelope, SignIn, Typing, Welcome, envelope::Payload, failure::Reason,
};

#[tokio::test(start_paused = true)]
async fn lines_reach_everybody_and_answer_their_author() {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    let mut bob = Client::signed_in(&server, 2).await;
    let Payload::Said(answer) = alice.ask(say(1, "hello")).await else {
        panic!("a line is answered with itself");
    };
    assert_eq!((answer.user, answer.text.as_str()), (1, "hello"));
    assert_eq!(bob.told().await, Payload::Said(answer));

    let (channel, user) = (1, 77);
    alice.send(Payload::Typing(Typing { channel, user })).await;
    let user = 1;
    assert_eq!(bob.told().await, Payload::Typing(Typing { channel, user }));
}

#[tokio::test(start_paused = true)]
async fn the_banned_neither_speak_nor_hear() {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    let mut bob = Client::signed_in(&server, 2).await;
    server.ban(2, 1);
    assert_eq!(bob.failure(say(1, "let me in")).await, Reason::Forbidden);
    alice.ask(say(1, "who is there?")).await;
    bob.heard_nothing().await;
    alice.heard_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn text_chat_works_beside_voice() {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    let mut bob = Client::signed_in(&server, 2).await;
    alice.join("2").await;
    bob.join("2").await;
    alice.told_joined().await;
    // The voice channel has text of its own, and the text channel reaches those who talk.
    for channel in [1, 2] {
        bob.ask(say(channel, "can you hear me?")).await;
        let Payload::Said(said) = alice.told().await else {
            panic!("a line of text");
        };
        assert_eq!((said.user, said.channel), (2, channel));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_sign_in_is_closed() {
    let server = default_server();
    let token = "nobody's".to_owned();
    for first in [Payload::SignIn(SignIn { token }), join_request("2")] {
        let mut client = Client::open(&server, 1024).await;
        client.send(first).await;
        assert_eq!(client.close_code().await, 1008);
    }
    let mut silent = Client::open(&server, 1024).await;
    assert_eq!(silent.close_code().await, 1008);
}

#[tokio::test(start_paused = true)]
async fn unknown_payloads_are_answered_and_disturb_nobody() {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    // Field 193 is none of Parley's and none of voice's (yet): request 9, then the field, empty.
    let unknown = [8, 9, 0x8a, 0x0c, 0];
    let malformed = [8, 9, 0xff];
    for (frame, request, reason) in [
        (&unknown[..], 9, Reason::Unsupported),
        (&malformed[..], 0, Reason::Malformed),
    ] {
        let message = Message::binary(frame.to_vec());
        alice.socket.send(message).await.unwrap();
        let answer = alice.next().await;
        assert_eq!(answer.request, request);
        let Some(Payload::Failure(failure)) = answer.payload else {
            panic!("{answer:?}");
        };
        assert_eq!(failure.reason(), reason);
    }
    // Payloads that only a server sends.
    let welcome = Payload::Welcome(Welcome { user: 2 });
    assert_eq!(alice.failure(welcome).await, Reason::Unsupported);
    for payload in [
        Payload::VoiceJoinResponse(Default::default()),
        Payload::VoiceError(Default::default()),
    ] {
        let error = alice.voice_error(payload).await;
        assert_eq!(error.code(), VoiceErrorCode::Unsupported);
    }
    alice.join("2").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_large_or_not_binary_closes() {
    let server = default_server();
    let large = Message::binary(vec![0; (128 << 10) + 1]);
    for (message, code) in [(large, 1009), (Message::text("{}"), 1003)] {
        let mut client = Client::signed_in(&server, 1).await;
        client.socket.send(message).await.unwrap();
        assert_eq!(client.close_code().await, code);
    }
}

#[tokio::test]
async fn a_stopping_server_says_goodbye_over_tcp() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let served = tokio::spawn(default_server().serve(listener, async {
        stopped.await.unwrap();
    }));
    let (mut socket, _) = connect_async(address).await.unwrap();
    let sign_in = Envelope {
        request: 1,
        payload: Some(Payload::SignIn(SignIn { token: "1".into() })),
    };
    let message = Message::binary(sign_in.encode_to_vec());
    socket.send(message).await.unwrap();
    socket.next().await.unwrap().unwrap();

    stop.send(()).unwrap();
    match socket.next().await.unwrap().unwrap() {
        Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 1001),
        other => panic!("{other:?}"),
    }
    // Answers the close.
    assert!(socket.next().await.is_none());
    drop(socket);
    served.await.unwrap();
}
