//! The user wants relays only, but the server has none.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server};

pub(crate) async fn a_link_for_relays_only_says_that_the_server_has_none(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let ada = browser.tab().await;
        ada.join(&server, "Ada", "general").await;
        let bea = browser.tab().await;
        let link = server.url("/?name=Bea&channel=general&relay=1");
        bea.open(&link).await;
        bea.shows(&["Ada", "Bea"]).await;
        bea.says("info", "relay").await;
        bea.says("call-status", "onnect").await;
        ada.sees("Bea", "unconnected", |bea| bea.state != "connected")
            .await;
        sent_nothing(&bea).await;
    })
    .await;
}

/// The user's own address was not used, which is the purpose of such a link.
async fn sent_nothing(tab: &Tab<'_>) {
    let packets: u64 = tab
        .evaluate(
            "const links = await window.unitedVoice.stats();
            return links.reduce((sum, { packetsSent, packetsReceived }) => sum + packetsSent + packetsReceived, 0)",
            Vec::new(),
        )
        .await;
    assert_eq!(packets, 0);
}
