//! Two people that reach the server, but not each other.

use united_voice_networks::{Call, Network, Topology};
use united_voice_scenarios::ServerKind;

#[tokio::test]
async fn only_a_relay_connects_islands() {
    let network = Network::build(Topology::Island);
    let coturn = network.start_coturn().await;
    let config = format!("[ice]\nstun_urls = []\n{}", coturn.toml(600));
    for kind in [ServerKind::Axum, ServerKind::Actix] {
        let server = network.start_server(kind, &config).await;
        Call::run(&network, &server, async |call| {
            for pair in call.connects().await {
                assert!(pair.is_relayed(), "{kind:?}: {pair:?}");
            }
        })
        .await;
    }
}

#[tokio::test]
async fn without_a_relay_islands_stay_silent() {
    let network = Network::build(Topology::Island);
    let config = "[ice]\nstun_urls = []\n";
    let server = network.start_server(ServerKind::Axum, config).await;
    Call::run(&network, &server, async |call| {
        assert_eq!(call.stays_silent().await, [["host"], ["host"]]);
    })
    .await;
}
