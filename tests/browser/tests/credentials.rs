//! Here credentials are good for a minute, and a relayed call lasts longer than three of them.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use united_voice_browser::{Browser, Metered, Microphones, ServerKind, Tab};
use united_voice_scenarios::Server;
use united_voice_turn_tests::{Coturn, CoturnOptions};

/// The lifetime of credentials in seconds.
const TTL: u64 = 60;
/// The length of the call in seconds: three lifetimes and a little more.
const CALL: u64 = 3 * TTL + 10;
const STEP: usize = 10;

#[tokio::test]
async fn a_relayed_call_outlives_its_credentials() {
    let coturn = Coturn::start(CoturnOptions::default()).await;
    let config = format!("[ice]\nstun_urls = []\n{}", coturn.toml(TTL));
    let server = Server::with_config(ServerKind::Axum, &config).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [browser.tab().await, browser.tab().await];
        for (tab, name) in tabs.iter().zip(["Ada", "Bea"]) {
            tab.meter().await;
            let link = format!("/?name={name}&channel=general&relay=1");
            tab.open(&server.url(&link)).await;
        }
        tabs[0].hears(&["Bea"]).await;
        tabs[1].hears(&["Ada"]).await;
        let first = expiry(&tabs[0].only_connection().await.usernames[0]);
        while unix_now() < first - TTL + CALL {
            tabs[0].seconds_pass(STEP).await;
        }
        for tab in &tabs {
            let connection = tab.only_connection().await;
            connection.flowed_since(0);
            renewed_in_time(&connection);
            each_was_used_and_given_back(&connection, &coturn.log());
            uses_a_relay(tab).await;
        }
    })
    .await;
}

fn renewed_in_time(connection: &Metered) {
    let expiries: Vec<_> = connection
        .usernames
        .iter()
        .map(|name| expiry(name))
        .collect();
    for pair in expiries.windows(2) {
        let lifetime = pair[1] - pair[0];
        assert!(
            (TTL / 2..TTL).contains(&lifetime),
            "renewed after {lifetime} s"
        );
    }
    let last = expiries.last().expect("it had credentials");
    assert!(*last > unix_now(), "they ran out: {expiries:?}");
}

/// Each user name was used in allocations, and the allocations of all but the last three user names
/// are gone: Chromium gives an allocation back within a minute and a half after a restart has
/// replaced it. If an allocation is granted while the next restart begins, it is never used, and
/// Chromium lets it run out.
fn each_was_used_and_given_back(connection: &Metered, log: &str) {
    let used = |username| sessions(log, "CREATE_PERMISSION processed, success", username);
    for username in &connection.usernames {
        assert!(!used(username).is_empty(), "none for {username}");
    }
    let [old @ .., _, _, _] = connection.usernames.as_slice() else {
        panic!("too few renewals: {:?}", connection.usernames);
    };
    assert!(!old.is_empty(), "too few renewals");
    for username in old {
        let gone = sessions(log, ": delete:", username);
        let kept: Vec<_> = used(username).difference(&gone).copied().collect();
        assert!(kept.is_empty(), "{kept:?} of {username} are still there");
    }
}

/// The ids of coturn's sessions that belong to a user name and have this event in the log.
fn sessions<'a>(log: &'a str, event: &str, username: &str) -> BTreeSet<&'a str> {
    let user = format!("<{username}>");
    let about = log
        .lines()
        .filter(|line| line.contains(event) && line.contains(&user));
    let id = |line: &'a str| line.split_once("session ")?.1.split(':').next();
    about.filter_map(id).collect()
}

async fn uses_a_relay(tab: &Tab<'_>) {
    let links = tab.links().await;
    let [link] = links.as_slice() else {
        panic!("connections to one other: {links:?}");
    };
    let ends = [&link.local_candidate_type, &link.remote_candidate_type];
    assert_eq!(ends, ["relay", "relay"]);
}

fn expiry(username: &str) -> u64 {
    let (expiry, _) = username.split_once(':').expect("expiry:id");
    expiry.parse().expect("an expiry is a number")
}

fn unix_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is past 1970").as_secs()
}
