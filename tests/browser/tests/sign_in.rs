//! A user signs in, finds a channel, changes to another, and is refused.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server, until};
use united_voice_scenarios::{Client, Codec, Server};

pub(crate) async fn by_name_and_from_channel_to_channel(kind: ServerKind) {
    let server = server(kind).await;
    let host = server.user("Host").await;
    let mut in_lounge = Client::connect(&server, &host, Codec::Json).await;
    in_lounge.join("lounge").await;
    Browser::run(Microphones::Beep, async |browser| {
        let tab = browser.tab().await;
        tab.open(&server.url("/")).await;
        refuses_an_empty_name(&tab).await;
        tab.type_into("sign-in-name", "Ada").await;
        tab.click("sign-in").await;
        tab.says("me", "Ada").await;
        tab.says("status", "Connected").await;
        has_below(&tab, "lounge", &["Host"]).await;

        tab.click("channel-general").await;
        tab.says("channel-title", "general").await;
        tab.shows(&["Ada"]).await;
        has_below(&tab, "general", &["Ada"]).await;

        tab.click("channel-lounge").await;
        tab.says("channel-title", "lounge").await;
        tab.shows(&["Ada", "Host"]).await;
        has_below(&tab, "general", &[]).await;
        assert!(server.roster(&host, "general").await.is_empty());
        assert_eq!(server.roster(&host, "lounge").await.len(), 2);

        tab.click("leave").await;
        tab.says("channel-title", "Not in a channel").await;
        has_below(&tab, "lounge", &["Host"]).await;
        until("the server to know", async || {
            let roster = server.roster(&host, "lounge").await;
            if roster == [host.id.as_str()] {
                Ok(())
            } else {
                Err(format!("{roster:?}"))
            }
        })
        .await;
    })
    .await;
}

pub(crate) async fn a_text_explains_a_refusal(kind: ServerKind) {
    let server = server(kind).await;
    let host = server.user("Host").await;
    server.set_limit(&host, "lounge", Some(1)).await;
    let mut in_lounge = Client::connect(&server, &host, Codec::Json).await;
    in_lounge.join("lounge").await;
    Browser::run(Microphones::Beep, async |browser| {
        let tab = browser.tab().await;
        is_refused(&tab, &server, "attic", "CHANNEL_NOT_FOUND", "attic").await;
        is_refused(&tab, &server, "chat", "NOT_A_VOICE_CHANNEL", "text channel").await;
        is_refused(&tab, &server, "lounge", "CHANNEL_FULL", "full").await;

        // After a refused change of channel, the user is still in the old one.
        tab.click("channel-general").await;
        tab.says("channel-title", "general").await;
        tab.click("channel-lounge").await;
        tab.says("error", "full").await;
        tab.says("channel-title", "general").await;

        in_lounge.leave("lounge").await;
        server.set_limit(&host, "lounge", Some(2)).await;
        tab.click("channel-lounge").await;
        tab.says("channel-title", "lounge").await;
        until("the message to go", async || {
            match tab.text("error").await {
                None => Ok(()),
                Some(text) => Err(text),
            }
        })
        .await;
    })
    .await;
}

async fn refuses_an_empty_name(tab: &Tab<'_>) {
    tab.says("sign-in", "Continue").await;
    tab.click("sign-in").await;
    tab.type_into("sign-in-name", "   ").await;
    tab.click("sign-in").await;
    let signed_in: bool = tab
        .evaluate("return Boolean(window.unitedVoice)", Vec::new())
        .await;
    assert!(!signed_in, "nobody signs in without a name");
    assert!(tab.text("sign-in").await.is_some(), "the form stays");
}

async fn is_refused(tab: &Tab<'_>, server: &Server, channel: &str, code: &str, words: &str) {
    tab.join(server, "Ada", channel).await;
    tab.says("error", words).await;
    let shown: String = tab
        .evaluate(
            "return document.getElementById('error').dataset.code",
            Vec::new(),
        )
        .await;
    assert_eq!(shown, code);
    tab.says("channel-title", "Not in a channel").await;
}

async fn has_below(tab: &Tab<'_>, channel: &str, expected: &[&str]) {
    until(&format!("{expected:?} below {channel}"), async || {
        let names = tab.names_below(channel).await;
        if names == expected {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
}
