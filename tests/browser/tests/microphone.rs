//! A user without a microphone is told so, and can listen.

use united_voice_browser::{Browser, Microphones, ServerKind, server};

pub(crate) async fn a_user_without_a_microphone_still_hears(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |talking| {
        let ada = talking.tab().await;
        ada.join(&server, "Ada", "general").await;
        Browser::run(Microphones::Forbidden, async |listening| {
            let bea = listening.tab().await;
            bea.join(&server, "Bea", "general").await;
            bea.says("microphone-problem", "blocked").await;
            bea.says("microphone-problem", "You can listen").await;
            bea.sees("Bea", "muted", |bea| bea.muted == "true").await;
            ada.sees("Bea", "muted", |bea| bea.muted == "true").await;
            bea.hears(&["Ada"]).await;
        })
        .await;
    })
    .await;
}
