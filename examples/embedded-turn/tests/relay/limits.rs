//! How much of it there is.

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

/// Tries until there is an allocation again.
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
async fn a_user_has_so_many_allocations_whatever_the_transport() {
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
            // Closing the connection without a word frees it too.
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
async fn there_are_so_many_allocations_in_all() {
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
async fn an_address_has_so_many_connections() {
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
async fn of_many_requests_at_once_some_are_dropped() {
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
