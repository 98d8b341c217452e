//! What breaks in people's hands. The client's own rules are the same on every server, so one
//! server is enough here.

use std::time::Duration;

use serde_json::json;
use united_voice_browser::{
    Browser, Link, Microphones, Proxy, ServerKind, Tab, server, until, until_within,
};

/// A client asks a quiet connection after 20 s and waits 8 s for the answer.
const A_QUIET_CONNECTION_IS_FOUND: Duration = Duration::from_secs(60);

/// Ada is alone and muted, so her connection carries nothing that could show that it is dead.
#[tokio::test]
async fn a_socket_that_died_without_a_word_is_found() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let proxy = Proxy::before(server.address()).await;
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        let link = format!("http://{}/?name=Ada&channel=general", proxy.address());
        ada.open(&link).await;
        ada.shows(&["Ada"]).await;
        ada.click("mute").await;
        ada.sees("Ada", "muted", |ada| ada.muted == "true").await;

        // The page comes back, for example after the lid was shut.
        let session = session(&ada).await;
        proxy.swallow();
        let online = "dispatchEvent(new Event('online'))";
        until_within(
            A_QUIET_CONNECTION_IS_FOUND,
            "Ada to be in a new session",
            async || {
                // Something that came in a moment ago is proof enough of a connection.
                let () = ada.evaluate(online, Vec::new()).await;
                match self::session(&ada).await {
                    now if now.is_empty() || now == session => Err(now),
                    now => Ok(now),
                }
            },
        )
        .await;

        // Nothing happens but time.
        proxy.swallow();
        bea.join(&server, "Bea", "general").await;
        until_within(A_QUIET_CONNECTION_IS_FOUND, "Ada to see Bea", async || {
            let names = ada.names().await;
            if names == ["Ada", "Bea"] {
                Ok(())
            } else {
                Err(format!("{names:?}"))
            }
        })
        .await;
        ada.hears(&["Bea"]).await;
    })
    .await;
}

/// Bea's connection to Ada sends nothing any more, although she is not muted.
#[tokio::test]
async fn a_connection_that_carries_nothing_is_replaced() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        bea.prepare(KEEP_CONNECTIONS).await;
        ada.join(&server, "Ada", "general").await;
        bea.join(&server, "Bea", "general").await;
        ada.hears(&["Bea"]).await;
        let before = ada.link("Bea").await.expect("Ada hears Bea");
        let remember = "window.states = new Set();
            const { client } = window.unitedVoice;
            const note = ({ connection }) => states.add(connection);
            client.addEventListener('roster', () => client.participants.forEach(note))";
        let () = ada.evaluate(remember, Vec::new()).await;

        let silence = "for (const connection of connections)
            for (const sender of connection.getSenders()) await sender.replaceTrack(null)";
        let () = bea.evaluate(silence, Vec::new()).await;
        until(
            "Ada to hear Bea over a new connection",
            async || match ada.link("Bea").await {
                Some(link) if link.connection_id != before.connection_id && audible(&link) => {
                    Ok(())
                }
                other => Err(format!("{other:?}")),
            },
        )
        .await;
        let silent: bool = ada
            .evaluate("return states.has('silent')", Vec::new())
            .await;
        assert!(silent, "the client never said that Bea is silent");
    })
    .await;
}

const KEEP_CONNECTIONS: &str = "{
    window.connections = [];
    const Native = RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
        constructor(configuration) {
            super(configuration);
            connections.push(this);
        }
    };
}";

/// Cem's browser has no WebRTC, and Dan's makes no second connection.
#[tokio::test]
async fn a_browser_without_connections_still_shows_who_is_there() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        let [cem, dan] = [browser.tab().await, browser.tab().await];
        cem.prepare("delete window.RTCPeerConnection").await;
        dan.prepare(NO_SECOND_CONNECTION).await;
        ada.join(&server, "Ada", "general").await;
        bea.join(&server, "Bea", "general").await;
        cem.join(&server, "Cem", "general").await;
        cem.shows(&["Ada", "Bea", "Cem"]).await;
        cem.sees("Ada", "without audio", |ada| ada.state == "unavailable")
            .await;
        let in_session = session(&cem).await;
        assert!(!in_session.is_empty());

        dan.join(&server, "Dan", "lounge").await;
        dan.shows(&["Dan"]).await;
        dan.click("channel-general").await;
        dan.shows(&["Ada", "Bea", "Cem", "Dan"]).await;
        // Whichever comes first gets the only connection. On a slow machine Ada may have lost her
        // socket meanwhile, and stand behind Bea.
        let heard = until("a page to have one connection", async || {
            let people = dan.people().await;
            let with = |state| {
                let people = people.iter().filter(move |person| person.state == state);
                people
                    .map(|person| person.display_name.clone())
                    .filter(|name| ["Ada", "Bea"].contains(&name.as_str()))
                    .collect::<Vec<_>>()
            };
            match (with("connected").as_slice(), with("unavailable").len()) {
                ([heard], 1) => Ok(heard.clone()),
                _ => Err(format!("{people:?}")),
            }
        })
        .await;
        dan.hears(&[&heard]).await;
        let (listener, other) = match heard.as_str() {
            "Ada" => (&ada, "Bea"),
            _ => (&bea, "Ada"),
        };
        listener.hears(&[other, "Dan"]).await;
        // A join without an answer would have been given up by now.
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert_eq!(session(&cem).await, in_session);
    })
    .await;
}

const NO_SECOND_CONNECTION: &str = "{
    let made = 0;
    const Native = RTCPeerConnection;
    window.RTCPeerConnection = class extends Native {
        constructor(configuration) {
            if (made === 1) throw new Error('no more');
            super(configuration);
            made += 1;
        }
    };
}";

/// A frozen page would answer nobody. It leaves, and is back when it goes on.
#[tokio::test]
async fn a_frozen_page_is_out_of_the_channel_until_it_goes_on() {
    let server = server(ServerKind::Axum).await;
    let watcher = server.user("Watcher").await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        ada.join(&server, "Ada", "general").await;
        bea.join(&server, "Bea", "general").await;
        ada.hears(&["Bea"]).await;
        bea.freeze().await;
        ada.shows(&["Ada"]).await;
        assert_eq!(server.roster(&watcher, "general").await.len(), 1);
        bea.thaw().await;
        ada.shows(&["Ada", "Bea"]).await;
        bea.shows(&["Ada", "Bea"]).await;
        let heard = ada
            .link("Bea")
            .await
            .map_or(0, |link| link.packets_received);
        until("Ada to hear Bea again", async || {
            match ada.link("Bea").await {
                Some(link) if link.packets_received != heard && audible(&link) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    })
    .await;
}

/// Bea comes while Ada talks without a pause.
#[tokio::test]
async fn a_newcomer_learns_who_speaks() {
    let server = server(ServerKind::Axum).await;
    Browser::run(Microphones::Beep, async |browser| {
        let [ada, bea] = [browser.tab().await, browser.tab().await];
        ada.join(&server, "Ada", "general").await;
        ada.shows(&["Ada"]).await;
        // Nothing that Ada's microphone measures changes this.
        let talk = "const { client } = window.unitedVoice;
            client.setSpeaking(true);
            client.setSpeaking = () => {}";
        let () = ada.evaluate(talk, Vec::new()).await;
        bea.join(&server, "Bea", "general").await;
        bea.sees("Ada", "speaking", |ada| ada.speaking == "true")
            .await;
    })
    .await;
}

/// Whether a sound came in, which is more than the first noise of a new line.
fn audible(link: &Link) -> bool {
    link.total_audio_energy > 1e-3
}

async fn session(tab: &Tab<'_>) -> String {
    let session = "return window.unitedVoice?.client.sessionId ?? arguments[0]";
    tab.evaluate(session, vec![json!("")]).await
}
