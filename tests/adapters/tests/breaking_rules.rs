//! What a client must not send, and how the server closes then.

use std::time::Duration;

use tokio::time::timeout;
use united_voice_adapter_tests::{Client, Kind, Received, Server, each_server};
use united_voice_core::Limits;

each_server!(
    a_message_may_be_as_large_as_the_limit,
    a_larger_message_is_closed_with_1009,
    a_larger_message_in_fragments_is_closed_with_1009,
    a_message_is_refused_by_the_length_that_it_announces,
    text_that_is_not_utf_8_is_closed_with_1007,
    broken_frames_are_closed_with_1002,
    others_do_not_notice,
    pings_over_the_rate_are_closed_with_1008,
);

/// The default of `Limits::max_message_bytes`.
const LIMIT: usize = 128 << 10;

async fn a_message_may_be_as_large_as_the_limit(kind: Kind) {
    let server = Server::start(kind);
    let mut client = Client::open(&server, "ada").await;
    client.send(1, &vec![b' '; LIMIT]).await;
    // The answer says that it is no good message.
    client.payload().await;
    client.join().await;
}

async fn a_larger_message_is_closed_with_1009(kind: Kind) {
    let server = Server::start(kind);
    let mut client = Client::open(&server, "ada").await;
    client.send(1, &vec![b' '; LIMIT + 1]).await;
    assert_eq!(client.close_code().await, 1009);
    client.closed().await;
}

async fn a_larger_message_in_fragments_is_closed_with_1009(kind: Kind) {
    let server = Server::start(kind);
    let mut client = Client::open(&server, "ada").await;
    // Text that is not final, and the rest: each is small enough.
    let mut first = vec![0x01, 0xfe, 0xff, 0xff, 0, 0, 0, 0];
    first.extend([b' '; 0xffff]);
    client.send_bytes(&first).await;
    client.send(0, &vec![b' '; LIMIT - 0xffff + 1]).await;
    assert_eq!(client.close_code().await, 1009);
}

async fn a_message_is_refused_by_the_length_that_it_announces(kind: Kind) {
    let server = Server::start(kind);
    let mut client = Client::open(&server, "ada").await;
    client.announce(1 << 30).await;
    assert_eq!(client.close_code().await, 1009);
}

async fn text_that_is_not_utf_8_is_closed_with_1007(kind: Kind) {
    let server = Server::start(kind);
    let mut client = Client::open(&server, "ada").await;
    client.send(1, b"\xff").await;
    assert_eq!(client.close_code().await, 1007);
}

async fn broken_frames_are_closed_with_1002(kind: Kind) {
    let server = Server::start(kind);
    let frames: [(&str, &[u8]); 4] = [
        ("without a mask", b"\x81\x02{}"),
        ("a reserved bit", b"\xc1\x82\0\0\0\0{}"),
        ("an unknown opcode", b"\x83\x82\0\0\0\0{}"),
        ("a ping in fragments", b"\x09\x80\0\0\0\0"),
    ];
    for (name, frame) in frames {
        let mut client = Client::open(&server, "ada").await;
        client.send_bytes(frame).await;
        assert_eq!(client.close_code().await, 1002, "{name}");
    }
}

async fn others_do_not_notice(kind: Kind) {
    let server = Server::start(kind);
    let mut ada = Client::open(&server, "ada").await;
    ada.join().await;
    let mut bob = Client::open(&server, "bob").await;
    bob.send_bytes(b"\x83\x80\0\0\0\0").await;
    assert_eq!(bob.close_code().await, 1002);
    ada.send(9, b"still there?").await;
    let pong = Received {
        opcode: 10,
        payload: b"still there?".to_vec(),
    };
    assert_eq!(ada.receive().await, pong);
}

/// A server that closes as soon as a client sends more than ten frames in a second.
fn strict(kind: Kind) -> Server {
    let mut limits = Limits::default();
    (limits.messages_per_second, limits.burst) = (1, 10);
    limits.max_excess = Duration::ZERO;
    Server::with_limits(kind, limits)
}

/// Sends a frame again and again until the server closes, and returns the code.
async fn closed_after(client: &mut Client, frame: &[u8]) -> u16 {
    for _ in 0..1000 {
        client.send_bytes(frame).await;
        let code = timeout(Duration::from_millis(20), client.close_code()).await;
        if let Ok(code) = code {
            return code;
        }
    }
    panic!("never closed");
}

async fn pings_over_the_rate_are_closed_with_1008(kind: Kind) {
    let server = strict(kind);
    let mut client = Client::open(&server, "ada").await;
    assert_eq!(closed_after(&mut client, b"\x89\x80\0\0\0\0").await, 1008);
}

/// axum's own extractor hides them.
#[tokio::test(flavor = "multi_thread")]
async fn fragments_over_the_rate_are_closed_with_1008() {
    for kind in [Kind::Axum, Kind::Actix] {
        let server = strict(kind);
        let mut client = Client::open(&server, "ada").await;
        client.send_bytes(b"\x01\x80\0\0\0\0").await;
        let code = closed_after(&mut client, b"\x00\x80\0\0\0\0").await;
        assert_eq!(code, 1008, "{kind:?}");
    }
}

/// A client that fails to send reports that failure, and not the close code that it has not read
/// yet. So the server reads on. With axum's own extractor it cannot.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_still_sending_gets_its_1009() {
    for kind in [Kind::Axum, Kind::Actix] {
        let server = Server::start(kind);
        for _ in 0..3 {
            let mut client = Client::open(&server, "ada").await;
            // Far more than the buffers of both kernels hold.
            client.send(2, &vec![7; 10 << 20]).await;
            assert_eq!(client.close_code().await, 1009, "{kind:?}");
            client.closed().await;
        }
    }
}
