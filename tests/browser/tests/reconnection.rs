//! Signaling is not the call: if a socket is lost, nobody must hear it.

use united_voice_browser::{Browser, Link, Microphones, Proxy, ServerKind, Tab, server, until};
use united_voice_scenarios::{Server, User};

const NAMES: [&str; 3] = ["Ada", "Bea", "Cem"];
/// Seconds of audio to check once everybody is back. A page waits less than that for an offer
/// before it makes one.
pub(crate) const AFTERWARDS: usize = 7;
/// The length of an outage in seconds.
const OUTAGE: usize = 10;

pub(crate) async fn a_call_goes_on_while_the_server_restarts(kind: ServerKind) {
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [
            browser.tab().await,
            browser.tab().await,
            browser.tab().await,
        ];
        goes_on_while_the_server_restarts(kind, tabs).await;
    })
    .await;
}

pub(crate) async fn goes_on_while_the_server_restarts(kind: ServerKind, tabs: [Tab<'_>; 3]) {
    let server = server(kind).await;
    for (tab, name) in tabs.iter().zip(NAMES) {
        tab.meter().await;
        tab.join(&server, name, "general").await;
    }
    let mut before = Vec::new();
    for (tab, name) in tabs.iter().zip(NAMES) {
        let others: Vec<_> = NAMES.into_iter().filter(|other| *other != name).collect();
        tab.hears(&others).await;
        before.push(Call::now(tab).await);
    }

    let server = server.restart().await;
    let watcher = server.user("Watcher").await;
    for tab in &tabs {
        tab.says("status", "Connected").await;
        tab.shows(&NAMES).await;
    }
    tabs[0].seconds_pass(AFTERWARDS).await;
    assert_eq!(server.roster(&watcher, "general").await.len(), NAMES.len());
    for (tab, before) in tabs.iter().zip(before) {
        tab.shows(&NAMES).await;
        before.went_on(tab, &NAMES).await;
    }
}

pub(crate) async fn a_call_goes_on_while_a_socket_is_cut(kind: ServerKind) {
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [browser.tab().await, browser.tab().await];
        goes_on_while_a_socket_is_cut(kind, tabs).await;
    })
    .await;
}

/// The server sees at once that Bea's connection is gone, and she can't come back for ten seconds.
pub(crate) async fn goes_on_while_a_socket_is_cut(kind: ServerKind, tabs: [Tab<'_>; 2]) {
    let server = server(kind).await;
    let pair = Pair::call(tabs, &server).await;
    pair.proxy.cut();
    pair.loses_bea(&server).await;
    pair.ada.seconds_pass(OUTAGE).await;
    assert!(pair.proxy.refused() > 0, "Bea never tried to come back");
    pair.proxy.mend();
    pair.gets_bea_back(&server).await;
    for tab in [pair.ada, pair.bea] {
        tab.close().await;
    }
}

/// Neither side sees an end: the server finds the dead connection by ping, the page by a request
/// without a reply.
pub(crate) async fn a_call_goes_on_while_a_socket_is_dead(kind: ServerKind) {
    let config = "[ice]\nstun_urls = []\n[limits]\nping_interval_secs = 1\nping_timeout_secs = 2\n";
    let server = Server::with_config(kind, config).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [browser.tab().await, browser.tab().await];
        let pair = Pair::call(tabs, &server).await;
        pair.proxy.stall();
        pair.loses_bea(&server).await;
        pair.ada.seconds_pass(OUTAGE).await;
        pair.bea.says("status", "Reconnecting").await;
        pair.proxy.mend();
        pair.gets_bea_back(&server).await;
    })
    .await;
}

/// The stall is shorter than the ping time-out of the server, so the connection stays.
pub(crate) async fn a_short_stall_of_a_socket_changes_nothing(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [browser.tab().await, browser.tab().await];
        let pair = Pair::call(tabs, &server).await;
        let session = pair.bea_session().await;
        pair.proxy.stall();
        pair.bea.click("mute").await;
        pair.ada.seconds_pass(OUTAGE / 2).await;
        pair.ada
            .sees("Bea", "not yet muted", |bea| bea.muted == "false")
            .await;
        pair.proxy.mend();
        pair.ada
            .sees("Bea", "muted", |bea| bea.muted == "true")
            .await;
        pair.bea.click("mute").await;
        pair.ada.seconds_pass(AFTERWARDS).await;
        assert_eq!(session, pair.bea_session().await);
        pair.went_on().await;
    })
    .await;
}

/// If a user is really gone, the audio connection fails, and the page does not keep it for the full
/// time.
pub(crate) async fn a_user_that_vanishes_is_soon_let_go(kind: ServerKind) {
    let server = server(kind).await;
    Browser::run(Microphones::Beep, async |browser| {
        let tabs = [browser.tab().await, browser.tab().await];
        let pair = Pair::call(tabs, &server).await;
        pair.bea.crash().await;
        pair.loses_bea(&server).await;
        until("the connection to be closed", async || {
            let connection = pair.ada.only_connection().await;
            if connection.open {
                Err("it is open")
            } else {
                Ok(())
            }
        })
        .await;
        is_quiet(&pair.ada, "info").await;
        assert!(pair.ada.links().await.is_empty());
    })
    .await;
}

/// Ada and Bea in a call. Bea's page reaches the server through a proxy.
struct Pair<'a> {
    ada: Tab<'a>,
    bea: Tab<'a>,
    before: [Call; 2],
    proxy: Proxy,
    watcher: User,
}

impl<'a> Pair<'a> {
    async fn call([ada, bea]: [Tab<'a>; 2], server: &Server) -> Self {
        let watcher = server.user("Watcher").await;
        let proxy = Proxy::before(server.address()).await;
        for tab in [&ada, &bea] {
            tab.meter().await;
        }
        ada.join(server, "Ada", "general").await;
        let link = format!("http://{}/?name=Bea&channel=general", proxy.address());
        bea.open(&link).await;
        ada.hears(&["Bea"]).await;
        bea.hears(&["Ada"]).await;
        let before = [Call::now(&ada).await, Call::now(&bea).await];
        Self {
            ada,
            bea,
            before,
            proxy,
            watcher,
        }
    }

    /// Waits until Bea is out of the roster, and Ada's page says that Bea may still be heard.
    async fn loses_bea(&self, server: &Server) {
        self.ada.shows(&["Ada"]).await;
        self.ada.says("info", "Bea: no connection").await;
        assert_eq!(server.roster(&self.watcher, "general").await.len(), 1);
    }

    async fn gets_bea_back(&self, server: &Server) {
        let old = &self.before[0].links[0].session_id;
        self.ada.shows(&["Ada", "Bea"]).await;
        self.bea.says("status", "Connected").await;
        self.bea.shows(&["Ada", "Bea"]).await;
        is_quiet(&self.ada, "info").await;
        assert_eq!(server.roster(&self.watcher, "general").await.len(), 2);
        assert_ne!(*old, self.bea_session().await, "Bea did come back");
        self.ada.seconds_pass(AFTERWARDS).await;
        self.went_on().await;
    }

    async fn bea_session(&self) -> String {
        let link = self.ada.link("Bea").await;
        link.expect("there is a connection").session_id
    }

    async fn went_on(&self) {
        for (tab, before) in [&self.ada, &self.bea].into_iter().zip(&self.before) {
            before.went_on(tab, &["Ada", "Bea"]).await;
        }
    }
}

/// The connections of a page at some moment.
pub(crate) struct Call {
    links: Vec<Link>,
    negotiated: Vec<u64>,
    samples: Vec<usize>,
}

impl Call {
    pub(crate) async fn now(tab: &Tab<'_>) -> Self {
        let mut links = tab.links().await;
        links.sort_by_key(|link| link.connection_id);
        let metered = tab.metered().await;
        Self {
            links,
            negotiated: metered.iter().map(|of| of.signaling_changes).collect(),
            samples: metered.iter().map(|of| of.samples.len()).collect(),
        }
    }

    /// Checks that the page still has the same connections and no others, to the people that it
    /// shows. None was negotiated again, and audio came in through each in every second since.
    pub(crate) async fn went_on(&self, tab: &Tab<'_>, names: &[&str]) {
        let now = Self::now(tab).await;
        assert_eq!(now.negotiated, self.negotiated);
        assert_eq!(now.links.len(), names.len() - 1, "{:?}", now.links);
        for (now, before) in now.links.iter().zip(&self.links) {
            let what = |link: &Link| {
                (
                    link.display_name.clone(),
                    link.connection_id,
                    link.negotiations,
                )
            };
            assert_eq!(what(now), what(before));
        }
        for (connection, earlier) in tab.metered().await.iter().zip(&self.samples) {
            assert!(connection.open);
            connection.flowed_since(*earlier);
        }
    }
}

pub(crate) async fn is_quiet(tab: &Tab<'_>, place: &str) {
    until(&format!("{place} to say nothing"), async || {
        match tab.text(place).await {
            None => Ok(()),
            Some(text) => Err(text),
        }
    })
    .await;
}
