//! Pages on several nodes of one cluster are in one call.

use serde_json::{Map, Value};
use united_voice_browser::{Browser, Microphones, Proxy, ServerKind, Tab, server, until};

use crate::reconnection::{AFTERWARDS, Call, is_quiet};

const NAMES: [&str; 3] = ["Ada", "Bea", "Cem"];

/// A load balancer stands before the nodes. Cem's node dies, and he comes back through another.
#[tokio::test]
async fn a_call_goes_on_while_a_node_dies() {
    let mut server = server(ServerKind::Nodes).await;
    let [first, second, third] = nodes(&server.addresses());
    let balancer = Proxy::before(third).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [
            browser.tab().await,
            browser.tab().await,
            browser.tab().await,
        ];
        let ways = [first, second, balancer.address()];
        for ((tab, name), address) in tabs.iter().zip(NAMES).zip(ways) {
            tab.meter().await;
            tab.open(&format!("http://{address}/?name={name}&channel=general"))
                .await;
        }
        let mut before = Vec::new();
        for (tab, name) in tabs.iter().zip(NAMES) {
            let others: Vec<_> = NAMES.into_iter().filter(|other| *other != name).collect();
            tab.hears(&others).await;
            before.push(Call::now(tab).await);
        }
        let old = tabs[0].link("Cem").await.expect("Ada hears Cem").session_id;

        server.kill_node(third);
        balancer.lead_to(second);
        balancer.cut();
        balancer.mend();
        is_in_another_session(&tabs[0], "Cem", &old).await;
        for tab in &tabs {
            tab.says("status", "Connected").await;
            tab.shows(&NAMES).await;
            is_quiet(tab, "info").await;
        }
        tabs[0].seconds_pass(AFTERWARDS).await;
        for (tab, before) in tabs.iter().zip(before) {
            tab.shows(&NAMES).await;
            before.went_on(tab, &NAMES).await;
        }
    })
    .await;
}

/// Ada opens a second tab, which is connected to another node.
#[tokio::test]
async fn a_user_takes_the_seat_over_through_another_node() {
    let server = server(ServerKind::Nodes).await;
    let [first, second, third] = nodes(&server.addresses());
    Browser::run(Microphones::Beep, async |browser| {
        let [old, bea, new] = [
            browser.tab().await,
            browser.tab().await,
            browser.tab().await,
        ];
        let link = |node, name| format!("http://{node}/?name={name}&channel=general");
        old.open(&link(first, "Ada")).await;
        old.shows(&["Ada"]).await;
        bea.open(&link(second, "Bea")).await;
        bea.hears(&["Ada"]).await;
        let session = bea.link("Ada").await.expect("Bea hears Ada").session_id;

        let keys = "return { ...sessionStorage }";
        let keys: Map<String, Value> = old.evaluate(keys, Vec::new()).await;
        let keys = Value::Object(keys);
        new.prepare(&format!("Object.assign(sessionStorage, {keys})"))
            .await;
        new.open(&link(third, "Ada")).await;
        new.hears(&["Bea"]).await;
        old.says("error", "You joined from somewhere else").await;
        old.says("channel-title", "Not in a channel").await;
        is_in_another_session(&bea, "Ada", &session).await;
        bea.shows(&["Ada", "Bea"]).await;
        bea.hears(&["Ada"]).await;
    })
    .await;
}

fn nodes<T: Copy + std::fmt::Debug>(addresses: &[T]) -> [T; 3] {
    addresses.try_into().expect("there are three nodes")
}

async fn is_in_another_session(tab: &Tab<'_>, name: &str, old: &str) {
    until(&format!("{name} in another session"), async || {
        match tab.link(name).await {
            Some(link) if link.session_id != old => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}
