//! How a connection ends if nobody breaks a rule.

use std::time::Duration;

use tokio::time::timeout;
use united_voice_adapter_tests::{Client, Kind, PATIENCE, Received, Server, each_server};
use united_voice_core::{
    Limits,
    proto::{voice::VoiceLeaveReason, ws::envelope::Payload},
};

each_server!(
    a_close_frame_is_answered_with_its_code,
    a_client_that_vanishes_leaves_the_channel,
    at_shutdown_each_client_gets_1001,
    a_reader_that_stalls_is_closed_with_1013,
);

async fn a_close_frame_is_answered_with_its_code(kind: Kind) {
    let server = Server::start(kind);
    for (sent, code) in [(&b"\x0f\xa0bye"[..], Some(4000_u16)), (b"", None)] {
        let mut client = Client::open(&server, "ada").await;
        client.join().await;
        client.send(8, sent).await;
        let Received { opcode, payload } = client.receive().await;
        assert_eq!(opcode, 8);
        let answered = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
        assert_eq!(answered, code);
        client.closed().await;
    }
    timeout(PATIENCE, server.voice.drained())
        .await
        .expect("nothing is left of the connections");
}

async fn a_client_that_vanishes_leaves_the_channel(kind: Kind) {
    let server = Server::start(kind);
    let mut ada = Client::open(&server, "ada").await;
    ada.join().await;
    let mut bob = Client::open(&server, "bob").await;
    bob.join().await;
    let joined = ada.payload().await;
    assert!(matches!(joined, Payload::VoiceParticipantJoinedEvent(_)));
    drop(bob);
    match ada.payload().await {
        Payload::VoiceLeaveEvent(left) => {
            assert_eq!(left.user_id, "bob");
            assert_eq!(left.reason(), VoiceLeaveReason::Disconnected);
        }
        other => panic!("{other:?}"),
    }
}

async fn at_shutdown_each_client_gets_1001(kind: Kind) {
    let server = Server::start(kind);
    let mut clients = Vec::new();
    for user in ["ada", "bob", "cyd"] {
        let mut client = Client::open(&server, user).await;
        client.join().await;
        clients.push(client);
    }
    server.voice.shutdown();
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1001);
        client.send(8, b"\x03\xe9").await;
        client.closed().await;
    }
    timeout(PATIENCE, server.voice.drained())
        .await
        .expect("all are gone");
    // The framework still listens. A client that comes now is told the same.
    let mut late = Client::open(&server, "dan").await;
    assert_eq!(late.close_code().await, 1001);
}

async fn a_reader_that_stalls_is_closed_with_1013(kind: Kind) {
    let mut limits = Limits::default();
    limits.messages_per_second = 1_000_000;
    limits.burst = 1_000_000;
    limits.outbound_queue = 4;
    // It gets its close frame when it reads on, however loaded the machine is.
    limits.close_timeout = Duration::from_secs(60);
    let server = Server::with_limits(kind, limits);
    let mut slow = Client::open_narrow(&server, "slow").await;
    slow.join().await;
    let mut ada = Client::open(&server, "ada").await;
    ada.join().await;
    // Once the kernels' buffers and the queue are full, offers are refused until the client counts
    // as stalled.
    let mut sent = 0;
    while server.voice.stats().participants > 1 {
        sent += 1;
        assert!(sent < 2000, "not evicted after {sent} offers of 64 KiB");
        ada.send_offer("slow", 64 << 10).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(slow.close_code().await, 1013);
    slow.closed().await;
}
