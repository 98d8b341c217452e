//! A real coturn with the configuration of `deploy/`, and servers that mint credentials for it.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
};

use united_voice_core::generate_turn_credentials;
use united_voice_scenarios::{Client, Codec, ServerKind};
use united_voice_turn_tests::{TurnClient, Wire, free_port};

use crate::{
    deployed::{HOST, Relay, SECRET, read, settings},
    relay_url::{client_for, turn_of},
    tls,
};

const DENIED_IPV4: [&str; 9] = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.31.255.255",
    "192.168.1.1",
    "224.0.0.251",
    "255.255.255.255",
];
const DENIED_IPV6: [&str; 8] = [
    "::",
    "::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
    "fd00::1",
    "fe80::1",
    "ff02::1",
];

async fn client(relay: &Relay, user: &str) -> TurnClient {
    let minted = generate_turn_credentials(user, SECRET, 600);
    TurnClient::udp(relay.coturn.address(), &minted.username, &minted.credential).await
}

async fn permit(client: &mut TurnClient, peer: &str) -> Result<(), u16> {
    let peer: IpAddr = peer.parse().expect("an address");
    client.permit(peer).await.map_err(|refused| refused.code)
}

pub(crate) async fn members_are_let_in_by_every_transport(kind: ServerKind) {
    let relay = Relay::start().await;
    let server = relay.server(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let servers = ann.join("general").await.ice_servers;
    let entry = turn_of(&servers);
    let (turn, turns) = entry.urls.split_at(2);
    for url in turn {
        let mut client = client_for(url, &entry.username, &entry.credential).await;
        client.allocate().await.expect("coturn allocates");
    }
    assert_eq!(
        turns,
        [format!("turns:{HOST}:{}?transport=tcp", relay.tls_port)]
    );
    let address = SocketAddr::from(([127, 0, 0, 1], relay.tls_port));
    let stream = tls::connect(relay.certificate.der(), address).await;
    let wire = Wire::stream(stream.expect("coturn has the certificate"));
    let mut client = TurnClient::over(wire, &entry.username, &entry.credential);
    client.allocate().await.expect("coturn allocates over TLS");
}

#[tokio::test]
async fn nobody_is_relayed_into_a_private_network() {
    let relay = Relay::start().await;
    let mut ipv4 = client(&relay, "ann").await;
    ipv4.allocate().await.expect("coturn allocates");
    for peer in DENIED_IPV4 {
        assert_eq!(permit(&mut ipv4, peer).await, Err(403), "{peer}");
    }
    for peer in ["8.8.8.8", "1.1.1.1"] {
        assert_eq!(permit(&mut ipv4, peer).await, Ok(()), "{peer}");
    }
    let mut ipv6 = client(&relay, "ann").await;
    ipv6.allocate_ipv6().await.expect("coturn allocates");
    for peer in DENIED_IPV6 {
        assert_eq!(permit(&mut ipv6, peer).await, Err(403), "{peer}");
    }
    assert_eq!(permit(&mut ipv6, "2606:4700::1111").await, Ok(()));
}

/// Behind NAT, coturn maps its public address to its private one. The configuration denies private
/// addresses, but coturn makes an exception for its own. Here the private address is a loopback
/// one, so the test needs the flag.
#[tokio::test]
async fn two_relayed_members_meet_behind_a_mapped_address() {
    let relay = Relay::start_with("8.8.4.4/127.0.0.1", &["--allow-loopback-peers"]).await;
    let mut ann = client(&relay, "ann").await;
    let relayed = ann.allocate().await.expect("coturn allocates");
    assert_eq!(relayed.ip().to_string(), "8.8.4.4");
    assert_eq!(permit(&mut ann, "8.8.4.4").await, Ok(()));
    assert_eq!(permit(&mut ann, "127.0.0.2").await, Err(403));
}

#[tokio::test]
async fn a_member_has_a_quota_of_its_own() {
    let conf = read("turnserver.conf");
    let quota = settings(&conf, "user-quota").next().expect("a quota");
    let quota: usize = quota.parse().expect("a number");
    let relay = Relay::start().await;
    let mut clients = Vec::new();
    for nth in 1..=quota {
        let mut client = client(&relay, "ann").await;
        let allocated = client.allocate().await;
        allocated.unwrap_or_else(|refused| panic!("allocation {nth} of {quota}: {refused}"));
        clients.push(client);
    }
    let mut one_more = client(&relay, "ann").await;
    let refused = one_more.allocate().await.expect_err("the quota is used up");
    assert_eq!(refused.code, 486);
    let mut other = client(&relay, "bea").await;
    other.allocate().await.expect("another's quota is not");
}

/// Without a password coturn never listens for administrators, so the test sets one.
#[tokio::test]
async fn nobody_administers_it_over_the_network() {
    let port = free_port(IpAddr::from([127, 0, 0, 1]));
    let port = format!("--cli-port={port}");
    let relay = Relay::start_with("", &["--cli-password=guess", &port]).await;
    let mut expected = vec![relay.coturn.port(), relay.tls_port];
    expected.sort_unstable();
    assert_eq!(listening_ports(relay.coturn.pid()), expected);
}

/// The TCP ports that a process listens on, found by its open sockets.
fn listening_ports(pid: u32) -> Vec<u16> {
    const LISTENS: &str = "0A";
    let sockets: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("coturn runs")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|to| {
            Some(
                to.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let tables = ["tcp", "tcp6"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default());
    let mut ports: Vec<u16> = tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|fields| fields[3] == LISTENS && sockets.iter().any(|inode| inode == fields[9]))
        .map(|fields| {
            let (_, port) = fields[1].rsplit_once(':').expect("address:port");
            u16::from_str_radix(port, 16).expect("a port in hexadecimal")
        })
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}
