//! TCP, byte for byte.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::{self, Instant, timeout},
};

use crate::support::{Allocation, PATIENCE, Transport, relay, talk};

/// A binding request without attributes.
pub(crate) const BINDING: [u8; 20] = [
    0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
];

/// The length of its answer: header, mapped address (IPv4) and fingerprint.
pub(crate) const BINDING_ANSWER: usize = 20 + 12 + 8;

/// Whether a binding request is answered. If it is not, the connection is closed.
pub(crate) async fn binding_is_answered(stream: &mut TcpStream) -> bool {
    // The connection may be closed already.
    if stream.write_all(&BINDING).await.is_err() {
        return false;
    }
    let mut answer = [0; BINDING_ANSWER];
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    let answered = read.expect("an answer or an end in time").is_ok();
    assert!(!answered || (answer[..2] == [1, 1] && answer[8..20] == BINDING[8..]));
    answered
}

#[tokio::test]
async fn messages_may_come_in_pieces_and_together() {
    let relay = relay().await;
    let mut stream = TcpStream::connect(relay.local_addr()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in &BINDING[..19] {
        stream.write_all(&[*byte]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(&BINDING[19..]).await.unwrap();
    let mut answer = [0; BINDING_ANSWER];
    timeout(PATIENCE, stream.read_exact(&mut answer))
        .await
        .unwrap()
        .unwrap();
    stream.write_all(&BINDING.repeat(3)).await.unwrap();
    let mut answers = [0; 3 * BINDING_ANSWER];
    timeout(PATIENCE, stream.read_exact(&mut answers))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answers[..BINDING_ANSWER], answer);
    relay.close().await;
}

#[tokio::test]
async fn garbage_ends_the_connection_and_nothing_else() {
    let relay = relay().await;
    let mut good = TcpStream::connect(relay.local_addr()).await.unwrap();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0x16, 3, 1, 2, 0],
        &[0xff; 64],
        &[0, 1, 0xff, 0xfc],
        &[0x40, 0, 0xff, 0xff],
    ] {
        let mut bad = TcpStream::connect(relay.local_addr()).await.unwrap();
        bad.write_all(garbage).await.unwrap();
        let end = timeout(PATIENCE, bad.read(&mut [0; 64])).await;
        // If bytes are unread, the end is a reset.
        assert!(matches!(end.expect("an end in time"), Ok(0) | Err(_)));
        assert!(binding_is_answered(&mut good).await, "{garbage:?}");
    }
    relay.close().await;
}

#[tokio::test]
async fn garbage_by_udp_disturbs_nobody() {
    let relay = relay().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(relay.local_addr()).await.unwrap();
    for length in 0..100 {
        let mut garbage = BINDING.to_vec();
        garbage.resize(20 + length, u8::try_from(length).unwrap());
        for kind in [0, 1, 3, 4, 8, 9, 0x40, 0xff] {
            garbage[1] = kind;
            garbage[3] = u8::try_from(length).unwrap() & !3;
            socket.send(&garbage).await.unwrap();
            socket.send(&garbage[..length]).await.unwrap();
        }
        socket.send(&[0x40; 1501]).await.unwrap();
    }
    let one = Allocation::of("alice", relay.local_addr(), Transport::Udp).await;
    let other = Allocation::of("bob", relay.local_addr(), Transport::Tcp).await;
    talk(&one, &other).await;
    relay.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_closed() {
    let relay = relay().await;
    for beginning in [&[][..], &BINDING[..7]] {
        let start = Instant::now();
        let mut stream = TcpStream::connect(relay.local_addr()).await.unwrap();
        stream.write_all(beginning).await.unwrap();
        let end = timeout(Duration::from_secs(60), stream.read(&mut [0; 1])).await;
        assert!(matches!(end.expect("an end in time"), Ok(0) | Err(_)));
        let lasted = start.elapsed().as_secs();
        assert!((15..17).contains(&lasted), "{lasted} s");
    }
}

#[tokio::test]
async fn a_silent_connection_with_an_allocation_is_kept() {
    let relay = relay().await;
    let one = Allocation::of("alice", relay.local_addr(), Transport::Tcp).await;
    let other = Allocation::of("bob", relay.local_addr(), Transport::Udp).await;
    time::pause();
    for _ in 0..4 {
        time::advance(Duration::from_secs(16)).await;
    }
    time::resume();
    talk(&one, &other).await;
    relay.close().await;
}
