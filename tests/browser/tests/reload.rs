//! A reload goes on where the user was, whatever the link says.
//! The page is the same on every server, so one server is enough here.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server, until};

#[tokio::test]
async fn a_reload_is_no_invitation() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tab = browser.tab().await;
        tab.join(&server, "Ada", "general").await;
        tab.shows(&["Ada"]).await;
        address_is(&tab, "/?channel=general").await;

        tab.click("channel-lounge").await;
        tab.says("channel-title", "lounge").await;
        tab.click("mute").await;
        tab.sees("Ada", "muted", |ada| ada.muted == "true").await;
        let before = tab.people().await[0].user_id.clone();
        reload(&tab).await;
        tab.says("channel-title", "lounge").await;
        tab.sees("Ada", "muted", |ada| ada.muted == "true").await;
        assert_eq!(tab.people().await[0].user_id, before, "the same user");
        address_is(&tab, "/?channel=lounge").await;

        tab.click("leave").await;
        tab.says("channel-title", "Not in a channel").await;
        address_is(&tab, "/").await;
        reload(&tab).await;
        tab.says("me", "Ada").await;
        tab.says("status", "Connected").await;
        tab.says("channel-title", "Not in a channel").await;

        // A new link in the same tab is an invitation.
        let link = "location.assign('/?channel=general')";
        tab.evaluate::<()>(link, Vec::new()).await;
        tab.says("channel-title", "general").await;
    })
    .await;
}

async fn reload(tab: &Tab<'_>) {
    let reload = "window.before = true; setTimeout(() => location.reload())";
    tab.evaluate::<()>(reload, Vec::new()).await;
    until("the page to be another", async || {
        let ready = "return !window.before && document.readyState === 'complete'";
        let ready: bool = tab.evaluate(ready, Vec::new()).await;
        if ready { Ok(()) } else { Err("it is the same") }
    })
    .await;
}

async fn address_is(tab: &Tab<'_>, expected: &str) {
    until(&format!("the address {expected}"), async || {
        let address = "return location.pathname + location.search";
        let address: String = tab.evaluate(address, Vec::new()).await;
        if address == expected {
            Ok(())
        } else {
            Err(address)
        }
    })
    .await;
}
