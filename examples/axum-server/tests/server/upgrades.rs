//! Requests for a WebSocket that are not quite right, and those that programs could read in
//! different ways.

use crate::{
    process::Server,
    raw::{HEALTHZ, connect, exchange, status},
};

/// A request for a WebSocket with more headers.
fn upgrade(token: &str, more: &str) -> String {
    format!(
        "GET /ws?access_token={token} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    )
}

#[tokio::test]
async fn a_request_for_a_websocket_has_one_meaning() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let good = upgrade(&token, "");
    let mut cases = vec![
        (good.clone(), 101),
        (good.replace("GET /ws", "GET http://x/ws"), 101),
        (good.replace("\r\n", "\n"), 101),
        (good.replace("HTTP/1.1", "HTTP/1.0"), 400),
        (good.replace("HTTP/1.1", "HTTP/2.0"), 400),
        (good.replace("Host: x\r\n", ""), 400),
    ];
    for (more, expected) in [
        ("Content-Length: 0\r\n", 101),
        ("Expect: 100-continue\r\n", 101),
        ("Upgrade: h2c\r\n", 101),
        ("Content-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nExpect: 100-continue\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: 5, 5\r\n", 400),
        ("Content-Length: +5\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 00\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Transfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        ("Transfer-Encoding: chunked, identity\r\n", 400),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            400,
        ),
        ("Transfer-Encoding : chunked\r\n", 400),
        ("Transfer-Encoding:\r\n chunked\r\n", 400),
        ("X-Folded: a\r\n b\r\n", 400),
        ("X-Nul: a\0b\r\n", 400),
        ("X-Cr: a\rb\r\n", 400),
        ("Host: y\r\n", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        ("Sec-WebSocket-Version: 8\r\n", 426),
    ] {
        cases.push((upgrade(&token, more), expected));
    }
    for (request, expected) in cases {
        let answered = status(&mut connect(&server).await, &request).await;
        assert_eq!(answered, expected, "{request:?}");
    }
}

#[tokio::test]
async fn what_follows_a_request_with_a_body_is_not_a_request() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    let length = format!("Content-Length: {}\r\n", HEALTHZ.len());
    let chunk = format!("{:x}\r\n{HEALTHZ}\r\n0\r\n\r\n", HEALTHZ.len());
    let post = "POST /healthz HTTP/1.1\r\nHost: x\r\n";
    for request in [
        upgrade(&token, &length) + HEALTHZ,
        upgrade(&token, "Transfer-Encoding: chunked\r\n") + &chunk,
        format!("{post}{length}\r\n{HEALTHZ}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}"),
        // Some programs would take the first header, and some the second.
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{HEALTHZ}"),
        format!("{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HEALTHZ}"),
    ] {
        let answers = exchange(&server, &request).await;
        assert!(
            answers.starts_with("HTTP/1.1 4"),
            "{answers:?} to {request:?}"
        );
        assert_eq!(
            answers.matches("HTTP/1.1 ").count(),
            1,
            "{answers:?} to {request:?}"
        );
    }
}
