//! The time from a join to the first sound.

use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server, until};

const ROUNDS: usize = 5;
/// The figure is for people to read. This bound only finds calls that wait for a time-out.
const BOUND_MS: f64 = 5_000.0;

#[expect(clippy::print_stdout, reason = "the figure is the point")]
pub(crate) async fn join_to_audio(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let ada = browser.tab().await;
        ada.join(&server, "Ada", "general").await;
        ada.shows(&["Ada"]).await;
        let bea = browser.tab().await;
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            bea.join(&server, "Bea", "general").await;
            times.push(first_audio(&bea).await);
            bea.click("leave").await;
            ada.shows(&["Ada"]).await;
        }
        times.sort_by(f64::total_cmp);
        let median = times[ROUNDS / 2];
        println!("join to first audio: {median:.0} ms");
        assert!(median < BOUND_MS, "{times:?} ms");
    })
    .await;
}

async fn first_audio(tab: &Tab<'_>) -> f64 {
    let marks = "const { joinedAt, firstAudioAt } = window.unitedVoice ?? {};
        return joinedAt && firstAudioAt ? firstAudioAt - joinedAt : null";
    until("the first sound", async || {
        let took: Option<f64> = tab.evaluate(marks, Vec::new()).await;
        took.ok_or("nothing is heard")
    })
    .await
}
