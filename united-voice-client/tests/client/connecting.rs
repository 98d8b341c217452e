//! The first connection, and what can go wrong with it.

use std::{error::Error as _, io, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpListener};
use united_voice_client::{Client, ConnectError, TokenError};

use crate::fake::{Loopback, memory, soon};

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_an_error_at_once() {
    let (builder, mut server) = memory();
    let (connected, head) = tokio::join!(builder.token("old").connect(), server.refuse(401));
    assert!(matches!(connected, Err(ConnectError::Unauthorized)));
    assert!(head.contains("authorization: Bearer old\r\n"), "{head}");
}

#[tokio::test(start_paused = true)]
async fn other_statuses_are_told() {
    let (builder, mut server) = memory();
    let (connected, _) = tokio::join!(builder.connect(), server.refuse(503));
    let error = connected.err().unwrap();
    assert!(matches!(error, ConnectError::Rejected { status: 503 }));
    assert!(error.is_retryable());
}

#[tokio::test(start_paused = true)]
async fn a_token_source_is_asked_for_another_token_once() {
    let (builder, mut server) = memory();
    let builder = builder
        .token_with(|renew| async move { Ok(if renew { "new" } else { "stored" }.to_owned()) });
    let (connected, link) = tokio::join!(builder.connect(), async {
        assert!(server.refuse(401).await.contains("Bearer stored"));
        server.accept().await
    });
    assert!(connected.is_ok());
    assert_eq!(link.authorization.as_deref(), Some("Bearer new"));
}

#[tokio::test(start_paused = true)]
async fn without_a_token_there_is_no_connection() {
    let (builder, _server) = memory();
    let builder = builder.token_with(|_| async { Err(TokenError::revoked("signed out")) });
    let error = builder.connect().await.err().unwrap();
    assert!(!error.is_retryable());
    let reason = error.source().and_then(|error| error.source()).unwrap();
    assert_eq!(reason.to_string(), "signed out");
}

#[tokio::test(start_paused = true)]
async fn a_silent_host_is_given_up() {
    let (builder, _silent) = memory();
    let started = tokio::time::Instant::now();
    let connected = builder.open_timeout(Duration::from_secs(4)).connect().await;
    assert!(matches!(connected, Err(ConnectError::TimedOut)));
    assert_eq!(started.elapsed().as_secs(), 4);
}

#[tokio::test]
async fn a_port_without_listener_is_unreachable() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let connected = soon(Client::builder(format!("ws://{address}/ws")).connect()).await;
    let Err(ConnectError::Unreachable(error)) = connected else {
        panic!("{connected:?}")
    };
    let error = error.downcast_ref::<io::Error>().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_host_that_speaks_no_websocket_fails_the_handshake() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Client::builder(format!("ws://{}/", listener.local_addr().unwrap()));
    let (connected, ()) = tokio::join!(soon(builder.connect()), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 smtp ready\r\n").await.unwrap();
    });
    assert!(
        matches!(connected, Err(ConnectError::Handshake(_))),
        "{connected:?}"
    );
}

#[tokio::test]
async fn host_names_are_looked_up() {
    let server = Loopback::bind(([127, 0, 0, 1], 0).into()).await;
    let builder = Client::builder(format!("ws://localhost:{}/ws", server.address().port()));
    let (connected, _link) = tokio::join!(soon(builder.connect()), server.accept());
    assert!(connected.is_ok());
}

#[cfg(not(feature = "rustls"))]
#[tokio::test]
async fn wss_without_tls_is_never_sent_in_the_clear() {
    let connected = Client::builder("wss://127.0.0.1:1/ws")
        .token("t")
        .connect()
        .await;
    assert!(
        matches!(connected, Err(ConnectError::TlsUnavailable)),
        "{connected:?}"
    );
}

#[cfg(feature = "rustls")]
#[tokio::test]
async fn wss_is_never_sent_in_the_clear() {
    use tokio::io::AsyncReadExt;

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Client::builder(format!("wss://{}/", listener.local_addr().unwrap()));
    let (connected, first) = tokio::join!(soon(builder.token("t").connect()), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_u8().await.unwrap()
    });
    assert_eq!(first, 22, "a TLS handshake record");
    assert!(
        matches!(connected, Err(ConnectError::Handshake(_))),
        "{connected:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn own_streams_are_told_the_endpoint() {
    let (told, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let builder = Client::builder("wss://voice.example.org/ws").dial_with(move |endpoint| {
        told.send(endpoint).unwrap();
        async { Err::<tokio::io::DuplexStream, _>(io::ErrorKind::NotFound.into()) }
    });
    assert!(matches!(
        builder.connect().await,
        Err(ConnectError::Unreachable(_))
    ));
    let endpoint = asked.recv().await.unwrap();
    assert_eq!(
        (endpoint.host.as_str(), endpoint.port, endpoint.tls),
        ("voice.example.org", 443, true)
    );
}
