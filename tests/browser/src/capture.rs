//! What a failed test leaves for people to look at.

use std::env;

use crate::{Browser, Tab};

/// Saves a picture of each tab in the system's temporary directory. Prints the tabs' texts and the
/// consoles.
#[expect(clippy::print_stderr, reason = "the output of a failing test shows it")]
pub(crate) async fn failure(browser: &Browser) {
    let pid = std::process::id();
    let handles = browser.client().windows().await.unwrap_or_default();
    for (number, handle) in handles.into_iter().enumerate() {
        let tab = Tab::new(browser, handle);
        let text: String = tab
            .evaluate("return document.body.innerText", Vec::new())
            .await;
        let picture = env::temp_dir().join(format!("united-voice-browser-{pid}-{number}.png"));
        let kept = std::fs::write(&picture, tab.screenshot().await);
        eprintln!(
            "--- tab {number}, {}, {kept:?} ---\n{text}",
            picture.display()
        );
    }
    eprintln!(
        "--- console ---\n{}",
        browser.take_console().await.join("\n")
    );
}
