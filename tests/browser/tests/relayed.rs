//! Calls that go through a relay only.

use serde_json::json;
use united_voice_browser::{Browser, Link, Microphones, ServerKind, Tab};
use united_voice_scenarios::Server;
use united_voice_turn_tests::{Coturn, CoturnOptions};

use crate::layout::picture;

const NO_STUN: &str = "[ice]\nstun_urls = []\n";
/// The lifetime of credentials in seconds, which is longer than any of these calls.
const TTL: u64 = 600;
/// The packets of two seconds of audio.
const A_WHILE: u64 = 100;

pub(crate) async fn two_talk_through_coturn_by_udp(kind: ServerKind) {
    talk_through_coturn(kind, "udp").await;
}

pub(crate) async fn two_talk_through_coturn_by_tcp(kind: ServerKind) {
    talk_through_coturn(kind, "tcp").await;
}

/// Without any other program, and without any other server.
pub(crate) async fn two_talk_through_the_embedded_relay(kind: ServerKind) {
    for transport in ["udp", "tcp"] {
        let relay = Server::builder(kind).flag("--embedded-turn");
        let server = relay.config("[turn]\nport = 0\n").start().await;
        talk(&server, transport, async |tab| {
            let urls: Vec<String> = tab
                .evaluate("return window.unitedVoice.client.iceServerUrls", Vec::new())
                .await;
            let kinds: Vec<_> = urls.iter().map(|url| url.split(':').next()).collect();
            assert_eq!(kinds, ["stun", "turn", "turn"].map(Some));
            let own = server.address().ip().to_string();
            for url in urls {
                assert!(url.contains(&format!(":{own}:")), "{url} is elsewhere");
            }
        })
        .await;
    }
}

pub(crate) async fn a_text_explains_that_the_relay_refuses_the_credentials(kind: ServerKind) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let config = coturn.toml(TTL).replace("the secret", "another secret");
    assert_ne!(config, coturn.toml(TTL));
    let server = Server::with_config(kind, &format!("{NO_STUN}{config}")).await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        ada.join(&server, "Ada", "general").await;
        bea.open(&server.url("/?name=Bea&channel=general&relay=1"))
            .await;
        bea.says("error", "refused our credentials").await;
        bea.says("error", "Nobody can be heard").await;
        picture(&bea, "relay-refused").await;
        // Without a relay they may still connect. Here Bea's link prevents it.
        ada.says("error", "strict firewalls").await;
        picture(&ada, "relay-refused-to-another").await;
        assert!(coturn.log().contains("401"), "{}", coturn.log());
    })
    .await;
}

async fn talk_through_coturn(kind: ServerKind, transport: &str) {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let config = format!("{NO_STUN}{}", coturn.toml(TTL));
    let server = Server::with_config(kind, &config).await;
    talk(&server, transport, async |tab| {
        let id = user_id(tab).await;
        assert!(
            coturn.log().contains(&format!(":{id}>")),
            "coturn never heard of {id}"
        );
    })
    .await;
}

/// Two people hear each other through relays that they reach by this transport. `check` runs with
/// the tab of each.
async fn talk(server: &Server, transport: &str, check: impl AsyncFn(&Tab<'_>)) {
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [browser.tab().await, browser.tab().await];
        for (tab, name) in tabs.iter().zip(["Ada", "Bea"]) {
            knows_only(tab, transport).await;
            let link = format!("/?name={name}&channel=general&relay=1");
            tab.open(&server.url(&link)).await;
        }
        for (tab, other) in tabs.iter().zip(["Bea", "Ada"]) {
            let link = hears_by_relay(tab, other).await;
            assert_eq!(link.relay_protocol, transport);
            picture(tab, &format!("relayed-by-{transport}")).await;
            check(tab).await;
        }
    })
    .await;
}

/// Removes the other TURN URLs from every list of ICE servers, as if the network blocked these
/// transports.
async fn knows_only(tab: &Tab<'_>, transport: &str) {
    let script = "{
        const wanted = ({ urls }) => [urls].flat().every(url => !url.startsWith('turn') || url.endsWith(TRANSPORT));
        const reduced = configuration => ({ ...configuration, iceServers: configuration.iceServers.flatMap(({ urls, ...rest }) =>
            [urls].flat().map(url => ({ urls: url, ...rest }))).filter(wanted) });
        const Whole = RTCPeerConnection;
        window.RTCPeerConnection = class extends Whole {
            constructor(configuration) { super(reduced(configuration)); }
            setConfiguration(configuration) { super.setConfiguration(reduced(configuration)); }
        };
    }";
    let transport = json!(format!("?transport={transport}"));
    tab.prepare(&script.replace("TRANSPORT", &transport.to_string()))
        .await;
}

/// Waits for sound and for the pair of candidates in use. Both must be relays.
async fn hears_by_relay(tab: &Tab<'_>, other: &str) -> Link {
    tab.hears(&[other]).await;
    let link = tab.next_packets(other, A_WHILE).await;
    let ends = [&link.local_candidate_type, &link.remote_candidate_type];
    assert_eq!(ends, ["relay", "relay"], "{link:?}");
    link
}

async fn user_id(tab: &Tab<'_>) -> String {
    tab.evaluate("return window.unitedVoice.client.userId", Vec::new())
        .await
}
