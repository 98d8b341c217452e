//! What people expect of such a page besides that they hear each other.
//! The page is the same on every server, so one server is enough here.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server, until};

/// The media elements of others, with whether each is muted.
const PREPARE: &str = "window.elements = [];
    const Real = window.Audio;
    window.Audio = function (...args) { const made = new Real(...args); window.elements.push(made); return made; };";

#[tokio::test]
async fn people_come_and_go_aloud_and_can_be_silenced() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let (ada, bea) = (browser.tab().await, browser.tab().await);
        ada.prepare(PREPARE).await;
        ada.join(&server, "Ada", "general").await;
        ada.shows(&["Ada"]).await;
        bea.join(&server, "Bea", "general").await;
        says_aloud(&ada, "Bea joined.").await;
        ada.hears(&["Bea"]).await;

        let bea_id = ada.user_id_of("Bea").await;
        ada.click(&format!("condition-{bea_id}")).await;
        ada.says(&format!("details-{bea_id}"), "Path direct").await;
        silenced(&ada, false).await;
        ada.click(&format!("silence-{bea_id}")).await;
        silenced(&ada, true).await;
        ada.click(&format!("silence-{bea_id}")).await;
        silenced(&ada, false).await;

        ada.keep_focus().await;
        ada.hold_key('m').await;
        ada.release_keys().await;
        bea.sees("Ada", "muted", |ada| ada.muted == "true").await;
        bea.click("leave").await;
        says_aloud(&ada, "Bea left.").await;
    })
    .await;
}

#[tokio::test]
async fn the_microphone_is_tested_before_a_call() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tab = browser.tab().await;
        tab.open(&server.url("/?name=Ada")).await;
        tab.says("status", "Connected").await;
        tab.click("settings").await;
        tab.click("microphone-test").await;
        until("the meter to move", async || {
            let level = "return Number(document.getElementById('meter-fill').style.getPropertyValue('--level'))";
            let level: f64 = tab.evaluate(level, Vec::new()).await;
            if level > 0.2 { Ok(()) } else { Err(level) }
        })
        .await;
        assert!(tab.text("microphone-test").await.is_none(), "it runs");
        tab.evaluate::<()>("document.getElementById('settings').close()", Vec::new())
            .await;
        // The browser's sign for the microphone goes out, so the next test begins anew.
        tab.click("settings").await;
        tab.says("microphone-test", "Test").await;
    })
    .await;
}

#[tokio::test]
async fn all_icons_stay_while_the_server_is_down() {
    while_the_server_is_down(async |_, tab| {
        tab.says("status", "Reconnecting").await;
        // This icon was not shown before.
        tab.click("mute").await;
        let drawn = "const icons = [...document.querySelectorAll('svg.icon')].filter(icon => icon.checkVisibility());
            return icons.length > 0 && icons.every(icon => icon.firstElementChild.getBBox().width > 0)";
        until("all icons to be drawn", async || {
            let all: bool = tab.evaluate(drawn, Vec::new()).await;
            if all { Ok(()) } else { Err("one is missing") }
        })
        .await;
    })
    .await;
}

/// Browsers write the address of a WebSocket that can't be opened to the console, and the address
/// has the token.
#[tokio::test]
async fn no_token_gets_into_the_console_while_the_server_is_down() {
    while_the_server_is_down(async |browser, _| {
        let mut console = Vec::new();
        until("three attempts to connect", async || {
            console.extend(browser.take_console().await);
            let attempts = console.iter().filter(|line| line.contains("healthz"));
            if attempts.count() >= 3 {
                Ok(())
            } else {
                Err(format!("{console:?}"))
            }
        })
        .await;
        for line in &console {
            assert!(!line.contains("access_token"), "{line}");
        }
    })
    .await;
}

/// Runs a test with a tab whose user is in a call, and whose server has just ended.
async fn while_the_server_is_down(test: impl AsyncFnOnce(&Browser, &Tab<'_>)) {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tab = browser.tab().await;
        tab.join(&server, "Ada", "general").await;
        tab.shows(&["Ada"]).await;
        drop(server);
        test(browser, &tab).await;
    })
    .await;
}

async fn says_aloud(tab: &Tab<'_>, words: &str) {
    until(&format!("the announcement {words:?}"), async || {
        let text = "return document.getElementById('announcements').textContent
            .replaceAll(/[\\u2068\\u2069]/g, '')";
        let text: String = tab.evaluate(text, Vec::new()).await;
        if text == words { Ok(()) } else { Err(text) }
    })
    .await;
}

async fn silenced(tab: &Tab<'_>, expected: bool) {
    until("the playback to follow", async || {
        let playing = "return window.elements.filter(element => element.srcObject).map(element => element.muted)";
        let muted: Vec<bool> = tab.evaluate(playing, Vec::new()).await;
        if muted == [expected] {
            Ok(())
        } else {
            Err(format!("{muted:?}"))
        }
    })
    .await;
}
