//! Two people behind symmetric NAT. The address that a STUN server sees is of no use to the other
//! person.

use united_voice_networks::{Call, Network, Topology};
use united_voice_scenarios::ServerKind;

#[tokio::test]
async fn stun_does_not_lead_through_symmetric_nat() {
    let network = Network::build(Topology::SymmetricNat);
    let coturn = network.start_coturn().await;
    let config = format!("[ice]\nstun_urls = [\"stun:{}\"]\n", coturn.address());
    let server = network.start_server(ServerKind::Axum, &config).await;
    Call::run(&network, &server, async |call| {
        // Both know an outside address of their own, and it does not help.
        let found = ["host", "srflx"];
        assert_eq!(call.stays_silent().await, [found, found]);
    })
    .await;
}

#[tokio::test]
async fn a_relay_leads_through_symmetric_nat_by_udp() {
    let network = Network::build(Topology::SymmetricNat);
    assert_eq!(relayed_by(&network).await, "udp");
}

#[tokio::test]
async fn a_relay_leads_through_symmetric_nat_by_tcp_if_udp_is_dropped() {
    let network = Network::build(Topology::SymmetricNat);
    network.drop_udp_to_coturn();
    assert_eq!(relayed_by(&network).await, "tcp");
}

/// Makes a call with STUN and TURN. Returns the transport to the relays.
async fn relayed_by(network: &Network) -> String {
    let coturn = network.start_coturn().await;
    let stun = coturn.address();
    let config = format!("[ice]\nstun_urls = [\"stun:{stun}\"]\n{}", coturn.toml(600));
    let server = network.start_server(ServerKind::Axum, &config).await;
    let mut transports = Vec::new();
    Call::run(network, &server, async |call| {
        for pair in call.connects().await {
            assert!(pair.is_relayed(), "{pair:?}");
            transports.extend(pair.relay_protocol);
        }
    })
    .await;
    // If only one end of a pair uses a relay, the browser of the other end does not know its
    // transport.
    transports.dedup();
    assert_eq!(transports.len(), 1, "{transports:?}");
    transports.remove(0)
}
