//! Requests, their answers, and messages whose success is silent.

use std::time::Duration;

use tokio::time::Instant;
use united_voice_client::{
    Codec, Disconnect, ErrorCode, Event, JoinError, Peer, RequestError, SendError,
    proto::ws::envelope::Payload,
};

use crate::fake::{Loopback, connect, error, leave_event, memory, next, participant};

async fn whole_call(codec: Codec) {
    let server = Loopback::bind(([127, 0, 0, 1], 0).into()).await;
    let (connected, mut link) = tokio::join!(
        server.client().codec(codec).token("t").connect(),
        server.accept()
    );
    let (client, mut events) = connected.unwrap();
    assert_eq!(link.authorization.as_deref(), Some("Bearer t"));

    let (joined, ()) = tokio::join!(client.join("general"), link.let_in("me", &["bob"]));
    let snapshot = joined.unwrap();
    assert_eq!(snapshot.participants, [participant("bob")]);
    assert_eq!(snapshot.session_id, "me");
    let entered = next(&mut events).await;
    assert!(
        matches!(entered, Event::Entered { snapshot: told, rejoined: false } if told == snapshot)
    );

    client.offer(&snapshot.participants[0], "o").await.unwrap();
    let (_, payload) = link.next().await;
    let Payload::VoiceSdpOffer(offer) = payload else {
        panic!("{payload:?}")
    };
    assert_eq!(
        (
            offer.target_user_id.as_str(),
            offer.target_session_id.as_str()
        ),
        ("bob", "session of bob")
    );
    assert_eq!(
        (offer.channel_id.as_str(), offer.sdp.as_str()),
        ("general", "o")
    );

    client.answer(Peer::user("bob"), "a").await.unwrap();
    client.candidate("bob", "c").await.unwrap();
    client.speaking(true).await.unwrap();
    assert!(matches!(link.next().await.1, Payload::VoiceSdpAnswer(_)));
    assert!(matches!(link.next().await.1, Payload::VoiceIceCandidate(_)));
    let (id, payload) = link.next().await;
    assert!(matches!(payload, Payload::VoiceSpeakingEvent(event) if event.speaking));
    assert_eq!(id, "", "the client wants no copy of it");

    let (left, ()) = tokio::join!(client.leave(), async {
        let (id, _) = link.next().await;
        link.send(&id, leave_event("general", "me")).await;
    });
    assert_eq!(left, Ok(()));
    assert!(matches!(next(&mut events).await, Event::Exited { .. }));
    client.close().await;
    assert_eq!(link.closed().await, 1000);
}

#[tokio::test]
async fn whole_call_in_protobuf() {
    whole_call(Codec::Protobuf).await;
}

#[tokio::test]
async fn whole_call_in_json() {
    whole_call(Codec::Json).await;
}

#[tokio::test(start_paused = true)]
async fn refusals_have_their_code() {
    let (builder, mut server) = memory();
    let (client, _events, mut link) = connect(builder, &mut server).await;
    let (refused, ()) = tokio::join!(client.join("full"), async {
        let (id, _) = link.next().await;
        link.send(&id, error(ErrorCode::ChannelFull, "full")).await;
    });
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::ChannelFull));
    assert!(!refused.is_retryable());
    assert_eq!(
        refused.to_string(),
        "VOICE_ERROR_CODE_CHANNEL_FULL: because"
    );
}

#[tokio::test(start_paused = true)]
async fn outside_of_a_channel_nothing_is_sent() {
    let (builder, mut server) = memory();
    let (client, _events, mut link) = connect(builder, &mut server).await;
    assert_eq!(client.offer("bob", "o").await, Err(SendError::NotInChannel));
    assert_eq!(client.speaking(true).await, Err(SendError::NotInChannel));
    assert_eq!(client.leave().await, Err(RequestError::NotInChannel));
    assert_eq!(client.ice_servers().await, Err(RequestError::NotInChannel));
    drop(client);
    assert_eq!(
        link.closed().await,
        1000,
        "nothing was sent before the close"
    );
}

#[tokio::test(start_paused = true)]
async fn unanswered_requests_time_out() {
    let (builder, mut server) = memory();
    let timeout = Duration::from_secs(3);
    let (client, mut events, mut link) =
        connect(builder.request_timeout(timeout), &mut server).await;
    let (joined, ()) = tokio::join!(client.join("general"), link.let_in("me", &[]));
    joined.unwrap();
    next(&mut events).await;

    let asked = Instant::now();
    assert_eq!(client.ice_servers().await, Err(RequestError::TimedOut));
    assert_eq!(asked.elapsed().as_secs(), 3);
    assert!(matches!(
        link.next().await.1,
        Payload::VoiceIceServersRequest(_)
    ));

    assert_eq!(client.join("lounge").await, Err(JoinError::TimedOut));
    let gone = next(&mut events).await;
    assert!(
        matches!(gone, Event::Disconnected(Disconnect::Unresponsive)),
        "{gone:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_join_is_told_by_the_events() {
    let (builder, mut server) = memory();
    let (client, mut events, mut link) = connect(builder, &mut server).await;
    let moment = Duration::from_millis(1);
    assert!(
        tokio::time::timeout(moment, client.join("general"))
            .await
            .is_err()
    );
    link.let_in("me", &[]).await;
    assert!(matches!(next(&mut events).await, Event::Entered { .. }));
}

#[tokio::test(start_paused = true)]
async fn time_outs_may_be_endless() {
    let (builder, mut server) = memory();
    let builder = builder
        .request_timeout(Duration::MAX)
        .keepalive(Duration::MAX, Duration::MAX);
    let (client, _events, mut link) = connect(builder, &mut server).await;
    let (joined, ()) = tokio::join!(client.join("general"), async {
        tokio::time::advance(Duration::from_secs(3600)).await;
        link.let_in("me", &[]).await;
    });
    assert!(joined.is_ok());
}
