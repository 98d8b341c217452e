//! axe finds no barrier in any state of the page, on a desk and on a phone, light and dark.
//! The page is the same on every server, so one server is enough here.

use std::{env, fs, path::PathBuf};

use serde_json::json;
use united_voice_browser::{Browser, Microphones, ServerKind, Tab, server};

#[tokio::test]
async fn no_state_of_the_page_has_a_barrier() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let host = browser.tab().await;
        host.join(&server, "Host", "general").await;
        host.shows(&["Host"]).await;
        for (is_phone, scheme) in [
            (false, "light"),
            (false, "dark"),
            (true, "light"),
            (true, "dark"),
        ] {
            let tab = browser.tab().await;
            // The page remembers the user of its own address.
            let home = format!("http://{}", server.address());
            if is_phone {
                tab.become_phone().await;
            }
            tab.prefer_colors(scheme).await;
            tab.open(&format!("{home}/?channel=general")).await;
            tab.says("sign-in", "Continue").await;
            has_no_barrier(&tab, scheme, "sign-in").await;
            tab.open(&format!("{home}/?name=Ada")).await;
            tab.says("channel-general", "general").await;
            has_no_barrier(&tab, scheme, "no channel").await;
            tab.click("settings").await;
            has_no_barrier(&tab, scheme, "settings").await;
            tab.evaluate::<()>("document.getElementById('settings').close()", Vec::new())
                .await;
            tab.click("channel-general").await;
            tab.sees("Host", "connected", |host| host.state == "connected")
                .await;
            has_no_barrier(&tab, scheme, "call").await;
            tab.open(&format!("{home}/?channel=attic")).await;
            tab.says("error", "attic").await;
            has_no_barrier(&tab, scheme, "error").await;
        }
    })
    .await;
}

async fn has_no_barrier(tab: &Tab<'_>, scheme: &str, state: &str) {
    // The source is part of the script, since the page's policy forbids `eval`.
    let run = format!(
        "if (!window.axe) {{ {} }}
        const {{ violations }} = await window.axe.run(document);
        return violations.map(({{ id, nodes }}) => `${{id}}: ${{nodes.map(({{ target }}) => target).join(', ')}}`);",
        axe()
    );
    let violations: Vec<String> = tab.evaluate(&run, vec![json!(null)]).await;
    assert!(violations.is_empty(), "{state}, {scheme}: {violations:#?}");
}

/// The source of axe-core.
fn axe() -> String {
    let target = env::current_exe().expect("a test knows its path");
    let target = target
        .ancestors()
        .nth(3)
        .expect("a test lies in {target}/{profile}/deps");
    let path: PathBuf = target.join("axe/node_modules/axe-core/axe.min.js");
    fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}. Run ./scripts/install-npm tests/browser/axe axe",
            path.display()
        )
    })
}
