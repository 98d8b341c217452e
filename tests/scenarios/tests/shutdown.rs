//! SIGTERM, SIGINT, and the data that survives a restart: the last lines of section 4.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    time::{Instant, sleep},
};
use united_voice_scenarios::{Client, Codec, Incoming, Server, ServerKind, request};

scenarios! {
    each codec:
        sigterm_closes_connections_with_going_away;
    once:
        sigint_closes_connections_with_going_away,
        stalled_clients_do_not_delay_the_shutdown,
        late_reader_gets_the_close_frame,
        restart_keeps_users_and_channels,
}

/// The time that the contract allows, and a margin for starting the clock late.
const DEADLINE: Duration = Duration::from_secs(10);

/// Less than the time that a client has to read its close frame.
const LATE: Duration = Duration::from_secs(3);

async fn sigterm_closes_connections_with_going_away(kind: ServerKind, codec: Codec) {
    let mut server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut idle = Client::new(&server, "Idle", codec).await;
    ann.join("general").await;
    bob.join("general").await;
    let started = Instant::now();
    server.terminate();
    for client in [&mut ann, &mut bob, &mut idle] {
        assert_eq!(client.close_code().await, 1001);
    }
    assert!(server.exit().await.success());
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
    assert!(
        TcpStream::connect(server.address()).await.is_err(),
        "nobody listens"
    );
}

async fn sigint_closes_connections_with_going_away(kind: ServerKind) {
    let mut server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    server.interrupt();
    assert_eq!(ann.incoming().await, Incoming::Closed(1001));
    assert!(server.exit().await.success());
}

/// A server with two clients in one channel. The second does not read the messages on their way.
async fn with_a_stalled_client(kind: ServerKind) -> (Server, Client, Client) {
    let limits = "[limits]\nmessages_per_second = 100000\nburst = 100000\n";
    let server = Server::with_config(kind, limits).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let mut stalled =
        Client::connect_narrow(&server, &server.user("Stalled").await, Codec::Protobuf).await;
    ann.join("general").await;
    stalled.join("general").await;
    ann.joined_event("general").await;
    // Part of this stays in the queue or in the socket buffers. It is too little for an eviction.
    let offer = request::offer("general", &stalled.user.id, &"s".repeat(60_000));
    for _ in 0..56 {
        ann.send(offer.clone()).await;
    }
    ann.expect_idle().await;
    (server, ann, stalled)
}

async fn stalled_clients_do_not_delay_the_shutdown(kind: ServerKind) {
    let (mut server, mut ann, _stalled) = with_a_stalled_client(kind).await;
    let mut half_sent = TcpStream::connect(server.address())
        .await
        .expect("the server accepts");
    half_sent
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        .await
        .expect("the server reads");

    let started = Instant::now();
    server.terminate();
    assert_eq!(ann.close_code().await, 1001);
    assert!(server.exit().await.success());
    assert!(started.elapsed() < DEADLINE, "{:?}", started.elapsed());
}

async fn late_reader_gets_the_close_frame(kind: ServerKind) {
    let (mut server, _ann, mut stalled) = with_a_stalled_client(kind).await;
    server.terminate();
    sleep(LATE).await;
    assert_eq!(stalled.close_code().await, 1001);
    assert!(server.exit().await.success());
}

async fn restart_keeps_users_and_channels(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let bob = server.user("Bob").await;
    let room = server.channel(&bob, "kept", Some(1)).await;
    server.ban(&bob, Some("lounge")).await;
    ann.join(&room).await;

    let server = server.restart().await;
    assert_eq!(
        server.roster(&bob, &room).await,
        [""; 0],
        "a new process begins with empty channels"
    );
    let mut ann = Client::connect(&server, &ann.user, Codec::Protobuf).await;
    let mut bob = Client::connect(&server, &bob, Codec::Protobuf).await;
    ann.join(&room).await;
    bob.join_refused(
        &room,
        united_voice_scenarios::voice::VoiceErrorCode::ChannelFull,
    )
    .await;
    bob.join_refused(
        "lounge",
        united_voice_scenarios::voice::VoiceErrorCode::Forbidden,
    )
    .await;
}
