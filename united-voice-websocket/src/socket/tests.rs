mod reference;

use std::mem::discriminant;

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};

use super::*;

fn pair(read: impl AsRef<[u8]>) -> (DuplexStream, WebSocket<DuplexStream>) {
    let (client, server) = duplex(1024);
    (client, WebSocket::new(server, read, &Limits::default()))
}

/// A final frame under a mask of zeros.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("short");
    [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn what_http_had_read_comes_first() {
    let (mut client, mut socket) = pair(masked(1, "ä".as_bytes()));
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
    let (mut client, mut socket) = pair([]);
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

/// So a part of a message that is larger than the connection holds is seen.
#[tokio::test]
async fn bytes_count_as_soon_as_the_connection_takes_them() {
    let (mut client, mut socket) = pair([]);
    assert_eq!(socket.bytes_taken(), 0);
    let frame = Frame::Binary(vec![7; 5000].into());
    assert!(socket.send(frame).now_or_never().is_none());
    assert_eq!(socket.bytes_taken(), 1024);
    for taken in [2048, 3072, 4096, 5004] {
        client.read_exact(&mut [0; 1024]).await.unwrap();
        let flushed = socket.flush().now_or_never();
        assert_eq!(flushed.is_some(), taken == 5004);
        assert_eq!(socket.bytes_taken(), taken);
    }
}

#[tokio::test]
async fn a_peer_that_vanishes_broke_no_rule() {
    let (client, mut socket) = pair([]);
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
        let (client, mut socket) = pair(bytes);
        // Nothing follows, so a reader that waits for more comes to an end.
        drop(client);
        let error = socket.next().await.unwrap().expect_err("a broken rule");
        assert_eq!(discriminant(&error), discriminant(&expected), "{error:?}");
    }
}

#[tokio::test]
async fn after_a_broken_rule_the_rest_is_dropped() {
    let (mut client, mut socket) = pair(b"\x82\x01b");
    assert!(socket.next().await.unwrap().is_err());
    socket.send(Frame::Close(None)).await.unwrap();
    // Far more than the connection holds, and no frames.
    let sending = async {
        client.write_all(&vec![7; 1 << 20]).await.unwrap();
        let mut sent = Vec::new();
        client.read_to_end(&mut sent).await.unwrap();
        assert_eq!(sent, b"\x88\x00", "the close frame, and then the end");
        drop(client);
    };
    let ((), read) = tokio::join!(sending, socket.next());
    assert!(read.is_none(), "{read:?}");
    assert_eq!(memory(&socket), 0);
}

#[tokio::test]
async fn a_client_that_sends_without_end_does_not_keep_the_thread() {
    struct Endless;
    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            buf.put_slice(&vec![7; buf.remaining()]);
            Poll::Ready(Ok(()))
        }
    }
    let stream = tokio::io::join(Endless, tokio::io::sink());
    let mut socket = WebSocket::new(stream, [], &Limits::default());
    assert!(socket.next().await.unwrap().is_err());
    assert!(socket.next().now_or_never().is_none());
}

#[tokio::test]
async fn a_silent_connection_has_no_buffer() {
    let (mut client, mut socket) = pair(masked(2, b"early"));
    assert!(socket.next().await.unwrap().is_ok());
    assert_eq!(memory(&socket), 0, "the last message is handled");
    let three = [masked(1, b"one"), masked(9, b"two"), masked(2, b"three")].concat();
    client.write_all(&three).await.unwrap();
    for unread in [true, true, false] {
        assert!(socket.next().await.unwrap().is_ok());
        assert_eq!(socket.unread.capacity() > 0, unread);
    }
    assert!(socket.next().now_or_never().is_none());
    assert_eq!(memory(&socket), 0, "nothing came");
    let frame = Frame::Binary(vec![0; 300].into());
    socket.feed(frame).await.unwrap();
    assert!(memory(&socket) > 300, "not flushed yet");
    socket.flush().await.unwrap();
    assert_eq!(memory(&socket), 0, "all is sent");
}

#[tokio::test]
async fn a_message_in_pieces_takes_the_memory_of_what_has_come() {
    let (mut client, mut socket) = pair([]);
    let payload: Vec<u8> = (0..60_000_u32).map(|it| it.to_be_bytes()[3]).collect();
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let frame = [
        &[0x82, 0xfe, length[0], length[1], 0, 0, 0, 0],
        &payload[..],
    ]
    .concat();
    // A part of the header, the header with a little of the payload, and more of the payload.
    for (sent, most) in [(3, 0), (20, 40), (1000, 4000)] {
        client.write_all(&frame[..sent]).await.unwrap();
        assert!(socket.next().now_or_never().is_none());
        assert!(memory(&socket) <= most, "{} after {sent}", memory(&socket));
        (client, socket) = pair([]);
    }
    let mut read = None;
    for piece in frame.chunks(777) {
        assert!(read.is_none());
        client.write_all(piece).await.unwrap();
        read = socket.next().now_or_never();
        assert!(memory(&socket) <= payload.len(), "{}", memory(&socket));
    }
    assert_eq!(
        read.unwrap().unwrap().unwrap(),
        Frame::Binary(payload.into())
    );
    assert_eq!(memory(&socket), 0);
}

#[tokio::test]
async fn each_frame_of_a_message_in_fragments_is_handed_out() {
    // Not final: a text and continuations, two of them empty.
    let fragment = |opcode: u8, payload: &[u8]| {
        let mut frame = masked(opcode, payload);
        frame[0] &= 0x0f;
        frame
    };
    let bytes = [
        fragment(1, "ä".as_bytes().split_at(1).0),
        fragment(0, b""),
        masked(9, b"ping"),
        fragment(0, b""),
        masked(0, "ä".as_bytes().split_at(1).1),
        fragment(2, b""),
        masked(0, b""),
    ];
    let (_client, mut socket) = pair(bytes.concat());
    let expected = [
        Frame::Fragment,
        Frame::Fragment,
        Frame::Ping("ping".into()),
        Frame::Fragment,
        Frame::Text("ä".into()),
        Frame::Fragment,
        Frame::Binary("".into()),
    ];
    for frame in expected {
        assert_eq!(socket.next().await.unwrap().unwrap(), frame);
    }
    assert!(socket.next().now_or_never().is_none());
}

/// `drive` reads a limited number of frames before other tasks get a turn. So the socket must not
/// read any number of frames for one.
#[tokio::test]
async fn no_number_of_fragments_is_read_at_once() {
    struct Endless;
    impl AsyncRead for Endless {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let empty = b"\x00\x80\0\0\0\0";
            buf.put_slice(&empty.repeat(buf.remaining() / empty.len()));
            Poll::Ready(Ok(()))
        }
    }
    let stream = tokio::io::join(Endless, tokio::io::sink());
    let begun = b"\x02\x80\0\0\0\0";
    let mut socket = WebSocket::new(stream, begun, &Limits::default());
    for _ in 0..10_000 {
        let read = socket.next().now_or_never();
        assert!(matches!(read, Some(Some(Ok(Frame::Fragment)))), "{read:?}");
    }
    assert!(memory(&socket) <= 16 * 1024, "{}", memory(&socket));
}

#[tokio::test]
async fn what_the_client_does_not_take_is_kept_and_no_more() {
    let (mut client, mut socket) = pair([]);
    let mut expected = Vec::new();
    let mut fed = 0_u8;
    while let Some(ready) = socket
        .feed(Frame::Binary(vec![fed; 100].into()))
        .now_or_never()
    {
        ready.unwrap();
        expected.extend([0x82, 100]);
        expected.extend([fed; 100]);
        fed += 1;
        let flushed = socket.flush().now_or_never().is_some();
        assert_eq!(flushed, expected.len() <= 1024, "{fed}");
    }
    let waiting = expected.len() - 1024;
    assert!(waiting >= 8 * 1024, "{waiting}");
    assert!(memory(&socket) < 2 * waiting, "{}", memory(&socket));
    let mut taken = vec![0; expected.len()];
    let (read, flushed) = tokio::join!(client.read_exact(&mut taken), socket.flush());
    read.unwrap();
    flushed.unwrap();
    assert_eq!(taken, expected);
    assert_eq!(memory(&socket), 0);
}

#[tokio::test]
async fn of_pings_that_cannot_be_answered_the_last_is() {
    let (mut client, mut socket) = pair([]);
    let large = Frame::Binary(vec![0; 10_000].into());
    socket.feed(large).await.unwrap();
    assert!(socket.flush().now_or_never().is_none());
    for number in 0..100 {
        client.write_all(&masked(9, &[number])).await.unwrap();
        let ping = socket.next().await.unwrap().unwrap();
        assert_eq!(ping, Frame::Ping(vec![number].into()));
    }
    assert!(memory(&socket) < 10_100, "{}", memory(&socket));
    let mut taken = vec![0; 4 + 10_000 + 3];
    let (read, flushed) = tokio::join!(client.read_exact(&mut taken), socket.flush());
    read.unwrap();
    flushed.unwrap();
    assert_eq!(taken[10_004..], [0x8a, 1, 99]);
}

#[tokio::test]
async fn no_pong_follows_the_close_frame() {
    let (mut client, mut socket) = pair([]);
    let large = Frame::Binary(vec![0; 10_000].into());
    socket.feed(large).await.unwrap();
    assert!(socket.flush().now_or_never().is_none());
    client.write_all(&masked(9, b"ping")).await.unwrap();
    let ping = socket.next().await.unwrap().unwrap();
    assert_eq!(ping, Frame::Ping("ping".into()));
    let mut taken = vec![0; 4 + 10_000 + 2];
    let (read, sent) = tokio::join!(
        client.read_exact(&mut taken),
        socket.send(Frame::Close(None))
    );
    read.unwrap();
    sent.unwrap();
    assert_eq!(taken[10_004..], [0x88, 0]);
    drop(socket);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, Vec::<u8>::new());
}

/// The bytes that a WebSocket has on the heap.
fn memory<S>(socket: &WebSocket<S>) -> usize {
    socket.unread.capacity() + socket.incoming.memory() + socket.outgoing.memory()
}
