//! Clients that don't read, over pipes that hold little.

mod client;

use std::time::Duration;

use client::{Client, server};
use futures::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use united_voice_core::{
    IceConfig,
    proto::voice::{
        VoiceIceServersRequest, VoiceLeaveReason, VoiceSpeakingEvent, VoiceStateUpdate,
    },
};
use united_voice_own_protocol::{
    Limits,
    wire::{Envelope, envelope::Payload},
};

const PIPE: usize = 1024;
const NARROW: Limits = Limits {
    messages: 4,
    bytes: 1 << 20,
};

fn state(muted: bool) -> Payload {
    Payload::VoiceStateUpdate(VoiceStateUpdate {
        channel_id: "2".into(),
        muted,
        ..VoiceStateUpdate::default()
    })
}

fn ice_request() -> Payload {
    let channel_id = "2".into();
    Payload::VoiceIceServersRequest(VoiceIceServersRequest { channel_id })
}

fn speaking() -> Payload {
    Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
        channel_id: "2".into(),
        speaking: true,
        ..VoiceSpeakingEvent::default()
    })
}

async fn alice_and_slow_bob() -> (Client, Client) {
    let server = server(NARROW, IceConfig::default());
    let mut alice = Client::signed_in(&server, 1).await;
    alice.join("2").await;
    let mut bob = Client::signed_in_over(&server, 2, PIPE).await;
    bob.join("2").await;
    alice.told_joined().await;
    (alice, bob)
}

/// As fast as a client may send for long.
const PACE: std::time::Duration = std::time::Duration::from_millis(10);

/// Sends state updates until Bob's leave event comes instead of an answer.
async fn until_bob_is_evicted(alice: &mut Client) {
    for update in 1..500 {
        tokio::time::advance(PACE).await;
        let request = alice.send(state(update % 2 == 0)).await;
        let heard = alice.next().await;
        match heard.payload.unwrap() {
            Payload::VoiceStateUpdate(_) if heard.request == request => {}
            Payload::VoiceLeaveEvent(event) => {
                assert_eq!(event.reason(), VoiceLeaveReason::Evicted);
                assert_eq!(event.user_id, "2");
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("a client that reads nothing was never evicted");
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_evicted_and_closed_with_1013() {
    let (mut alice, mut bob) = alice_and_slow_bob().await;
    until_bob_is_evicted(&mut alice).await;
    assert_eq!(bob.close_code().await, 1013);
    drop(bob.socket);
    bob.served.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn speaking_events_to_a_slow_consumer_are_dropped() {
    let (mut alice, mut bob) = alice_and_slow_bob().await;
    for _ in 0..500 {
        tokio::time::advance(PACE).await;
        alice.send(speaking()).await;
        let Payload::VoiceSpeakingEvent(_) = alice.next().await.payload.unwrap() else {
            panic!("the answer");
        };
    }
    // Bob missed some, and nothing happened to him: when he reads, the stream goes on.
    let request = bob.send(state(true)).await;
    let mut missed = 500;
    loop {
        let heard = bob.next().await;
        match heard.payload.unwrap() {
            Payload::VoiceSpeakingEvent(_) => missed -= 1,
            Payload::VoiceStateUpdate(_) if heard.request == request => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0, "all 500 fit into {PIPE} bytes");
    assert!(matches!(alice.told().await, Payload::VoiceStateUpdate(_)));
}

#[tokio::test(start_paused = true)]
async fn requests_are_not_read_while_their_answers_wait() {
    let (_alice, mut bob) = alice_and_slow_bob().await;
    let mut first = None;
    let mut sent = 0;
    // The deadline passes only where neither side can do anything: the server has stopped reading.
    while let Ok(request) = timeout(Duration::from_secs(1), bob.send(ice_request())).await {
        first.get_or_insert(request);
        sent += 1;
        assert!(sent < 1000, "the server reads on and on");
    }
    assert!(sent > NARROW.messages as u32);

    // Read, and each is answered once, in order, the one that stood in the client's own buffer too.
    let (mut writer, mut reader) = bob.socket.split();
    let answers = async {
        for request in (first.unwrap()..).take(sent as usize + 1) {
            let Some(Ok(Message::Binary(answer))) = reader.next().await else {
                panic!("an answer");
            };
            let answer = Envelope::decode(answer).unwrap();
            assert_eq!(answer.request, request);
            assert!(matches!(
                answer.payload,
                Some(Payload::VoiceIceServersResponse(_))
            ));
        }
    };
    let (flushed, ()) = timeout(Duration::from_secs(10), async {
        futures::join!(writer.flush(), answers)
    })
    .await
    .expect("in time");
    flushed.unwrap();
}

#[tokio::test(start_paused = true)]
async fn whoever_never_reads_the_answers_is_closed() {
    let (mut alice, mut bob) = alice_and_slow_bob().await;
    let mut sent = 0;
    while timeout(Duration::from_secs(1), bob.send(ice_request()))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 1000, "the server reads on and on");
    }
    let Payload::VoiceLeaveEvent(event) = alice.told().await else {
        panic!("bob has left");
    };
    assert_eq!(event.user_id, "2");
    timeout(Duration::from_secs(30), bob.served)
        .await
        .unwrap()
        .unwrap();
}
