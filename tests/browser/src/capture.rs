//! What a failed test leaves for people to look at.

use std::env;

use crate::Tab;

/// Saves a picture of each tab in the system's temporary directory. Prints the tabs' texts and the
/// consoles.
#[expect(clippy::print_stderr, reason = "the output of a failing test shows it")]
pub(crate) async fn failure(browser: &str, tabs: Vec<Tab<'_>>, console: &[String]) {
    let pid = std::process::id();
    for (number, tab) in tabs.into_iter().enumerate() {
        let text: String = tab
            .evaluate("return document.body.innerText", Vec::new())
            .await;
        let picture = env::temp_dir().join(format!("united-voice-{browser}-{pid}-{number}.png"));
        let kept = std::fs::write(&picture, tab.screenshot().await);
        eprintln!(
            "--- {browser} tab {number}, {}, {kept:?} ---\n{text}",
            picture.display()
        );
    }
    eprintln!("--- {browser} console ---\n{}", console.join("\n"));
}
