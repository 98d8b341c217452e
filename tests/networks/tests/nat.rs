//! Two people at home, each behind a router that translates addresses. A STUN server tells them
//! their outside addresses.

use united_voice_networks::{Call, Network, Topology};
use united_voice_scenarios::ServerKind;

#[tokio::test]
async fn a_configured_stun_server_leads_through_nat() {
    let network = Network::build(Topology::Nat);
    let coturn = network.start_coturn().await;
    let config = format!("[ice]\nstun_urls = [\"stun:{}\"]\n", coturn.address());
    for kind in [ServerKind::Axum, ServerKind::Actix] {
        let server = network.start_server(kind, &config).await;
        Call::run(&network, &server, async |call| {
            for pair in call.connects().await {
                assert!(pair.is_translated(), "{kind:?}: {pair:?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn without_stun_nat_stays_silent() {
    let network = Network::build(Topology::Nat);
    let config = "[ice]\nstun_urls = []\n";
    let server = network.start_server(ServerKind::Axum, config).await;
    Call::run(&network, &server, async |call| {
        assert_eq!(call.stays_silent().await, [["host"], ["host"]]);
    })
    .await;
}
