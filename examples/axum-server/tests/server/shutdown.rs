//! The end of the server, for well-behaved and for hostile clients.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use rustix::process::Signal;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::process::{PATIENCE, Server};

/// The longest time that the server may take to end, as its documentation promises.
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn clients_get_1001_and_the_server_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        let mut socket = server.connect(&server.sign_in("Ada").await).await;
        server.signal(signal);
        match timeout(PATIENCE, socket.next()).await.unwrap() {
            Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1001),
            other => panic!("{other:?}"),
        }
        // The server waits only for the answer to its close frame.
        let answered = Instant::now();
        while socket.next().await.is_some() {}
        let (status, errors) = server.ended();
        assert!(status.success(), "{status}: {errors}");
        assert!(
            answered.elapsed() < Duration::from_secs(2),
            "{:?}",
            answered.elapsed()
        );
    }
}

#[tokio::test]
async fn silent_clients_and_half_requests_delay_the_end_for_less_than_10_s() {
    let mut server = Server::start();
    let _silent_socket = server.connect(&server.sign_in("Ada").await).await;
    let _silent = TcpStream::connect(&server.address).await.unwrap();
    let mut half_head = TcpStream::connect(&server.address).await.unwrap();
    half_head
        .write_all(b"GET / HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    let mut half_body = TcpStream::connect(&server.address).await.unwrap();
    let request =
        b"POST /api/dev/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{";
    half_body.write_all(request).await.unwrap();
    // Connections are accepted in order. When this one is answered, the server has accepted the
    // others.
    reqwest::get(server.url("/healthz")).await.unwrap();
    let asked = Instant::now();
    server.signal(Signal::TERM);
    let (status, errors) = server.ended();
    assert!(status.success(), "{status}: {errors}");
    assert!(asked.elapsed() < LIMIT, "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_second_signal_ends_it_without_waiting() {
    let mut server = Server::start();
    let mut half_head = TcpStream::connect(&server.address).await.unwrap();
    half_head.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    reqwest::get(server.url("/healthz")).await.unwrap();
    let asked = Instant::now();
    server.signal(Signal::TERM);
    // Once connections are refused, the server has handled the first signal. Two signals at once
    // would count as one.
    while TcpStream::connect(&server.address).await.is_ok() {
        assert!(asked.elapsed() < PATIENCE, "it still accepts");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.signal(Signal::TERM);
    let (status, errors) = server.ended();
    assert!(status.success(), "{status}: {errors}");
    assert!(errors.contains("ending at once"), "{errors}");
    assert!(
        asked.elapsed() < Duration::from_secs(2),
        "{:?}",
        asked.elapsed()
    );
}
