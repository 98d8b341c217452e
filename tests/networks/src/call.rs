//! A call between two browsers in different networks, and its route.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};
use united_voice_browser::{Tab, until};
use united_voice_scenarios::Server;

use crate::Network;

/// How long to look for a connection that must not come. If one is possible, it comes within a
/// second.
const QUIET: Duration = Duration::from_secs(3);

const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Keeps the page's connections in `window.connections`, for the tests.
const REMEMBER: &str = "const Native = RTCPeerConnection;
    window.connections = [];
    window.RTCPeerConnection = class extends Native {
        constructor(...given) { super(...given); window.connections.push(this); }
    };";

/// Gives the latest connection of the page: its state, the types of its own candidates, and the
/// pair in use.
const ROUTE: &str = "const connection = window.connections.at(-1);
    if (!connection) return null;
    const entries = [...(await connection.getStats()).values()];
    const find = (id) => entries.find((entry) => entry.id === id);
    const transport = entries.find(({ type }) => type === 'transport');
    const pair = find(transport?.selectedCandidatePairId);
    const local = find(pair?.localCandidateId);
    const kinds = entries.filter(({ type }) => type === 'local-candidate').map((entry) => entry.candidateType);
    return {
        state: connection.connectionState,
        gathering: connection.iceGatheringState,
        remote: connection.remoteDescription !== null,
        own: [...new Set(kinds)].sort(),
        pair: pair ? {
            local: local?.candidateType ?? '',
            remote: find(pair.remoteCandidateId)?.candidateType ?? '',
            relayProtocol: local?.relayProtocol ?? null,
        } : null,
    };";

/// What a browser reports about its connection to the other browser.
#[derive(Clone, Debug, Deserialize)]
struct Route {
    /// `RTCPeerConnection.connectionState`
    state: String,
    /// `RTCPeerConnection.iceGatheringState`
    gathering: String,
    /// Whether the description of the other side is set.
    remote: bool,
    /// The types of its own candidates, sorted and each once: `host`, `prflx`, `relay`, `srflx`.
    own: Vec<String>,
    /// The pair in use, if there is one.
    pair: Option<Pair>,
}

/// The selected pair of candidates.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// The type of the browser's own candidate.
    pub local: String,
    /// The type of the other side's candidate.
    pub remote: String,
    /// The transport to its relay, `udp` or `tcp`, if its own candidate is a relay's.
    pub relay_protocol: Option<String>,
}

impl Pair {
    /// Whether the route leads through a relay.
    #[must_use]
    pub fn is_relayed(&self) -> bool {
        [&self.local, &self.remote].contains(&&"relay".to_owned())
    }

    /// Whether both addresses were made by a router that translates addresses.
    #[must_use]
    pub fn is_translated(&self) -> bool {
        [&self.local, &self.remote]
            .iter()
            // A connectivity check may arrive before the candidate that it comes from. That
            // candidate is then peer-reflexive.
            .all(|kind| ["srflx", "prflx"].contains(&kind.as_str()))
    }
}

/// A call between Ada's browser and Bea's.
#[derive(Debug)]
pub struct Call<'a> {
    /// Ada's page.
    pub ada: Tab<'a>,
    /// Bea's page.
    pub bea: Tab<'a>,
}

impl Call<'_> {
    /// Opens the page in a browser for each of them, and closes the browsers even if the test
    /// fails.
    ///
    /// # Panics
    /// If the page does not open, or if the test panics.
    pub async fn open(network: &Network, server: &Server, test: impl AsyncFnOnce(&Call<'_>)) {
        let page = server.url("/");
        let [ada, bea] = [network.ada(), network.bea()].map(|person| person.browser(&page));
        ada.run(async |ada| {
            bea.run(async |bea| {
                let (ada, bea) = (ada.tab().await, bea.tab().await);
                for tab in [&ada, &bea] {
                    tab.prepare(REMEMBER).await;
                    tab.open(&page).await;
                }
                test(&Call { ada, bea }).await;
            })
            .await;
        })
        .await;
    }

    /// Like [`open`](Self::open), but both have joined `general` before the test.
    ///
    /// # Panics
    /// If their pages do not show each other, or if the test panics.
    pub async fn run(network: &Network, server: &Server, test: impl AsyncFnOnce(&Call<'_>)) {
        Self::open(network, server, async |call| {
            call.ada.join(server, "Ada", "general").await;
            call.bea.join(server, "Bea", "general").await;
            for tab in [&call.ada, &call.bea] {
                tab.shows(&["Ada", "Bea"]).await;
            }
            test(call).await;
        })
        .await;
    }

    /// Waits until they hear each other. Returns the pairs that Ada's and Bea's browsers use then.
    ///
    /// # Panics
    /// If they do not hear each other in time.
    pub async fn connects(&self) -> [Pair; 2] {
        self.ada.hears(&["Bea"]).await;
        self.bea.hears(&["Ada"]).await;
        let [ada, bea] = [route(&self.ada).await, route(&self.bea).await];
        [ada, bea].map(|route| route.pair.expect("sound needs a pair"))
    }

    /// Waits until both have all candidates, and then checks for a few seconds that no connection
    /// comes. Returns the types of the candidates that each browser found for itself.
    ///
    /// # Panics
    /// If a connection comes.
    pub async fn stays_silent(&self) -> [Vec<String>; 2] {
        let tabs = [&self.ada, &self.bea];
        for tab in tabs {
            until("all candidates", async || match route(tab).await {
                route if route.remote && route.gathering == "complete" => Ok(()),
                route => Err(format!("{route:?}")),
            })
            .await;
        }
        let end = Instant::now() + QUIET;
        while Instant::now() < end {
            for tab in tabs {
                let route = route(tab).await;
                assert!(
                    route.pair.is_none() && route.state != "connected",
                    "there must be no connection: {route:?}"
                );
            }
            sleep(LOOK_AGAIN).await;
        }
        for tab in tabs {
            let links = tab.links().await;
            assert!(links.iter().all(|link| link.packets_received == 0));
        }
        [route(&self.ada).await.own, route(&self.bea).await.own]
    }
}

async fn route(tab: &Tab<'_>) -> Route {
    until("a connection that is tried", async || {
        let route: Option<Route> = tab.evaluate(ROUTE, Vec::new()).await;
        route.ok_or("none was made")
    })
    .await
}
