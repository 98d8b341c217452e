//! The limits of the relay.

use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{Instant, timeout},
};
use united_voice_embedded_turn::{EmbeddedTurn, Limits};

use crate::{
    stream::{BINDING_ANSWER, binding_is_answered},
    support::{Allocation, BOTH, PATIENCE, Transport, credentials, relay_with},
};

/// Tries until an allocation is available again.
async fn allocate_again(relay: &EmbeddedTurn, user: &str, transport: Transport) -> Allocation {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Allocation::with(credentials(user), relay.local_addr(), transport).await {
            Ok(allocation) => return allocation,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

#[tokio::test]
async fn allocations_of_a_user_are_limited_over_both_transports() {
    let mut limits = Limits::default();
    limits.allocations_per_user = 2;
    let relay = relay_with(limits).await;
    let allocate =
        |user, transport| Allocation::with(credentials(user), relay.local_addr(), transport);
    for transport in BOTH {
        let first = allocate("alice", Transport::Udp).await.unwrap();
        let second = allocate("alice", Transport::Tcp).await.unwrap();
        let error = allocate("alice", transport).await.err().unwrap();
        assert!(error.to_string().contains("508"), "{error}");
        let other = allocate("bob", transport).await.unwrap();

        if transport == Transport::Udp {
            first.release().await;
            allocate_again(&relay, "alice", transport)
                .await
                .release()
                .await;
            second.release().await;
        } else {
            // A connection that is closed without a request frees its allocation too.
            second.hang_up().await;
            allocate_again(&relay, "alice", transport)
                .await
                .release()
                .await;
            first.release().await;
        }
        other.release().await;
    }
    relay.close().await;
}

#[tokio::test]
async fn allocations_are_limited_in_total() {
    let mut limits = Limits::default();
    limits.allocations = 1;
    let relay = relay_with(limits).await;
    let first = Allocation::of("alice", relay.local_addr(), Transport::Udp).await;
    let refused = Allocation::with(credentials("bob"), relay.local_addr(), Transport::Udp).await;
    assert!(refused.is_err());
    first.release().await;
    allocate_again(&relay, "bob", Transport::Udp)
        .await
        .release()
        .await;
    relay.close().await;
}

#[tokio::test]
async fn connections_of_an_address_are_limited() {
    let mut limits = Limits::default();
    limits.clients_per_ip = 1;
    let relay = relay_with(limits).await;
    let mut first = TcpStream::connect(relay.local_addr()).await.unwrap();
    assert!(binding_is_answered(&mut first).await);
    let mut second = TcpStream::connect(relay.local_addr()).await.unwrap();
    assert!(!binding_is_answered(&mut second).await);
    drop(first);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut again = TcpStream::connect(relay.local_addr()).await.unwrap();
        if binding_is_answered(&mut again).await {
            break;
        }
        assert!(Instant::now() < deadline, "the place is never freed");
    }
    relay.close().await;
}

#[tokio::test]
async fn requests_beyond_the_rate_are_dropped() {
    use tokio::io::AsyncWriteExt as _;
    let relay = relay_with(Limits::default()).await;
    let mut stream = TcpStream::connect(relay.local_addr()).await.unwrap();
    let flood = crate::stream::BINDING.repeat(1000);
    stream.write_all(&flood).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answers)).await;
    read.expect("it is closed in time").unwrap();
    assert_eq!(answers.len(), 100 * BINDING_ANSWER);
    relay.close().await;
}
