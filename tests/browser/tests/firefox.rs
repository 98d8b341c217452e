//! Calls between Firefox and Chromium.
//!
//! In a channel the newcomer offers. So one call of three people, in the order Firefox, Chromium,
//! Firefox, has an offer of either browser to the other, and one of Firefox to Firefox.

use std::time::{Duration, Instant};

use united_voice_browser::{
    Browser, Firefox, Microphones, Namespace, ServerKind, Tab, server, until,
};
use united_voice_scenarios::Server;

use crate::{
    mesh::{A_WHILE, SILENCE},
    reconnection::{goes_on_while_a_socket_is_cut, goes_on_while_the_server_restarts},
};

const NAMES: [&str; 3] = ["Ada", "Bea", "Cem"];

/// The lifetime of credentials in seconds. The browsers get others after three quarters of it.
const TTL: u64 = 16;
/// The length of the relayed call in seconds. The credentials are renewed twice, and the first ones
/// run out.
const CALL: u64 = 2 * TTL;
/// The longest time without a packet from somebody, in seconds. A pair that can't renew its
/// connection may make a new one, which takes a second or two, and longer on a busy machine.
const LONGEST_GAP: f64 = 15.0;

#[test]
fn firefox_and_chromium_hear_each_other_by_axum() {
    hear_each_other(ServerKind::Axum);
}

#[test]
fn firefox_and_chromium_hear_each_other_by_actix() {
    hear_each_other(ServerKind::Actix);
}

fn hear_each_other(kind: ServerKind) {
    with_both(async |firefox, chromium| {
        let server = server(kind).await;
        let [ada, bea, cem] = three(firefox, chromium).await;
        for (tab, name) in [&ada, &bea, &cem].into_iter().zip(NAMES) {
            tab.join(&server, name, "general").await;
        }
        for (tab, name) in [&ada, &bea, &cem].into_iter().zip(NAMES) {
            tab.shows(&NAMES).await;
            tab.hears(&others(name)).await;
            for other in others(name) {
                tab.sees(other, "speaking", |other| other.speaking == "true")
                    .await;
            }
        }
        for (muting, by) in [((&ada, "Ada"), [&bea, &cem]), ((&bea, "Bea"), [&ada, &cem])] {
            mutes_and_unmutes(muting, by).await;
        }
        cem.click("leave").await;
        for tab in [&ada, &bea] {
            tab.shows(&NAMES[..2]).await;
        }
    });
}

/// The others see it, and hear nothing in between.
async fn mutes_and_unmutes((muting, name): (&Tab<'_>, &str), by: [&Tab<'_>; 2]) {
    muting.click("mute").await;
    for other in by {
        other
            .sees(name, "muted", |person| person.muted == "true")
            .await;
        other.next_packets(name, A_WHILE).await;
        let energy = other.energy_from(name, A_WHILE).await;
        assert!(energy < SILENCE, "{energy} from {name}, who is muted");
    }
    muting.click("mute").await;
    for other in by {
        other
            .sees(name, "speaking again", |person| {
                person.muted == "false" && person.speaking == "true"
            })
            .await;
        until(&format!("sound from {name} again"), async || {
            let energy = other.energy_from(name, A_WHILE).await;
            if energy > SILENCE {
                Ok(())
            } else {
                Err(energy)
            }
        })
        .await;
    }
}

#[test]
fn a_call_with_firefox_goes_on_while_the_server_restarts() {
    with_both(async |firefox, chromium| {
        let tabs = three(firefox, chromium).await;
        goes_on_while_the_server_restarts(ServerKind::Axum, tabs).await;
    });
}

#[test]
fn a_call_with_firefox_goes_on_while_a_socket_is_cut() {
    with_both(async |firefox, chromium| {
        let pair = [firefox.tab().await, firefox.tab().await];
        goes_on_while_a_socket_is_cut(ServerKind::Axum, pair).await;
        let pair = [firefox.tab().await, chromium.tab().await];
        goes_on_while_a_socket_is_cut(ServerKind::Axum, pair).await;
        let pair = [chromium.tab().await, firefox.tab().await];
        goes_on_while_a_socket_is_cut(ServerKind::Axum, pair).await;
    });
}

/// Ada and Bea use relays only, and restart ICE with new credentials. Cem never restarts: he reaches
/// the others without a relay. His connection to Bea is the one that only Chromium renews, although
/// Firefox offered it.
#[test]
fn a_relayed_call_with_firefox_outlives_its_credentials() {
    with_both(async |firefox, chromium| {
        let config = format!("[turn]\nport = 0\ncredential_ttl_secs = {TTL}\n");
        let relay = Server::builder(ServerKind::Axum).flag("--embedded-turn");
        let server = relay.config(&config).start().await;
        let tabs = three(firefox, chromium).await;
        for ((tab, name), option) in tabs.iter().zip(NAMES).zip(["&relay=1", "&relay=1", ""]) {
            tab.prepare(REMEMBER).await;
            let link = format!("/?name={name}&channel=general{option}");
            tab.open(&server.url(&link)).await;
        }
        let mut first = Vec::new();
        for (tab, name) in tabs.iter().zip(NAMES) {
            tab.hears(&others(name)).await;
            first.push(ice_names(tab).await);
        }
        let mut listeners: Vec<_> = tabs
            .iter()
            .zip(NAMES)
            .flat_map(|(tab, name)| others(name).map(|other| Listener::new(tab, name, other)))
            .collect();
        let end = Instant::now() + Duration::from_secs(CALL);
        while Instant::now() < end {
            for listener in &mut listeners {
                listener.look().await;
            }
        }
        for ((tab, name), first) in tabs.iter().zip(NAMES).zip(first) {
            was_renewed(tab, name, &first).await;
            for other in others(name) {
                assert!(tab.energy_from(other, A_WHILE).await > SILENCE);
            }
        }
        for tab in &tabs[..2] {
            goes_by_relay(tab).await;
        }
    });
}

/// Keeps the page's connections for the scripts of the test.
const REMEMBER: &str = "window.connections = [];
    const Native = RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
        constructor(...given) { super(...given); window.connections.push(this); }
    };";

/// Gives the open connections: the state of the negotiation, and the name that ICE uses until its
/// next restart.
const NEGOTIATED: &str =
    "const open = window.connections.filter(({ connectionState }) => connectionState !== 'closed');
    return open.map(({ signalingState, localDescription }) =>
        [signalingState, /^a=ice-ufrag:(\\S+)/m.exec(localDescription?.sdp)?.[1] ?? ''])";

async fn ice_names(tab: &Tab<'_>) -> Vec<String> {
    let open: Vec<(String, String)> = tab.evaluate(NEGOTIATED, Vec::new()).await;
    open.into_iter().map(|(_, name)| name).collect()
}

/// Waits until no connection waits for an answer, and ICE was restarted on each of them, or it is
/// another one.
async fn was_renewed(tab: &Tab<'_>, name: &str, first: &[String]) {
    until(&format!("{name}'s connections to be renewed"), async || {
        let open: Vec<(String, String)> = tab.evaluate(NEGOTIATED, Vec::new()).await;
        let renewed = |(state, ice): &(String, String)| state == "stable" && !first.contains(ice);
        if open.len() == 2 && open.iter().all(renewed) {
            Ok(())
        } else {
            Err(format!("{open:?}, and in the beginning {first:?}"))
        }
    })
    .await;
}

/// One person who listens to another, and the last packet that came.
struct Listener<'a> {
    tab: &'a Tab<'a>,
    name: &'static str,
    other: &'static str,
    /// The connection, and the packets that came over it.
    heard: (u64, u64),
    at: Instant,
}

impl<'a> Listener<'a> {
    fn new(tab: &'a Tab<'a>, name: &'static str, other: &'static str) -> Self {
        Self {
            tab,
            name,
            other,
            heard: (0, 0),
            at: Instant::now(),
        }
    }

    /// Checks that packets came not long ago.
    async fn look(&mut self) {
        let link = self.tab.link(self.other).await;
        let heard = link.as_ref().map_or(self.heard, |link| {
            (link.connection_id, link.packets_received)
        });
        if heard != self.heard && heard.1 > 0 {
            (self.heard, self.at) = (heard, Instant::now());
        }
        let (name, other, gap) = (self.name, self.other, self.at.elapsed().as_secs_f64());
        assert!(
            gap < LONGEST_GAP,
            "{name} has heard nothing from {other} for {gap} s: {link:?}"
        );
    }
}

/// Waits until the page sends to everybody through a relay of its own. A restart may just be under
/// way.
async fn goes_by_relay(tab: &Tab<'_>) {
    until("relays", async || {
        let links = tab.links().await;
        let relayed = links
            .iter()
            .all(|link| link.local_candidate_type == "relay");
        if relayed && links.len() == 2 {
            Ok(())
        } else {
            Err(format!("{links:?}"))
        }
    })
    .await;
}

/// Runs a test with both browsers and with everything that it starts on a machine of its own.
fn with_both(test: impl AsyncFnOnce(&Firefox, &Browser) + Send) {
    Namespace::secluded().block_on(async || {
        Firefox::run(async |firefox| {
            Browser::run(Microphones::Beep, async |chromium| {
                test(firefox, chromium).await;
            })
            .await;
        })
        .await;
    });
}

async fn three<'a>(firefox: &'a Firefox, chromium: &'a Browser) -> [Tab<'a>; 3] {
    [
        firefox.tab().await,
        chromium.tab().await,
        firefox.tab().await,
    ]
}

fn others(name: &str) -> [&'static str; 2] {
    match name {
        "Ada" => ["Bea", "Cem"],
        "Bea" => ["Ada", "Cem"],
        _ => ["Ada", "Bea"],
    }
}
