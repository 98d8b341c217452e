//! Signaling is not the call: a restart of the server must not be heard.

use std::time::Instant;

use united_voice_browser::{Browser, Link, Microphones, ServerKind, Tab, server};

const NAMES: [&str; 3] = ["Ada", "Bea", "Cem"];
/// Fewer packets a second than the fifty of Opus, because some may be late, and far more than a call that was made anew could have.
const PACKETS_PER_SECOND: f64 = 35.0;
/// Four seconds of audio: longer than a page waits for an offer before it makes one.
const LONG_ENOUGH: u64 = 200;

pub(crate) async fn a_call_goes_on_while_the_server_restarts(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let mut tabs = Vec::new();
        for name in NAMES {
            let tab = browser.tab().await;
            tab.join(&server, name, "general").await;
            tabs.push((tab, name));
        }
        let mut before = Vec::new();
        for (tab, name) in &tabs {
            let others: Vec<_> = NAMES.into_iter().filter(|other| other != name).collect();
            tab.hears(&others).await;
            before.push((sorted_links(tab).await, Instant::now()));
        }

        let server = server.restart().await;
        let watcher = server.user("Watcher").await;
        for (tab, _) in &tabs {
            tab.says("status", "Connected").await;
            tab.shows(&NAMES).await;
            tab.next_packets(other_than(tab, &tabs), LONG_ENOUGH).await;
        }
        assert_eq!(server.roster(&watcher, "general").await.len(), NAMES.len());

        for ((tab, name), (before, since)) in tabs.iter().zip(before) {
            let after = sorted_links(tab).await;
            let seconds = since.elapsed().as_secs_f64();
            assert_eq!(after.len(), before.len(), "{name}");
            for (after, before) in after.iter().zip(&before) {
                went_on(before, after, seconds);
            }
        }
    })
    .await;
}

/// The same connection, negotiated no more, through which audio came all the time; only its address is new.
fn went_on(before: &Link, after: &Link, seconds: f64) {
    assert_ne!(
        before.session_id, after.session_id,
        "the server did restart"
    );
    let same = |link: &Link| {
        let name = link.display_name.clone();
        (name, link.connection_id, link.negotiations)
    };
    assert_eq!(same(before), same(after));
    let packets = (after.packets_received - before.packets_received) as f64;
    assert!(
        packets > PACKETS_PER_SECOND * seconds,
        "{packets} packets in {seconds} s: {after:?}"
    );
}

async fn sorted_links(tab: &Tab<'_>) -> Vec<Link> {
    let mut links = tab.links().await;
    links.sort_by(|one, other| one.display_name.cmp(&other.display_name));
    links
}

fn other_than<'a>(tab: &Tab<'_>, tabs: &[(Tab<'_>, &'a str)]) -> &'a str {
    let (_, name) = tabs
        .iter()
        .find(|(other, _)| !std::ptr::eq(other, tab))
        .expect("there are several");
    name
}
