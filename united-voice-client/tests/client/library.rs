//! The client against the server library itself, in memory.

use std::{collections::BTreeSet, future::ready};

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::io::{DuplexStream, duplex};
use tokio_tungstenite::tungstenite::{Error, Message};
use united_voice_client::{Client, Codec, Event, Events, LeaveReason};
use united_voice_core::{Frame, Limits, OpenDirectory, TransportError, UserId, VoiceServer, drive};

use crate::fake::{Link, next};

type Server = VoiceServer<OpenDirectory>;

fn server(messages_per_second: u32, burst: u32) -> Server {
    let mut limits = Limits::default();
    limits.messages_per_second = messages_per_second;
    limits.burst = burst;
    let server = VoiceServer::builder(OpenDirectory).limits(limits);
    server.build().unwrap()
}

async fn serve(server: Server, user: UserId, stream: DuplexStream) {
    let link = Link::accept(stream).await;
    let transport = link
        .socket
        .map(|read| match read {
            Ok(Message::Binary(bytes)) => Ok(Frame::Binary(bytes)),
            Ok(Message::Ping(bytes)) => Ok(Frame::Ping(bytes)),
            Ok(Message::Pong(bytes)) => Ok(Frame::Pong(bytes)),
            Ok(Message::Close(_)) => Ok(Frame::Close(None)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(TransportError::Io(error.into())),
        })
        .with(|frame| {
            ready(Ok::<_, Error>(match frame {
                Frame::Binary(bytes) => Message::Binary(bytes),
                Frame::Ping(bytes) => Message::Ping(bytes),
                Frame::Pong(bytes) => Message::Pong(bytes),
                Frame::Close(_) => Message::Close(None),
                Frame::Text(_) | Frame::Fragment => panic!("a server's messages are binary"),
            }))
        });
    drive(&server, transport, user, Some(Codec::Protobuf)).await;
}

async fn member(server: &Server, name: &str) -> (Client, Events) {
    let (server, user) = (server.clone(), UserId::new(name).unwrap());
    let dialing = Client::builder("ws://voice.test/ws").dial_with(move |_| {
        let (ours, theirs) = duplex(64 << 10);
        tokio::spawn(serve(server.clone(), user.clone(), theirs));
        ready(Ok(ours))
    });
    let (client, mut events) = dialing.connect().await.unwrap();
    client.join("general").await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Entered { .. }));
    (client, events)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_although_the_server_takes_less_than_the_client_sends() {
    const CANDIDATES: usize = 200;
    let server = server(20, 40);
    let (alice, mut to_alice) = member(&server, "alice").await;
    let (_bob, mut to_bob) = member(&server, "bob").await;
    assert!(matches!(next(&mut to_alice).await, Event::Joined { .. }));
    let sending = async {
        for number in 0..CANDIDATES {
            alice.candidate("bob", number.to_string()).await.unwrap();
        }
    };
    let receiving = async {
        let mut received = BTreeSet::new();
        while received.len() < CANDIDATES {
            match next(&mut to_bob).await {
                Event::Candidate(candidate) => {
                    assert!(received.insert(candidate.candidate_json), "each comes once");
                }
                other => panic!("{other:?}"),
            }
        }
    };
    tokio::join!(sending, receiving);
    assert!(server.stats().rate_limited > 0, "the server refused some");
    let event = to_alice.next().now_or_never();
    assert!(event.is_none(), "no refusal is told: {event:?}");
}

#[tokio::test(start_paused = true)]
async fn a_leave_gets_through_behind_more_than_the_rate() {
    let server = server(100, 200);
    let (alice, _to_alice) = member(&server, "alice").await;
    let (_bob, mut to_bob) = member(&server, "bob").await;
    for number in 0..250 {
        alice.candidate("bob", number.to_string()).await.unwrap();
    }
    assert_eq!(alice.leave().await, Ok(()));
    loop {
        match next(&mut to_bob).await {
            Event::Candidate(_) => {}
            Event::Left { peer, reason, .. } => {
                assert_eq!((&*peer.user_id, reason), ("alice", LeaveReason::Left));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        server
            .registry()
            .participants(&"general".parse().unwrap())
            .len(),
        1
    );
}
