//! Backpressure in both directions, and the end of a client.

use std::time::Duration;

use futures::{FutureExt, SinkExt, StreamExt};
use tokio::time::Instant;
use united_voice_client::{
    Client, Event, SendError,
    proto::{voice::VoiceSdpOffer, voice::VoiceSpeakingEvent, ws::envelope::Payload},
};

use crate::fake::{Link, connect, memory, next, soon};

fn offer(number: usize, bytes: usize) -> Payload {
    Payload::VoiceSdpOffer(VoiceSdpOffer {
        channel_id: "general".into(),
        sender_user_id: number.to_string(),
        sdp: "x".repeat(bytes),
        ..VoiceSdpOffer::default()
    })
}

async fn join<S>(client: &Client, link: &mut Link<S>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + std::fmt::Debug,
{
    let (joined, ()) = tokio::join!(client.join("general"), link.let_in("me", &[]));
    joined.unwrap();
}

#[tokio::test(start_paused = true)]
async fn unread_events_stop_the_reading_and_none_is_lost() {
    const OFFERS: usize = 100;
    let (builder, mut server) = memory();
    // The test is the server and does not lose patience, so pings and time-outs play no part.
    let builder = builder.event_queue(4);
    let (client, mut events, mut link) = connect(builder, &mut server).await;
    join(&client, &mut link).await;

    let mut sent = 0;
    for number in 0..OFFERS {
        let message = link.message_of("", offer(number, 16 << 10));
        // The pipe holds 64 KiB and the queue four events, so soon nothing goes in any more.
        let written = tokio::time::timeout(Duration::from_secs(1), link.socket.send(message));
        sent += 1;
        if written.await.is_err() {
            break;
        }
    }
    assert!((4..20).contains(&sent), "{sent} offers of 16 KiB went in");

    let rest = async {
        link.socket.flush().await.unwrap();
        for number in sent..OFFERS {
            link.send("", offer(number, 16 << 10)).await;
        }
        link
    };
    let reading = async {
        assert!(matches!(next(&mut events).await, Event::Entered { .. }));
        for number in 0..OFFERS {
            let event = next(&mut events).await;
            assert!(
                matches!(&event, Event::Offer(offer) if offer.from.user_id == number.to_string()),
                "offer {number}: {event:?}"
            );
        }
    };
    tokio::join!(rest, reading);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_is_still_listened_to() {
    let (builder, mut server) = memory();
    let (client, mut events, mut link) = connect(builder, &mut server).await;
    join(&client, &mut link).await;
    next(&mut events).await;

    let sdp = "x".repeat(32 << 10);
    let mut taken = 0;
    let second = Duration::from_secs(1);
    while let Ok(sent) = tokio::time::timeout(second, client.offer("bob", sdp.as_str())).await {
        sent.unwrap();
        taken += 1;
        assert!(taken < 500, "the caller has to wait");
    }
    assert!(taken > 2, "the client takes what fits into the pipe");
    link.send("", offer(7, 10)).await;
    assert!(matches!(next(&mut events).await, Event::Offer(offer) if offer.from.user_id == "7"));

    // Once the server reads, it gets all offers. The offer that timed out had been handed over
    // before.
    for _ in 0..taken {
        assert!(matches!(link.next().await.1, Payload::VoiceSdpOffer(_)));
    }
}

/// The server's limits by default.
const RATE: u128 = 100;
const BURST: u128 = 200;

#[tokio::test(start_paused = true)]
async fn more_candidates_than_the_rate_are_all_sent_in_time() {
    const CANDIDATES: usize = 1000;
    let (builder, mut server) = memory();
    let (client, _events, mut link) = connect(builder, &mut server).await;
    join(&client, &mut link).await;
    let start = Instant::now();
    let sending = async {
        for number in 0..CANDIDATES {
            client.candidate("bob", number.to_string()).await.unwrap();
        }
    };
    let receiving = async {
        for number in 0..CANDIDATES {
            let (_, payload) = link.next().await;
            let Payload::VoiceIceCandidate(candidate) = payload else {
                panic!("{payload:?}")
            };
            assert_eq!(candidate.candidate_json, number.to_string());
            let allowed = BURST + start.elapsed().as_millis() * RATE / 1000;
            assert!((number as u128) < allowed, "{number} within {allowed}");
        }
    };
    tokio::join!(sending, receiving);
    assert!(start.elapsed() < Duration::from_secs(12));
}

#[tokio::test(start_paused = true)]
async fn a_client_goes_on_as_soon_as_the_server_reads() {
    const OFFERS: usize = 100;
    let (builder, mut server) = memory();
    let (client, _events, mut link) = connect(builder.send_rate(1000, 1000), &mut server).await;
    join(&client, &mut link).await;
    let sending = async {
        for _ in 0..OFFERS {
            client.offer("bob", "x".repeat(8 << 10)).await.unwrap();
        }
    };
    // The pipe and the frames that may wait are full, and nothing else happens.
    let start = Instant::now();
    let receiving = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        for _ in 0..OFFERS {
            assert!(matches!(link.next().await.1, Payload::VoiceSdpOffer(_)));
        }
    };
    tokio::join!(sending, receiving);
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(6),
        "it waited for a ping: {took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_given_up_is_told_at_once() {
    let (builder, mut server) = memory();
    let slow = united_voice_client::Backoff::default().first(Duration::from_secs(60));
    let builder = builder
        .request_timeout(Duration::from_secs(3))
        .reconnect(slow.max(Duration::from_secs(60)).seed(1));
    let (client, _events, mut link) = connect(builder, &mut server).await;
    join(&client, &mut link).await;
    let start = Instant::now();
    assert_eq!(client.leave().await, Ok(()));
    assert!(matches!(link.next().await.1, Payload::VoiceLeaveRequest(_)));
    // The end of the stream, without a close frame.
    soon(async { while let Some(Ok(_)) = link.socket.next().await {} }).await;
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn dropped_events_do_not_hold_up_the_client() {
    let (builder, mut server) = memory();
    let (client, events, mut link) = connect(builder.event_queue(1), &mut server).await;
    drop(events);
    for number in 0..20 {
        let event = VoiceSpeakingEvent {
            user_id: number.to_string(),
            ..VoiceSpeakingEvent::default()
        };
        link.send("", Payload::VoiceSpeakingEvent(event)).await;
    }
    join(&client, &mut link).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_writes_what_was_sent_and_closes() {
    let (builder, mut server) = memory();
    let (client, mut events, mut link) = connect(builder, &mut server).await;
    join(&client, &mut link).await;
    let other = client.clone();
    client.offer("bob", "last words").await.unwrap();
    drop(client);
    assert!(
        matches!(link.next().await.1, Payload::VoiceSdpOffer(offer) if offer.sdp == "last words")
    );
    other.speaking(true).await.unwrap();
    drop(other);
    assert!(matches!(
        link.next().await.1,
        Payload::VoiceSpeakingEvent(_)
    ));
    assert_eq!(link.closed().await, 1000);
    next(&mut events).await;
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn close_is_for_all_handles_and_waits_for_two_seconds() {
    let (builder, mut server) = memory();
    let (client, _events, _link_that_never_reads) = connect(builder, &mut server).await;
    let other = client.clone();
    let asked = tokio::time::Instant::now();
    client.close().await;
    assert_eq!(asked.elapsed().as_secs(), 2);
    assert!(other.is_closed());
    assert_eq!(other.offer("bob", "").await, Err(SendError::Closed));
    assert!(other.retry_now().now_or_never().is_some());
}
