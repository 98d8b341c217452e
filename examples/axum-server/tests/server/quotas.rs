//! The limits of the whole server and of each address.

use std::time::{Duration, Instant};

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    process::{PATIENCE, Server},
    raw::{HEALTHZ, ask, connect, connect_from, end, is_served, refused, status},
};

/// A request that a proxy passes on for a client.
fn forwarded(for_: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {for_}\r\n\r\n")
}

/// A request for a WebSocket that a proxy passes on for a client.
fn upgrade(token: &str, for_: &str) -> String {
    format!(
        "GET /ws?access_token={token} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {for_}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// Opens connections that have been served.
async fn served(server: &Server, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = connect(server).await;
        assert!(is_served(&mut stream).await);
        open.push(stream);
    }
    open
}

/// Waits until the server takes a connection. It may not have seen the end of another yet.
async fn becomes_served(server: &Server) {
    let begun = Instant::now();
    while !is_served(&mut connect(server).await).await {
        assert!(begun.elapsed() < PATIENCE, "no connection is taken again");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the server closes the next connection at once.
async fn is_closed(server: &Server) -> bool {
    let mut stream = connect(server).await;
    // Without a request: the server must not wait for one.
    end(&mut stream, PATIENCE / 4).await.is_empty()
}

#[tokio::test]
async fn connections_of_an_address_are_limited() {
    let server = Server::start_configured(
        "[server]\ntrusted_proxies = []\n[limits]\nmax_connections_per_address = 5",
    );
    let mut open = served(&server, 5).await;
    for _ in 0..20 {
        assert!(is_closed(&server).await);
    }
    assert!(is_served(&mut connect_from(&server, "127.0.0.2").await).await);
    // Those that are open are served as before.
    for stream in &mut open {
        assert!(is_served(stream).await);
    }
    drop(open.pop());
    becomes_served(&server).await;
    drop(open);
    becomes_served(&server).await;
    assert!(refused(&server, "address_connections").await >= 20);
}

#[tokio::test]
async fn a_proxy_on_this_machine_may_open_many_connections() {
    let server = Server::start_configured("[limits]\nmax_connections_per_address = 2");
    served(&server, 20).await;
    assert_eq!(refused(&server, "address_connections").await, 0);
}

#[tokio::test]
async fn connections_are_limited_in_all() {
    let server = Server::start_configured("[limits]\nmax_connections = 6");
    let open = served(&server, 6).await;
    for _ in 0..20 {
        assert!(is_closed(&server).await);
    }
    drop(open);
    becomes_served(&server).await;
    assert!(refused(&server, "connections").await >= 20);
}

#[tokio::test]
async fn half_open_requests_are_limited() {
    let server = Server::start_configured("[limits]\nmax_half_open_requests = 5");
    let token = server.sign_in("Ada").await;
    let mut websockets = Vec::new();
    for _ in 0..10 {
        websockets.push(server.connect(&token).await);
    }
    // Neither WebSockets nor connections that wait for the next request are half open.
    let mut kept = served(&server, 10).await;
    let mut half = Vec::new();
    for _ in 0..8 {
        let mut stream = connect(&server).await;
        // The server may have closed it already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHo").await;
        half.push(stream);
    }
    // Five of them are left, and not for long: a request has 10 s.
    let begun = Instant::now();
    while half.len() > 5 {
        assert!(begun.elapsed() < PATIENCE / 3, "{} are left", half.len());
        let mut open = Vec::new();
        for stream in half {
            let mut byte = [0];
            let closed = timeout(Duration::from_millis(20), stream.peek(&mut byte)).await;
            if closed.is_err() {
                open.push(stream);
            }
        }
        half = open;
    }
    assert_eq!(half.len(), 5);
    // The next request of a connection is one too.
    let mut last = kept.pop().unwrap();
    last.write_all(b"GET / HT").await.unwrap();
    let rest = end(&mut last, PATIENCE / 4).await;
    assert_eq!(rest, "ok\n", "the body of the answer before, and no more");
    assert_eq!(status(&mut half[0], "st: x\r\n\r\n").await, 200);
    assert!(is_served(&mut kept[0]).await, "there is room for one now");
    drop(half);
    becomes_served(&server).await;
    assert!(refused(&server, "half_open_requests").await >= 2);
}

#[tokio::test]
async fn requests_of_an_address_are_limited() {
    let server = Server::start_configured("[limits]\nrequests_per_minute_per_address = 20");
    let token = server.sign_in("Ada").await;
    let mut proxy = connect(&server).await;
    // An IPv6 client may choose among its addresses, and a client may send the header itself.
    let clients: [&[&str]; 3] = [
        &[
            "192.0.2.1",
            "198.51.100.7, 192.0.2.1",
            "10.0.0.1, 192.0.2.1, 127.0.0.1",
        ],
        &["192.0.2.2"],
        &["2001:db8::1", "2001:db8::ffff:1:2:3"],
    ];
    for client in clients {
        let asked = Instant::now();
        let mut answered = 0;
        let refusal = loop {
            let request = forwarded(client[answered % client.len()]);
            let answer = ask(&mut proxy, &request).await;
            if !answer.starts_with("HTTP/1.1 200 ") {
                break answer;
            }
            answered += 1;
            // The bodies of the answers.
            skip(&mut proxy, "ok\n").await;
        };
        let more = usize::try_from(asked.elapsed().as_secs() / 3).unwrap();
        assert!((20..=21 + more).contains(&answered), "{answered}");
        assert!(refusal.starts_with("HTTP/1.1 429 "), "{refusal}");
        let wait = refusal
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
        let wait: u64 = wait.expect(&refusal).1.parse().unwrap();
        assert!((1..=4).contains(&wait), "{refusal}");
        proxy = connect(&server).await;
        let request = upgrade(&token, client[0]);
        assert_eq!(status(&mut proxy, &request).await, 429);
        proxy = connect(&server).await;
    }
    // A proxy that names no client has no limit.
    for _ in 0..50 {
        assert_eq!(status(&mut proxy, HEALTHZ).await, 200);
        skip(&mut proxy, "ok\n").await;
    }
    assert_eq!(refused(&server, "requests").await, 6);
}

/// Reads the body of an answer.
async fn skip(stream: &mut TcpStream, body: &str) {
    use tokio::io::AsyncReadExt as _;
    let mut bytes = vec![0; body.len()];
    stream.read_exact(&mut bytes).await.unwrap();
    assert_eq!(bytes, body.as_bytes());
}

#[tokio::test]
async fn what_a_client_says_of_itself_is_not_believed() {
    let server = Server::start_configured(
        "[server]\ntrusted_proxies = []\n[limits]\nrequests_per_minute_per_address = 10",
    );
    let mut statuses = Vec::new();
    for number in 0..12 {
        let request = forwarded(&format!("192.0.2.{number}"));
        statuses.push(status(&mut connect(&server).await, &request).await);
    }
    assert_eq!((statuses[0], statuses.last()), (200, Some(&429)));
}

#[tokio::test]
async fn sign_ins_of_an_address_are_limited() {
    let server = Server::start_configured("[limits]\nsign_ins_per_minute_per_address = 3");
    let sign_in = async |client: &str| {
        let request = reqwest::Client::new().post(server.url("/api/dev/login"));
        let request = request
            .header("X-Forwarded-For", client)
            .json(&serde_json::json!({ "displayName": "Ada" }));
        request.send().await.unwrap().status().as_u16()
    };
    for client in ["192.0.2.1", "192.0.2.2"] {
        for _ in 0..3 {
            assert_eq!(sign_in(client).await, 200);
        }
        assert_eq!(sign_in(client).await, 429);
    }
    let request = forwarded("192.0.2.1");
    assert_eq!(status(&mut connect(&server).await, &request).await, 200);
    assert_eq!(refused(&server, "sign_ins").await, 2);
}

#[tokio::test]
async fn websockets_of_a_client_behind_a_proxy_are_limited() {
    let server = Server::start_configured("[limits]\nmax_connections_per_address = 2");
    let token = server.sign_in("Ada").await;
    let open = async |client: &str| {
        let mut stream = connect(&server).await;
        let status = status(&mut stream, &upgrade(&token, client)).await;
        (status, stream)
    };
    let (first, second) = (open("192.0.2.1").await, open("192.0.2.1").await);
    assert_eq!((first.0, second.0), (101, 101));
    assert_eq!(open("192.0.2.1").await.0, 429);
    let other = open("192.0.2.2").await;
    assert_eq!(other.0, 101);
    drop(first);
    let begun = Instant::now();
    while open("192.0.2.1").await.0 != 101 {
        assert!(begun.elapsed() < PATIENCE, "the place is not free again");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(refused(&server, "address_connections").await >= 1);
}
