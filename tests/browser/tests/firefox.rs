//! Calls between Firefox and Chromium.
//!
//! In a channel the newcomer offers. So one call of three people, in the order Firefox, Chromium,
//! Firefox, has an offer of either browser to the other, and one of Firefox to Firefox.

use united_voice_browser::{
    Browser, Firefox, Microphones, Namespace, ServerKind, Tab, server, until,
};

use crate::{
    mesh::{A_WHILE, SILENCE},
    reconnection::{goes_on_while_a_socket_is_cut, goes_on_while_the_server_restarts},
};

const NAMES: [&str; 3] = ["Ada", "Bea", "Cem"];

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
