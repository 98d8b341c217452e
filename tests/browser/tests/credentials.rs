//! Here credentials are good for a minute, and a relayed call lasts longer than five of them.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use united_voice_browser::{Browser, Metered, Microphones, ServerKind, Tab, until_within};
use united_voice_scenarios::Server;
use united_voice_turn_tests::{Coturn, CoturnOptions};

/// The lifetime of credentials in seconds.
const TTL: u64 = 60;
/// The length of the call in seconds: five lifetimes and a little more. The page renews its
/// credentials after three quarters of their lifetime, so six times.
const CALL: u64 = 5 * TTL + 10;
const STEP: usize = 10;
/// The user names whose allocations may still be in use: the present one, and the two before. A
/// renewal of the other side makes us gather too, perhaps with the user name that we are about to
/// replace, and the call may stay with what that found until the next renewal.
const RECENT: usize = 3;
/// How many older user names there must be for the last check to say something.
const OLD: usize = 4;
/// How long to wait for the browser to give allocations back, from the end of [`CALL`]. Chromium
/// 148 and 156 take up to 80 s from the restart that replaced an allocation: its pairs are dead
/// after 30 s of silence, and 45 s later it goes.
const GIVEN_BACK: Duration = Duration::from_secs(TTL);

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
            each_was_used(&connection, &coturn.log());
            renewals_leave_nothing(&connection, &coturn).await;
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

fn each_was_used(connection: &Metered, log: &str) {
    for username in &connection.usernames {
        assert!(!used(log, username).is_empty(), "none for {username}");
    }
}

/// Allocations do not add up: most of the old user names have none left. If each renewal left one,
/// every old user name would have one.
///
/// A page can't give an allocation back. The browser does, once all its pairs are dead, and a pair
/// lives for as long as the other side pings it. Chromium kept one allocation for more than three
/// minutes, and once two for more than four. So up to half of the old user names may have some.
async fn renewals_leave_nothing(connection: &Metered, coturn: &Coturn) {
    let usernames = connection.usernames.as_slice();
    let old = &usernames[..usernames.len().saturating_sub(RECENT)];
    assert!(old.len() >= OLD, "too few renewals: {usernames:?}");
    until_within(GIVEN_BACK, "old allocations to be given back", async || {
        let log = coturn.log();
        let kept: Vec<_> = old.iter().map(|of| (of, kept(&log, of))).collect();
        let holders = kept.iter().filter(|(_, kept)| !kept.is_empty()).count();
        if holders <= old.len() / 2 {
            Ok(())
        } else {
            Err(format!("allocations of old user names: {kept:?}"))
        }
    })
    .await;
}

/// The allocations of a user name that sent something, or could have.
fn used<'a>(log: &'a str, username: &str) -> BTreeSet<&'a str> {
    sessions(log, "CREATE_PERMISSION processed, success", username)
}

fn kept<'a>(log: &'a str, username: &str) -> Vec<&'a str> {
    let gone = sessions(log, ": delete:", username);
    used(log, username).difference(&gone).copied().collect()
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
