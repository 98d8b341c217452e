//! The peers that the relay exchanges packets with.

use std::io::ErrorKind;

use tokio::net::UdpSocket;
use united_voice_embedded_turn::{Config, EmbeddedTurn};

use crate::support::{Allocation, BOTH, PATIENCE, Transport, relay, secret, talk};

#[tokio::test]
async fn on_loopback_it_reaches_this_machine() {
    let relay = relay().await;
    for transport in BOTH {
        let allocation = Allocation::of("alice", relay.local_addr(), transport).await;
        let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        allocation.send("there", peer.local_addr().unwrap()).await;
        let mut buffer = [0; 16];
        let received = tokio::time::timeout(PATIENCE, peer.recv_from(&mut buffer)).await;
        let (length, from) = received.expect("it arrives").unwrap();
        assert_eq!(
            (&buffer[..length], from),
            (&b"there"[..], allocation.address())
        );
        peer.send_to(b"back", from).await.unwrap();
        let back = allocation.receive(PATIENCE).await.expect("it arrives");
        assert_eq!(back, ("back".to_owned(), peer.local_addr().unwrap()));
    }
    relay.close().await;
}

/// A relay that is bound to more than loopback does not reach its own machine, except for its own
/// allocations.
#[tokio::test]
async fn on_other_addresses_it_reaches_only_its_own_allocations_on_this_machine() {
    let mut config = Config::new("0.0.0.0:0".parse().unwrap());
    config.relay_ip = Some("127.0.0.1".parse().unwrap());
    let relay = EmbeddedTurn::start(config, secret()).await.unwrap();
    let address = (config.relay_ip.unwrap(), relay.local_addr().port()).into();

    let one = Allocation::of("alice", address, Transport::Udp).await;
    let other = Allocation::of("bob", address, Transport::Tcp).await;
    let service = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let forbidden = service.local_addr().unwrap();
    one.send("out", forbidden).await;
    service.send_to(b"in", one.address()).await.unwrap();
    // On one machine a packet arrives as soon as it is sent. So a packet that was let through would
    // be here before these.
    talk(&one, &other).await;
    let error = service.try_recv_from(&mut [0; 16]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock, "nothing got out");
    relay.close().await;
}
