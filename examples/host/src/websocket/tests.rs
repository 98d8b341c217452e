use std::mem::discriminant;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

async fn pair(read: &[u8]) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (client, server) = duplex(1024);
    (
        client,
        WebSocket::new(server, read, &Limits::default()).await,
    )
}

/// A final frame under a mask of zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn what_http_had_read_comes_first() {
    let (mut client, mut socket) = pair(&masked(1, "ä".as_bytes())).await;
    client.write_all(&masked(2, b"b")).await.unwrap();
    drop(client);
    let first = socket.next().await.unwrap().unwrap();
    assert!(
        matches!(&first, Frame::Text(text) if text == "ä"),
        "{first:?}"
    );
    let second = socket.next().await.unwrap().unwrap();
    assert!(
        matches!(&second, Frame::Binary(bytes) if bytes == "b"),
        "{second:?}"
    );
}

#[tokio::test]
async fn frames_are_written_as_they_are() {
    let (mut client, mut socket) = pair(&[]).await;
    let close = CloseFrame {
        code: 1013,
        reason: "slow".into(),
    };
    for frame in [
        Frame::Binary("b".into()),
        Frame::Text("t".into()),
        Frame::Ping("i".into()),
        Frame::Close(Some(close)),
    ] {
        socket.send(frame).await.unwrap();
    }
    drop(socket);
    let mut sent = Vec::new();
    client.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent, b"\x82\x01b\x81\x01t\x89\x01i\x88\x06\x03\xf5slow");
}

#[tokio::test]
async fn a_peer_that_vanishes_broke_no_rule() {
    let (client, mut socket) = pair(&[]).await;
    drop(client);
    let read = socket.next().await;
    assert!(matches!(read, Some(Err(TransportError::Io(_)))), "{read:?}");
}

#[tokio::test]
async fn broken_rules_are_told_apart() {
    let over = u64::try_from(Limits::default().max_message_bytes + 1).unwrap();
    let announced = [&[0x82, 0xff][..], &over.to_be_bytes(), &[0; 4]].concat();
    let cases: [(&[u8], TransportError); 3] = [
        (&announced, TransportError::TooLarge),
        (&masked(1, &[0xff]), TransportError::InvalidUtf8),
        // Clients mask all that they send.
        (b"\x82\x01b", TransportError::Protocol),
    ];
    for (bytes, expected) in cases {
        let (client, mut socket) = pair(bytes).await;
        // Nothing follows: whoever waits for more comes to an end.
        drop(client);
        let error = socket.next().await.unwrap().expect_err("a broken rule");
        assert_eq!(discriminant(&error), discriminant(&expected), "{error:?}");
    }
}
