//! How the relay starts and ends.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    time::{self, Duration, Instant, sleep, timeout},
};
use united_voice_embedded_turn::{Config, EmbeddedTurn, StartError};

use crate::{
    stream::binding_is_answered,
    support::{Allocation, PATIENCE, Transport, relay, secret, talk},
};

fn is_free(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_ok() && std::net::TcpStream::connect(address).is_err()
}

#[tokio::test]
async fn closing_frees_every_port_and_ends_every_connection() {
    let relay = relay().await;
    let address = relay.local_addr();
    let one = Allocation::of("alice", address, Transport::Udp).await;
    let other = Allocation::of("bob", address, Transport::Tcp).await;
    talk(&one, &other).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(binding_is_answered(&mut idle).await);
    assert!(UdpSocket::bind(one.address()).is_err(), "while it runs");

    timeout(PATIENCE, relay.close()).await.expect("it ends");
    assert!(is_free(address));
    assert!(UdpSocket::bind(one.address()).is_ok());
    assert!(UdpSocket::bind(other.address()).is_ok());
    let end = timeout(PATIENCE, idle.read(&mut [0; 1])).await;
    assert_eq!(end.expect("an end in time").unwrap(), 0);
}

#[tokio::test]
async fn a_dropped_relay_ends() {
    let relay = relay().await;
    let address = relay.local_addr();
    drop(relay);
    let deadline = Instant::now() + PATIENCE;
    while !is_free(address) {
        assert!(Instant::now() < deadline, "it still listens");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_allocation_that_is_not_refreshed_ends_after_ten_minutes() {
    let relay = relay().await;
    let allocation = Allocation::of("alice", relay.local_addr(), Transport::Udp).await;
    let address = allocation.address();
    allocation.abandon().await;
    let pass = async |duration| {
        time::pause();
        time::advance(duration).await;
        time::resume();
    };
    pass(Duration::from_secs(595)).await;
    assert!(UdpSocket::bind(address).is_err());
    pass(Duration::from_secs(6)).await;
    let deadline = Instant::now() + PATIENCE;
    while UdpSocket::bind(address).is_err() {
        assert!(Instant::now() < deadline, "it lives on");
        sleep(Duration::from_millis(5)).await;
    }
    relay.close().await;
}

/// Sockets on one port.
fn same_port() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

#[tokio::test]
async fn the_error_about_a_port_in_use_names_the_port() {
    for transport in ["UDP", "TCP"] {
        let (udp, tcp) = same_port();
        let address = udp.local_addr().unwrap();
        let _held = (
            (transport == "UDP").then_some(udp),
            (transport == "TCP").then_some(tcp),
        );
        let started = EmbeddedTurn::start(Config::new(address), secret()).await;
        let error = started.unwrap_err().to_string();
        assert!(
            error.contains(&address.to_string()) && error.contains(transport),
            "{error}"
        );
    }
}

#[tokio::test]
async fn peers_must_be_able_to_reach_it() {
    let start = async |listen: &str, relay_ip: Option<&str>| {
        let mut config = Config::new(listen.parse().unwrap());
        config.relay_ip = relay_ip.map(|ip| ip.parse::<IpAddr>().unwrap());
        EmbeddedTurn::start(config, secret()).await.map(drop)
    };
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let error = start(listen, None).await.unwrap_err();
        assert!(matches!(error, StartError::RelayIpMissing), "{error}");
    }
    for (listen, relay_ip) in [
        ("127.0.0.1:0", "192.0.2.1"),
        ("127.0.0.1:0", "::1"),
        ("[::1]:0", "127.0.0.1"),
        ("[::1]:0", "2001:db8::1"),
        ("0.0.0.0:0", "2001:db8::1"),
        ("0.0.0.0:0", "0.0.0.0"),
        ("[::]:0", "::"),
    ] {
        let error = start(listen, Some(relay_ip)).await.unwrap_err();
        assert!(
            matches!(error, StartError::RelayIp { .. }),
            "{listen} {relay_ip}: {error}"
        );
    }
    for (listen, relay_ip) in [
        ("127.0.0.1:0", Some("127.0.0.2")),
        ("0.0.0.0:0", Some("192.0.2.1")),
        ("[::ffff:127.0.0.1]:0", None),
    ] {
        start(listen, relay_ip).await.unwrap();
    }
}
