//! Clients that take too long, read nothing, or send what is no request.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    process::{PATIENCE, Server},
    raw::{HEALTHZ, ask, connect, end, exchange, is_served, refused, status},
};

const POST: &str = "POST /api/dev/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

/// Sends a byte now and then until the server closes the connection. Returns all that it answered.
async fn drip(mut stream: TcpStream, drop: &[u8]) -> String {
    let (mut answers, mut sender) = stream.split();
    let send = async {
        while sender.write_all(drop).await.is_ok() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    let mut answer = Vec::new();
    let read = async {
        let _ = answers.read_to_end(&mut answer).await;
    };
    let ended = async {
        tokio::select! {
            () = read => {}
            () = send => {}
        }
    };
    timeout(3 * PATIENCE, ended)
        .await
        .expect("the server closes the connection");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn no_request_may_go_on_for_ever() {
    let server = Server::start();
    let started = async |beginning: &str| {
        let mut stream = connect(&server).await;
        // The limits hold for every request of a connection.
        ask(&mut stream, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        stream
    };
    let head = started("GET /healthz HTTP/1.1\r\nHost: x\r\nX: ").await;
    let body = started(&format!("{POST}Content-Length: 10000\r\n\r\n")).await;
    let chunks = started(&format!("{POST}Transfer-Encoding: chunked\r\n\r\n")).await;
    let trailers = started(&format!("{POST}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ")).await;
    let size = started(&format!("{POST}Transfer-Encoding: chunked\r\n\r\n5")).await;
    let answers = tokio::join!(
        drip(head, b"a"),
        drip(body, b"a"),
        drip(chunks, b"1\r\na\r\n"),
        drip(trailers, b"a"),
        async {
            // Half a chunk size goes on after the answer 408.
            let mut size = size;
            let refused = ask(&mut size, "").await;
            refused + &drip(size, b"0").await
        },
    );
    for answer in [answers.0, answers.1, answers.2, answers.3, answers.4] {
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer:?}"
        );
    }
    assert!(refused(&server, "too_slow").await >= 4);
}

/// How many clients pipeline requests without reading.
const SILENT: usize = 20;

#[tokio::test]
async fn answers_that_nobody_reads_do_not_pile_up() {
    let server = Server::start();
    let mut watching = connect(&server).await;
    assert!(is_served(&mut watching).await);
    let before = server.memory();
    let requests = "GET /assets/style.css HTTP/1.1\r\nHost: x\r\n\r\n".repeat(500);
    let flood = async |_| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket
            .connect(server.address.parse().unwrap())
            .await
            .unwrap();
        while stream.write_all(requests.as_bytes()).await.is_ok() {}
    };
    let floods = futures::future::join_all((0..SILENT).map(flood));
    let mut peak = before;
    let watch = async {
        loop {
            peak = peak.max(server.memory());
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        ended = timeout(9 * PATIENCE, floods) => {
            ended.expect("the server ends connections that read nothing");
        }
        () = watch => {}
    }
    // The Actix server took more than 3 GiB for 200 clients.
    assert!(peak - before < 40 << 20, "{before} B became {peak} B");
    assert_eq!(refused(&server, "unread").await, SILENT as u64);
    assert!(is_served(&mut connect(&server).await).await);
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_their_order() {
    let server = Server::start();
    let body = r#"{"displayName":""}"#;
    let post = format!("{POST}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n");
    let other = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    let asset = "GET /assets/style.css HTTP/1.1\r\nHost: x\r\n\r\n";
    let some = [HEALTHZ, &post, other, asset, &chunked, asset].concat();
    let last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut stream = connect(&server).await;
    let all = some.repeat(40) + last;
    let (mut answers, mut sender) = stream.split();
    let mut text = Vec::new();
    let send = async {
        // In small pieces, so that requests are cut anywhere.
        for piece in all.as_bytes().chunks(700) {
            sender.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
    };
    let read = async {
        answers.read_to_end(&mut text).await.unwrap();
    };
    timeout(2 * PATIENCE, async { tokio::join!(send, read) })
        .await
        .expect("all answers come");
    let text = String::from_utf8(text).unwrap();
    let answered = text.split("HTTP/1.1 ").skip(1);
    let answered: Vec<_> = answered.map(|answer| &answer[..3]).collect();
    let mut expected = ["200", "400", "404", "200", "400", "200"].repeat(40);
    expected.push("200");
    assert_eq!(answered, expected);
}

#[tokio::test]
async fn a_flood_of_bad_requests_fills_no_log() {
    let mut server = Server::start();
    let too_large = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(300_000)
    );
    let bad = [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nmany\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        // The client goes in the middle of its request.
        "POST /api/dev/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na",
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nmore",
        "GET / HTT",
    ];
    for _ in 0..20 {
        for request in bad {
            exchange(&server, request).await;
        }
    }
    for _ in 0..5 {
        let mut stream = connect(&server).await;
        let _ = stream.write_all(too_large.as_bytes()).await;
        end(&mut stream, PATIENCE).await;
    }
    assert!(refused(&server, "bad_request").await >= 5 * 20);
    assert_eq!(status(&mut connect(&server).await, HEALTHZ).await, 200);
    server.signal(Signal::TERM);
    let (ended, log) = server.ended();
    assert!(ended.success(), "{log}");
    let loud = |line: &&str| line.contains("ERROR") || line.contains("WARN");
    assert_eq!(log.lines().filter(loud).count(), 0, "{log}");
    assert!(log.lines().count() < 20, "{log}");
}

#[tokio::test]
async fn a_handler_that_waits_holds_up_only_its_connection() {
    let server = Server::start();
    let begun = Instant::now();
    let mut waiting = connect(&server).await;
    let unfinished = format!("{POST}Content-Length: 5\r\n\r\n{{");
    waiting.write_all(unfinished.as_bytes()).await.unwrap();
    for _ in 0..20 {
        assert!(is_served(&mut connect(&server).await).await);
    }
    assert_eq!(status(&mut waiting, "}   ").await, 400);
    assert!(begun.elapsed() < PATIENCE);
}
