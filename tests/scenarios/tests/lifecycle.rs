//! Connections that end without a leave request: section 2, rule 8.

use std::time::Duration;

use futures::SinkExt;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use united_voice_scenarios::{
    Client, Codec, Handshake, Incoming, Refusal, Server, ServerKind, eventually, expect_payload,
    pair, voice::VoiceLeaveReason,
};

scenarios! {
    each codec:
        close_frame_is_a_disconnect,
        broken_connection_is_a_disconnect,
        silent_client_is_found_by_ping;
    once:
        silent_client_is_found_within_30_seconds_by_default,
        broken_connections_leak_no_sockets,
        quiet_client_that_answers_pings_stays,
        client_ping_is_answered,
        disconnect_is_announced_only_in_its_own_channel,
        connecting_needs_a_token,
}

async fn close_frame_is_a_disconnect(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, bob) = pair(&server, codec).await;
    let (id, session) = (bob.user.id.clone(), bob.session.clone());
    bob.close().await;
    let left = ann
        .leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
    assert_eq!(
        (left.user_id, left.display_name, left.session_id),
        (id, "Bob".to_owned(), session)
    );
    ann.expect_idle().await;
    assert_eq!(
        server.participants(&ann.user, "general").await,
        [ann.as_participant()]
    );
}

async fn broken_connection_is_a_disconnect(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, bob) = pair(&server, codec).await;
    let id = bob.user.id.clone();
    let cut = Instant::now();
    drop(bob);
    let left = ann
        .leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
    assert_eq!(left.user_id, id);
    assert!(
        cut.elapsed() < Duration::from_secs(5),
        "not at once, but by a ping timeout: {:?}",
        cut.elapsed()
    );
    ann.expect_idle().await;
}

async fn silent_client_is_found_by_ping(kind: ServerKind, codec: Codec) {
    let server = Server::with_config(
        kind,
        "[limits]\nping_interval_secs = 1\nping_timeout_secs = 1\n",
    )
    .await;
    let (mut ann, bob) = pair(&server, codec).await;
    // The socket stays open, but the client does not read, so it sends no pong.
    let silent_since = Instant::now();
    let left = ann
        .leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
    let found_after = silent_since.elapsed();
    assert_eq!(left.user_id, bob.user.id);
    assert!(
        found_after < Duration::from_secs(8),
        "should be two seconds, or a little more on a busy machine: {found_after:?}"
    );
    assert_eq!(server.roster(&ann.user, "general").await, [ann.user.id]);
}

async fn silent_client_is_found_within_30_seconds_by_default(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (mut ann, bob) = pair(&server, Codec::Protobuf).await;
    let incoming = ann.incoming_within(Duration::from_secs(33)).await;
    let Some(Incoming::Envelope(envelope)) = incoming else {
        panic!("{incoming:?} instead of bob's departure")
    };
    let left = expect_payload!(
        envelope.payload.expect("decoding checks that"),
        VoiceLeaveEvent
    );
    assert_eq!(
        (left.reason(), left.user_id),
        (VoiceLeaveReason::Disconnected, bob.user.id)
    );
}

async fn broken_connections_leak_no_sockets(kind: ServerKind) {
    const NUMBER: usize = 20;
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut clients = Vec::new();
    for _ in 0..NUMBER {
        let mut client = Client::connect(&server, &user, Codec::Protobuf).await;
        client.join("general").await;
        clients.push(client);
    }
    let open = server.open_sockets();
    assert!(open > NUMBER, "{open} sockets with {NUMBER} clients");
    drop(clients);
    eventually("the sockets to be closed", async || {
        (server.open_sockets() <= open - NUMBER).then_some(())
    })
    .await;
    assert_eq!(server.participants(&user, "general").await, []);
}

async fn quiet_client_that_answers_pings_stays(kind: ServerKind) {
    let server = Server::with_config(
        kind,
        "[limits]\nping_interval_secs = 1\nping_timeout_secs = 1\n",
    )
    .await;
    let (mut ann, mut bob) = pair(&server, Codec::Protobuf).await;
    // Both clients only read, which answers pings. This lasts for four pings.
    let time = Duration::from_millis(4500);
    let quiet = tokio::join!(ann.incoming_within(time), bob.incoming_within(time));
    assert_eq!(quiet, (None, None));
    ann.expect_idle().await;
    bob.expect_idle().await;
}

async fn client_ping_is_answered(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.socket
        .send(Message::Ping("are you there".into()))
        .await
        .expect("the connection is open");
    let pong =
        united_voice_scenarios::soon("a pong", futures::StreamExt::next(&mut ann.socket)).await;
    assert_eq!(
        pong.expect("the connection is open").expect("a frame"),
        Message::Pong("are you there".into())
    );
}

async fn disconnect_is_announced_only_in_its_own_channel(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (mut ann, bob) = pair(&server, Codec::Protobuf).await;
    let mut eve = Client::new(&server, "Eve", Codec::Protobuf).await;
    eve.join("lounge").await;
    let idle = Client::new(&server, "Idle", Codec::Protobuf).await;
    idle.close().await;
    drop(bob);
    ann.leave_event("general", VoiceLeaveReason::Disconnected)
        .await;
    ann.expect_idle().await;
    eve.expect_idle().await;
}

async fn connecting_needs_a_token(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let token = user.token.as_str();
    let refused = Some(Refusal { status: 401 });
    let open = async |handshake: Handshake<'_>| handshake.open(server.address()).await.err();
    assert_eq!(open(Handshake::default()).await, refused);
    assert_eq!(
        open(Handshake {
            bearer: Some("no.such.token"),
            ..Handshake::default()
        })
        .await,
        refused
    );
    assert_eq!(
        open(Handshake {
            query: Some("no.such.token"),
            ..Handshake::default()
        })
        .await,
        refused
    );
    assert_eq!(
        open(Handshake {
            bearer: Some(token),
            ..Handshake::default()
        })
        .await,
        None
    );
    assert_eq!(
        open(Handshake {
            query: Some(token),
            ..Handshake::default()
        })
        .await,
        None
    );
}
