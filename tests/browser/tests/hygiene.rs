//! The console stays empty, and the page requests nothing from anything but its server.

use united_voice_browser::{Browser, Microphones, ServerKind, server};

pub(crate) async fn the_console_stays_empty_and_requests_stay_at_home(kind: ServerKind) {
    let server = server(kind).await;
    let homes = server.addresses().into_iter().map(|home| home.to_string());
    let homes: Vec<_> = homes.collect();
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        ada.open(&server.url("/")).await;
        ada.type_into("sign-in-name", "Ada").await;
        ada.click("sign-in").await;
        ada.click("channel-lounge").await;
        bea.join(&server, "Bea", "lounge").await;
        ada.hears(&["Bea"]).await;
        ada.click("settings").await;
        ada.click("mode-push").await;
        ada.click("mode-activity").await;
        let () = ada
            .evaluate("document.getElementById('settings').close()", Vec::new())
            .await;
        for button in [
            "mute",
            "mute",
            "deafen",
            "deafen",
            "channel-general",
            "leave",
        ] {
            ada.click(button).await;
        }
        bea.shows(&["Bea"]).await;
        assert_eq!(browser.take_console().await, Vec::<String>::new());

        let requests = browser.take_requests().await;
        for kind in ["/assets/app.js", "/api/channels", "/ws?"] {
            assert!(
                requests.iter().any(|url| url.contains(kind)),
                "{kind} is not among {requests:?}"
            );
        }
        for url in &requests {
            let is_at_home = homes.iter().any(|home| at_home(url, home));
            assert!(is_at_home, "{url} is not on the server");
        }
    })
    .await;
}

/// The test above relies on this: the console shows scripts that fail and violations of the policy.
pub(crate) async fn a_foreign_script_is_blocked_and_logged(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tab = browser.tab().await;
        tab.open(&server.url("/")).await;
        let inject = "const script = document.createElement('script');
            script.src = 'http://127.0.0.1:9/foreign.js';
            document.head.append(script);
            await new Promise(resolve => { script.onerror = resolve; });";
        let () = tab.evaluate(inject, Vec::new()).await;
        let console = browser.take_console().await;
        assert!(
            console
                .iter()
                .any(|line| line.contains("Content Security Policy")),
            "{console:?}"
        );
    })
    .await;
}

fn at_home(url: &str, home: &str) -> bool {
    let own = ["http", "ws"].map(|scheme| format!("{scheme}://{home}/"));
    let within = ["data:", "blob:", "about:", "chrome:"];
    own.iter().any(|start| url.starts_with(start.as_str()))
        || within.iter().any(|start| url.starts_with(start))
}
