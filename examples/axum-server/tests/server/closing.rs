//! The last messages of the server arrive, even if the client is still sending.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::process::{PATIENCE, Server};

/// Far more than the buffers of both kernels hold.
const TOO_MUCH: usize = 10 << 20;

#[tokio::test]
async fn a_message_of_10_mib_is_answered_by_close_1009() {
    let server = Server::start();
    let token = server.sign_in("Ada").await;
    for _ in 0..5 {
        let (mut sink, mut stream) = server.connect(&token).await.split();
        let sender =
            tokio::spawn(async move { sink.send(Message::binary(vec![7; TOO_MUCH])).await });
        // A browser that fails to send reports that failure, and not the close code that it has not
        // read yet.
        let sent = timeout(PATIENCE, sender).await.unwrap();
        sent.unwrap().expect("the server reads on");
        match timeout(PATIENCE, stream.next()).await.expect("an answer") {
            Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1009),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_message_is_refused_by_the_length_that_it_announces() {
    let server = Server::start();
    let mut socket = server.connect(&server.sign_in("Ada").await).await;
    // The header of a final binary frame of 1 TiB, with a mask of zeros. No content follows.
    let mut head = vec![0x82, 0xff];
    head.extend((1_u64 << 40).to_be_bytes());
    head.extend([0; 4]);
    socket.get_mut().write_all(&head).await.unwrap();
    match timeout(PATIENCE, socket.next()).await.expect("an answer") {
        Some(Ok(Message::Close(Some(close)))) => assert_eq!(u16::from(close.code), 1009),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_body_of_10_mib_is_answered_by_413() {
    let server = Server::start();
    for _ in 0..5 {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        let head = format!(
            "POST /api/dev/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {TOO_MUCH}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let body = vec![b' '; TOO_MUCH];
        let sent = timeout(PATIENCE, stream.write_all(&body)).await.unwrap();
        sent.expect("the server reads on");
        let mut answer = String::new();
        let read = timeout(PATIENCE, stream.read_to_string(&mut answer))
            .await
            .unwrap();
        read.expect("the connection ends in order");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_never_stops_sending_is_cut_off() {
    let server = Server::start();
    let (mut sink, _stream) = server.connect(&server.sign_in("Ada").await).await.split();
    let flood = async { while sink.send(Message::binary(vec![7; 1 << 20])).await.is_ok() {} };
    timeout(PATIENCE, flood)
        .await
        .expect("the server closes the socket");
}

const HEALTHZ: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Sends a request over a connection, and reads its answer.
async fn ask(socket: &mut TcpStream) {
    socket.write_all(HEALTHZ).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let read = timeout(PATIENCE, socket.read_buf(&mut answer))
            .await
            .unwrap();
        assert_ne!(read.unwrap(), 0, "closed after {answer:?}");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{answer:?}");
}

#[tokio::test]
async fn sockets_that_ask_for_nothing_are_not_held() {
    let server = Server::start();
    let connect = async || TcpStream::connect(&server.address).await.unwrap();
    let mut used = connect().await;
    ask(&mut used).await;
    let (mut silent, mut half, mut second) = (connect().await, connect().await, connect().await);
    half.write_all(b"GET / HTTP/1.1\r\nHost: loc")
        .await
        .unwrap();
    ask(&mut second).await;
    // The head of the second request drips.
    let (mut dripping, mut drips) = second.into_split();
    let drip = async {
        while drips.write_all(b"G").await.is_ok() {
            sleep(Duration::from_secs(1)).await;
        }
    };
    let mut read = Vec::new();
    let all = async {
        silent.read_to_end(&mut read).await.unwrap();
        half.read_to_end(&mut read).await.unwrap();
        // A client that still writes may see a reset.
        let _ = dripping.read_to_end(&mut read).await;
    };
    let all = async {
        tokio::select! {
            () = all => {}
            () = drip => {}
        }
    };
    timeout(2 * PATIENCE, all)
        .await
        .expect("the server closes them all");
    assert!(
        read.is_empty() || read.starts_with(b"HTTP/1.1 408"),
        "{read:?}"
    );
    // They were closed 10 s after their last byte. A connection that was used is kept for longer
    // than proxies keep it.
    ask(&mut used).await;
}
