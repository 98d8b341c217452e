//! From the request to the first message.

use united_voice_adapter_tests::{Client, Kind, Server, each_server};
use united_voice_core::Codec;

each_server!(
    the_subprotocol_settles_the_encoding,
    without_a_known_subprotocol_the_first_message_settles_it,
    the_hosts_sign_in_is_asked_first,
    a_request_that_asks_for_no_websocket_is_refused,
);

const PROTO: &str = "united.voice.v1.proto";
const JSON: &str = "united.voice.v1.json";

async fn the_subprotocol_settles_the_encoding(kind: Kind) {
    let server = Server::start(kind);
    let both = format!("chat, {JSON}, {PROTO}");
    // axum's own extractor does not show the order of the offers.
    let first = if kind == Kind::AxumOwn { PROTO } else { JSON };
    for (offers, chosen) in [(PROTO, PROTO), (JSON, JSON), (both.as_str(), first)] {
        let mut client = Client::offer(&server, "ada", offers).await;
        assert_eq!(client.header("sec-websocket-protocol"), Some(chosen));
        client.codec = Codec::from_subprotocol(chosen).unwrap();
        client.join().await;
        // A message of the other kind is answered in the connection's own.
        client.send(if chosen == JSON { 2 } else { 1 }, b"{}").await;
        client.payload().await;
    }
}

async fn without_a_known_subprotocol_the_first_message_settles_it(kind: Kind) {
    let server = Server::start(kind);
    for codec in [Codec::Protobuf, Codec::Json] {
        let mut client = Client::offer(&server, "ada", "chat").await;
        assert_eq!(client.header("sec-websocket-protocol"), None);
        client.codec = codec;
        client.join().await;
    }
}

async fn the_hosts_sign_in_is_asked_first(kind: Kind) {
    let server = Server::start(kind);
    let good = Client::request(&server, "").await;
    assert_eq!(good.status(), 401);
    let bad = "GET /voice HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_eq!(Client::send_request(&server, bad).await.status(), 401);
    assert_eq!(server.voice.connections(), 0);
}

async fn a_request_that_asks_for_no_websocket_is_refused(kind: Kind) {
    let server = Server::start(kind);
    let plain = "GET /voice HTTP/1.1\r\nHost: localhost\r\nX-User: ada\r\n\r\n";
    let answer = Client::send_request(&server, plain).await;
    assert!((400..500).contains(&answer.status()), "{}", answer.head);
    assert_eq!(server.voice.connections(), 0);
}

/// axum's own extractor has answers of its own, and does not see bodies.
#[tokio::test]
async fn a_refusal_says_what_is_wrong() {
    const GOOD: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let good = |more: &str| format!("{GOOD}{more}");
    let cases = [
        ("GET", GOOD.replace("Connection", "X"), 400, "Connection"),
        ("GET", GOOD.replace("Upgrade: w", "X: w"), 400, "Upgrade"),
        ("GET", GOOD.replace("-Key", "-X"), 400, "Sec-WebSocket-Key"),
        ("GET", GOOD.replace("13", "8"), 426, "version 13"),
        ("GET", good("Content-Length: 5\r\n"), 400, "no body"),
        (
            "GET",
            good("Transfer-Encoding: chunked\r\n"),
            400,
            "no body",
        ),
        ("POST", good("Content-Length: 0\r\n"), 405, "GET"),
    ];
    for kind in [Kind::Axum, Kind::Actix] {
        let server = Server::start(kind);
        for (method, headers, status, reason) in &cases {
            let host = "Host: localhost\r\nX-User: ada\r\n";
            let mut request = format!("{method} /voice HTTP/1.1\r\n{host}{headers}\r\n");
            if headers.contains("chunked") {
                request.push_str("5\r\nhello\r\n0\r\n\r\n");
            } else if headers.contains("5\r\n") {
                request.push_str("hello");
            }
            let mut answer = Client::send_request(&server, &request).await;
            assert_eq!(answer.status(), *status, "{kind:?}: {headers}");
            let version = answer.header("sec-websocket-version");
            assert_eq!(version, (*status == 426).then_some("13"), "{kind:?}");
            let body = answer.body().await;
            assert!(body.contains(reason), "{kind:?}: {headers}{body}");
        }
        assert_eq!(server.voice.connections(), 0, "{kind:?}");
    }
}
