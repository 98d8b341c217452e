//! `GET /healthz` and `GET /readyz`, for orchestrators and load balancers.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use united_voice_scenarios::{Client, Codec, Server, ServerKind, eventually, soon};

scenarios! {
    each codec:;
    once:
        a_server_that_runs_is_alive_and_ready,
        a_server_that_ends_is_not_ready,
}

async fn a_server_that_runs_is_alive_and_ready(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (status, text) = server.get_text("/healthz").await;
    assert_eq!((status, text.split_whitespace().next()), (200, Some("ok")));
    let (status, text) = server.get_text("/readyz").await;
    assert_eq!((status, text.trim_end()), (200, "ready"));
    let post = server
        .http(reqwest::Method::POST, "/readyz", None, None)
        .await;
    assert_eq!(post.0, 405);
}

/// Connections that are open when SIGTERM comes may still ask.
async fn a_server_that_ends_is_not_ready(kind: ServerKind) {
    let mut server = Server::start(kind).await;
    let mut early = TcpStream::connect(server.address())
        .await
        .expect("the server accepts");
    // The server has accepted this one too when it answers a later one.
    assert_eq!(server.get_text("/healthz").await.0, 200);
    // A client that does not answer its close frame keeps the server from ending at once.
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    // The server counts a connection a moment after it has answered the upgrade.
    ann.join("general").await;
    server.terminate();
    eventually("the server ends", async || {
        server.log().contains("ending").then_some(())
    })
    .await;
    let request = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    early.write_all(request).await.expect("the server reads");
    let mut answer = String::new();
    soon("the answer", early.read_to_string(&mut answer))
        .await
        .expect("the answer is text");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.trim_end().ends_with("\r\n\r\nstopping"), "{answer}");
    drop(ann);
    assert!(server.exit().await.success());
}
