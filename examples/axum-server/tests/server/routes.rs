//! The parts that the framework adds to the routes: the upgrade, the limits of bodies, and the
//! routing itself.

use std::time::Instant;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, client::IntoClientRequest as _, http::HeaderValue},
};

use crate::process::{PATIENCE, Server};

async fn get(server: &Server, path: &str) -> (u16, String, String) {
    let response = reqwest::get(server.url(path)).await.unwrap();
    let status = response.status().as_u16();
    let content_type = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    (status, content_type, response.text().await.unwrap())
}

#[tokio::test]
async fn the_page_and_its_files_are_served() {
    let server = Server::start();
    let (status, content_type, page) = get(&server, "/?name=Ada&channel=general").await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/html; charset=utf-8")
    );
    let assets: Vec<_> = page
        .split('"')
        .filter(|part| part.starts_with("assets/"))
        .collect();
    assert!(!assets.is_empty());
    for asset in assets {
        assert_eq!(get(&server, &format!("/{asset}")).await.0, 200, "{asset}");
    }
    let client = "/assets/united-voice-web/index.js";
    assert_eq!(get(&server, client).await.0, 200);
    for missing in ["/assets/none.js", "/assets/united-voice-web/none.js"] {
        assert_eq!(get(&server, missing).await.0, 404, "{missing}");
    }
}

async fn metrics(server: &Server) -> String {
    let (status, content_type, text) = get(server, "/metrics").await;
    assert_eq!(status, 200);
    assert!(
        content_type.starts_with("text/plain; version=0.0.4"),
        "{content_type}"
    );
    text
}

#[tokio::test]
async fn liveness_and_metrics_need_no_token() {
    let server = Server::start();
    assert_eq!(get(&server, "/healthz").await.0, 200);
    let socket = server.connect(&server.sign_in("Ada").await).await;
    let deadline = Instant::now() + PATIENCE;
    // The server counts a connection a moment after it has answered the upgrade.
    while !metrics(&server)
        .await
        .contains("\nunited_voice_connections 1\n")
    {
        assert!(Instant::now() < deadline, "the connection is not counted");
    }
    drop(socket);
}

#[tokio::test]
async fn a_request_without_a_token_is_refused_before_the_upgrade() {
    let server = Server::start();
    for query in ["", "?access_token=", "?access_token=a.b.c"] {
        match connect_async(format!("ws://{}/ws{query}", server.address)).await {
            Err(Error::Http(response)) => assert_eq!(response.status(), 401, "{query}"),
            other => panic!("{query}: {other:?}"),
        }
    }
    let (status, _, body) = get(&server, "/ws").await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["error"]["code"]),
        (401, &Value::from("unauthorized"))
    );
}

#[tokio::test]
async fn the_header_does_what_the_query_does() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let mut request = format!("ws://{}/ws", server.address)
        .into_client_request()
        .unwrap();
    request.headers_mut().insert(
        "authorization",
        HeaderValue::try_from(format!("Bearer {token}")).unwrap(),
    );
    let (_socket, response) = connect_async(request).await.unwrap();
    assert_eq!(response.status(), 101);
    assert!(
        !response.headers().contains_key("sec-websocket-extensions"),
        "no compression"
    );

    let plain = reqwest::Client::new()
        .get(server.url("/ws"))
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert!(
        plain.status().is_client_error(),
        "no upgrade was asked for: {}",
        plain.status()
    );
}

#[tokio::test]
async fn a_bad_request_for_a_websocket_is_told_what_is_wrong() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let good = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (headers, body, status, reason) in [
        ("Content-Length: 5\r\n", "hello", 400, "no body"),
        (
            "Transfer-Encoding: chunked\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            400,
            "no body",
        ),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "",
            400,
            "one Sec-WebSocket-Key",
        ),
    ] {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let request = format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\
             {good}{headers}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        while !answer.contains("}}") {
            let mut piece = [0; 1024];
            let read = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap();
            let read = read.unwrap();
            assert!(read > 0, "{answer}");
            answer.push_str(str::from_utf8(&piece[..read]).unwrap());
        }
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(
            answer.contains("\"bad_request\"") && answer.contains(reason),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_new_channel_is_listed() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let client = reqwest::Client::new();
    let json = |request: reqwest::RequestBuilder, body: &'static str| {
        request
            .bearer_auth(&token)
            .header("content-type", "application/json")
            .body(body)
            .send()
    };
    let made = json(
        client.post(server.url("/api/channels")),
        r#"{"name":"Den","kind":"voice"}"#,
    )
    .await
    .unwrap();
    assert_eq!(made.status(), 201);
    let limited = json(
        client.patch(server.url("/api/channels/den")),
        r#"{"maxParticipants":2}"#,
    )
    .await
    .unwrap();
    assert_eq!(limited.status(), 200);
    let listed = client
        .get(server.url("/api/channels"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    let listed: Value = listed.json().await.unwrap();
    assert_eq!(
        (&listed[3]["id"], &listed[3]["maxParticipants"]),
        (&Value::from("den"), &Value::from(2))
    );
    let inside = client
        .get(server.url("/api/voice/den/participants"))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(
        inside.json::<Value>().await.unwrap(),
        Value::Array(Vec::new())
    );
}
