//! What happens after the connection is lost. The clock moves only when everything waits.

use std::time::Duration;

use futures::StreamExt;
use tokio::{io::DuplexStream, time::Instant};
use united_voice_client::{
    Backoff, Client, ConnectError, Disconnect, ErrorCode, Event, Events, ExitReason, JoinError,
    RequestError, Roster, SendError, proto::ws::envelope::Payload,
};

use crate::fake::{Link, Loopback, Memory, connect, error, memory, next, participant, soon};

/// A client in `general` that has read its `Entered`.
async fn seated() -> (Client, Events, Link<DuplexStream>, Memory) {
    let (builder, mut server) = memory();
    let (client, mut events, mut link) = connect(builder, &mut server).await;
    let (joined, ()) = tokio::join!(client.join("general"), link.let_in("s1", &["bob"]));
    joined.unwrap();
    next(&mut events).await;
    (client, events, link, server)
}

async fn disconnected(events: &mut Events) -> Disconnect {
    match next(events).await {
        Event::Disconnected(cause) => cause,
        event => panic!("{event:?}"),
    }
}

async fn reconnecting(events: &mut Events) -> (u32, Duration) {
    match next(events).await {
        Event::Reconnecting { attempt, after, .. } => (attempt, after),
        event => panic!("{event:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_comes_back_into_the_channel_with_its_state() {
    let (client, mut events, mut link, mut server) = seated().await;
    let mut roster = Roster::new();
    let (told, ()) = tokio::join!(client.set_state(true, false), async {
        let (id, update) = link.next().await;
        link.send(&id, update).await;
    });
    told.unwrap();
    drop(link);

    assert_eq!(disconnected(&mut events).await, Disconnect::Lost);
    let (attempt, after) = reconnecting(&mut events).await;
    assert!(
        attempt == 1 && after <= Duration::from_millis(500),
        "{after:?}"
    );
    assert_eq!(client.offer("bob", "o").await, Err(SendError::Offline));
    assert_eq!(client.ice_servers().await, Err(RequestError::Offline));

    let mut link = server.accept().await;
    assert!(matches!(next(&mut events).await, Event::Reconnected));
    link.let_in("s2", &["cy"]).await;
    let entered = next(&mut events).await;
    roster.apply(&entered);
    assert_eq!(roster.participants(), [participant("cy")]);
    let Event::Entered {
        snapshot,
        rejoined: true,
    } = entered
    else {
        panic!("{entered:?}")
    };
    assert_eq!(
        (snapshot.channel_id.as_str(), snapshot.session_id.as_str()),
        ("general", "s2")
    );
    let (_, payload) = link.next().await;
    assert!(
        matches!(payload, Payload::VoiceStateUpdate(update) if update.muted && !update.deafened)
    );
}

#[tokio::test(start_paused = true)]
async fn close_codes_set_the_pause() {
    let codes = [
        (1001, Disconnect::Shutdown, 0),
        (1008, Disconnect::TooManyMessages, 10),
        (1009, Disconnect::MessageTooLarge, 1),
        (1013, Disconnect::TooSlow, 1),
        (4000, Disconnect::Closed(4000), 0),
    ];
    for (code, cause, seconds) in codes {
        let (_client, mut events, link, mut server) = seated().await;
        let closed = Instant::now();
        link.close(code).await;
        assert_eq!(disconnected(&mut events).await, cause);
        let (_, after) = reconnecting(&mut events).await;
        assert!(after >= Duration::from_secs(seconds), "{code}: {after:?}");
        assert!(
            after <= Duration::from_secs(seconds.max(1)),
            "{code}: {after:?}"
        );
        server.accept().await;
        assert!(
            closed.elapsed() >= after,
            "{code}: not before the pause is over"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_while_the_server_is_away() {
    let (builder, mut server) = memory();
    let (_client, mut events, link) =
        connect(builder.reconnect(Backoff::default().seed(3)), &mut server).await;
    drop(link);
    disconnected(&mut events).await;
    for (attempt, longest) in [
        (1, 500),
        (2, 1000),
        (3, 2000),
        (4, 4000),
        (5, 8000),
        (6, 10_000),
        (7, 10_000),
    ] {
        let before = Instant::now();
        let (told, after) = reconnecting(&mut events).await;
        assert_eq!(told, attempt);
        assert!(
            after <= Duration::from_millis(longest),
            "attempt {attempt}: {after:?}"
        );
        server.refuse(503).await;
        let waited = before.elapsed();
        assert!(
            waited >= after && waited <= after + Duration::from_millis(10),
            "{waited:?} for {after:?}"
        );
    }
    let event = next(&mut events).await;
    let Event::Reconnecting {
        last_error: Some(ConnectError::Rejected { status: 503 }),
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    server.accept().await;
    assert!(matches!(next(&mut events).await, Event::Reconnected));
}

#[tokio::test(start_paused = true)]
async fn only_a_connection_that_lasted_starts_the_pauses_over() {
    let (_client, mut events, mut link, mut server) = seated().await;
    let lives = [
        Duration::from_secs(4),
        Duration::from_secs(6),
        Duration::from_secs(1),
    ];
    let mut attempts = Vec::new();
    for life in lives {
        tokio::time::advance(life).await;
        drop(link);
        disconnected(&mut events).await;
        attempts.push(reconnecting(&mut events).await.0);
        link = server.accept().await;
        assert!(matches!(next(&mut events).await, Event::Reconnected));
        link.let_in("s", &[]).await;
        next(&mut events).await;
    }
    assert_eq!(attempts, [1, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_ends_the_client() {
    let (client, mut events, link, mut server) = seated().await;
    drop(link);
    disconnected(&mut events).await;
    reconnecting(&mut events).await;
    server.refuse(401).await;
    let last = next(&mut events).await;
    assert!(
        matches!(last, Event::Stopped(ConnectError::Unauthorized)),
        "{last:?}"
    );
    assert!(events.next().await.is_none());
    assert_eq!(client.join("general").await, Err(JoinError::Closed));
    assert!(client.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_token_source_is_asked_twice_in_a_row_at_most() {
    let (builder, mut server) = memory();
    let builder = builder.token_with(|renew| async move { Ok(format!("renew={renew}")) });
    let (_client, mut events, link) = connect(builder, &mut server).await;
    drop(link);
    assert!(server.refuse(401).await.contains("Bearer renew=false"));
    let link = server.accept().await;
    assert_eq!(link.authorization.as_deref(), Some("Bearer renew=true"));
    drop(link);
    for expected in ["Bearer renew=false", "Bearer renew=true"] {
        assert!(server.refuse(401).await.contains(expected));
    }
    loop {
        if let Event::Stopped(error) = next(&mut events).await {
            assert!(matches!(error, ConnectError::Unauthorized));
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_attempts_may_be_limited() {
    for (attempts, backoff) in [(2, Some(Backoff::default().max_attempts(2))), (0, None)] {
        let (builder, mut server) = memory();
        let (_client, mut events, link) = connect(builder.reconnect(backoff), &mut server).await;
        drop(link);
        disconnected(&mut events).await;
        for _ in 0..attempts {
            reconnecting(&mut events).await;
            server.refuse(503).await;
        }
        let last = next(&mut events).await;
        assert!(matches!(last, Event::Stopped(_)), "{last:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_now_ends_the_pause() {
    let (client, mut events, link, mut server) = seated().await;
    link.close(1008).await;
    disconnected(&mut events).await;
    reconnecting(&mut events).await;
    let asked = Instant::now();
    let (_link, ()) = tokio::join!(server.accept(), client.retry_now());
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn joins_wait_for_the_connection_and_the_last_one_counts() {
    let (client, mut events, link, mut server) = seated().await;
    drop(link);
    disconnected(&mut events).await;
    let (first, last, _link) = tokio::join!(biased; client.join("a"), client.join("b"), async {
        let mut link = server.accept().await;
        link.let_in("s2", &[]).await;
        link
    });
    assert_eq!(first, Err(JoinError::Superseded));
    assert_eq!(last.unwrap().channel_id, "b");
}

#[tokio::test(start_paused = true)]
async fn a_leave_while_offline_stays_in_force() {
    let (client, mut events, link, mut server) = seated().await;
    drop(link);
    disconnected(&mut events).await;
    client.leave().await.unwrap();
    let mut link = server.accept().await;
    loop {
        match next(&mut events).await {
            Event::Reconnecting { .. } => {}
            Event::Exited { reason, .. } => assert!(matches!(reason, ExitReason::Left)),
            Event::Reconnected => break,
            event => panic!("{event:?}"),
        }
    }
    client.close().await;
    assert_eq!(link.closed().await, 1000, "no join came before");
}

#[tokio::test(start_paused = true)]
async fn a_refused_rejoin_is_the_end_of_the_stay() {
    let (client, mut events, link, mut server) = seated().await;
    drop(link);
    disconnected(&mut events).await;
    reconnecting(&mut events).await;
    let mut link = server.accept().await;
    next(&mut events).await;
    for (code, pause) in [(ErrorCode::Unavailable, 0), (ErrorCode::Forbidden, 2)] {
        let before = Instant::now();
        let (id, payload) = link.next().await;
        assert!(matches!(payload, Payload::VoiceJoinRequest(_)));
        assert_eq!(before.elapsed().as_secs(), pause);
        link.send(&id, error(code, "general")).await;
    }
    let event = next(&mut events).await;
    let Event::Exited {
        reason: ExitReason::Refused(error),
        ..
    } = event
    else {
        panic!("{event:?}")
    };
    assert_eq!(error.code(), Some(ErrorCode::Forbidden));
    assert_eq!(client.offer("bob", "").await, Err(SendError::NotInChannel));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_silent_is_pinged_and_given_up() {
    let (builder, mut server) = memory();
    let builder = builder.keepalive(Duration::from_secs(20), Duration::from_secs(10));
    let (_client, mut events, mut link) = connect(builder, &mut server).await;
    let started = Instant::now();
    // A server that reads answers pings, and then it may be silent for any time.
    let answering = async { while link.socket.next().await.is_some_and(|read| read.is_ok()) {} };
    let answering = tokio::time::timeout(Duration::from_secs(300), answering);
    assert!(answering.await.is_err(), "the client stayed");
    assert_eq!(started.elapsed().as_secs(), 300);
    let silent = Instant::now();
    assert_eq!(disconnected(&mut events).await, Disconnect::Unresponsive);
    let waited = silent.elapsed().as_secs();
    assert!((10..=30).contains(&waited), "{waited}");
}

#[tokio::test]
async fn over_a_real_socket() {
    let server = Loopback::bind(([127, 0, 0, 1], 0).into()).await;
    let address = server.address();
    let (connected, mut link) = tokio::join!(soon(server.client().connect()), server.accept());
    let (client, mut events) = connected.unwrap();
    let (joined, ()) = tokio::join!(client.join("general"), link.let_in("s1", &[]));
    joined.unwrap();
    drop(server);
    link.close(1001).await;

    let server = Loopback::bind(address).await;
    let mut link = server.accept().await;
    link.let_in("s2", &["bob"]).await;
    loop {
        if let Event::Entered {
            snapshot,
            rejoined: true,
        } = soon(next(&mut events)).await
        {
            assert_eq!(snapshot.participants, [participant("bob")]);
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_with_unread_events_does_not_reconnect_over_and_over() {
    let (builder, mut server) = memory();
    let (_client, mut events, link) = connect(builder.event_queue(1), &mut server).await;
    drop(link);
    let hour = Duration::from_secs(3600);
    assert!(tokio::time::timeout(hour, server.accept()).await.is_err());
    disconnected(&mut events).await;
    reconnecting(&mut events).await;
    soon(server.accept()).await;
}
