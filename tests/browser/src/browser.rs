//! A Chromium and its logs.

use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    path::PathBuf,
};

use fantoccini::{
    Client, ClientBuilder,
    wd::{Capabilities, WindowHandle},
};
use futures::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::{Tab, capture, chromium_window::ChromiumWindow, commands::TakeLog, driver::Driver};

/// What happens if a page asks for the microphone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Microphones {
    /// The page gets a microphone that beeps.
    Beep,
    /// The user has forbidden microphones.
    Forbidden,
}

/// The browser is headless and silent, asks nothing of the internet, and runs hidden tabs at full
/// speed.
const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--window-size=1280,800",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--use-fake-device-for-media-stream",
];

/// Without this, calls ignore the loopback interface, and a machine without a network has no other.
const LOOPBACK: &str = "--allow-loopback-in-peer-connection";

/// How to start a browser.
#[derive(Clone, Debug)]
pub struct BrowserBuilder {
    microphones: Microphones,
    loopback: bool,
    binary: Option<PathBuf>,
    flags: Vec<String>,
}

impl BrowserBuilder {
    /// Starts this program, with Chromium's arguments, instead of the Chromium that chromedriver
    /// finds.
    #[must_use]
    pub fn binary(mut self, path: impl Into<PathBuf>) -> Self {
        self.binary = Some(path.into());
        self
    }

    /// Keeps calls off the loopback interface, as the browsers of users do. The machine then needs
    /// another interface.
    #[must_use]
    pub const fn without_loopback(mut self) -> Self {
        self.loopback = false;
        self
    }

    /// Adds a command-line argument.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Runs a test with a new browser, and closes the browser even if the test fails. A failed test
    /// leaves a picture and the text of each tab.
    ///
    /// # Panics
    /// If Chromium or chromedriver is missing, or if the test panics.
    pub async fn run(self, test: impl AsyncFnOnce(&Browser)) {
        let browser = Browser::start(&self).await;
        let outcome = AssertUnwindSafe(test(&browser)).catch_unwind().await;
        if outcome.is_err() {
            // A failure here must not hide the failure of the test.
            let _ = AssertUnwindSafe(browser.show_failure())
                .catch_unwind()
                .await;
        }
        let Browser { client, driver } = browser;
        let closed = client.close().await;
        drop(driver);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        closed.expect("the browser closes");
    }

    fn capabilities(&self) -> Capabilities {
        let mut flags: Vec<&str> = FLAGS.to_vec();
        flags.extend(self.loopback.then_some(LOOPBACK));
        flags.extend(self.flags.iter().map(String::as_str));
        let mut preferences = json!({});
        match self.microphones {
            Microphones::Beep => flags.push("--use-fake-ui-for-media-stream"),
            // 2 is "block". Chromium hides addresses from pages without a microphone: it gives them
            // names that only multicast resolves.
            Microphones::Forbidden => {
                preferences["profile.default_content_setting_values.media_stream_mic"] = json!(2);
                flags.push("--disable-features=WebRtcHideLocalIpsWithMdns");
            }
        }
        let mut options = json!({ "args": flags, "prefs": preferences });
        if let Some(binary) = &self.binary {
            options["binary"] = json!(binary);
        }
        let capabilities = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            "timeouts": { "script": 10_000, "pageLoad": 20_000 },
        });
        match capabilities {
            Value::Object(capabilities) => capabilities,
            _ => unreachable!("it is written as an object"),
        }
    }
}

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    driver: Driver,
}

impl Browser {
    /// Configures a browser before it starts.
    #[must_use]
    pub const fn builder(microphones: Microphones) -> BrowserBuilder {
        BrowserBuilder {
            microphones,
            loopback: true,
            binary: None,
            flags: Vec::new(),
        }
    }

    /// Runs a test with a new browser, see [`BrowserBuilder::run`].
    ///
    /// # Panics
    /// If Chromium or chromedriver is missing, or if the test panics.
    pub async fn run(microphones: Microphones, test: impl AsyncFnOnce(&Self)) {
        Self::builder(microphones).run(test).await;
    }

    async fn start(builder: &BrowserBuilder) -> Self {
        let driver = Driver::start().await;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(builder.capabilities())
            .connect(driver.url())
            .await
            .expect("chromedriver starts Chromium (on Debian: apt-get install chromium)");
        Self { client, driver }
    }

    /// Opens a new tab.
    ///
    /// # Panics
    /// If the browser does not open it.
    pub async fn tab(&self) -> Tab<'_> {
        let opened = self.client.new_window(true).await;
        self.tab_of(opened.expect("a tab opens").handle)
    }

    fn tab_of(&self, handle: WindowHandle) -> Tab<'_> {
        Tab::new(ChromiumWindow::new(&self.client, handle))
    }

    async fn show_failure(&self) {
        let handles = self.client.windows().await.unwrap_or_default();
        let tabs = handles.into_iter().map(|handle| self.tab_of(handle));
        capture::failure("chromium", tabs.collect(), &self.take_console().await).await;
    }

    /// What the tabs wrote to their consoles since the last call, as `LEVEL message`. The browser
    /// also writes violations of the content security policy and failed requests there.
    pub async fn take_console(&self) -> Vec<String> {
        let entries = self.take_log("browser").await;
        entries
            .iter()
            .map(|entry| format!("{} {}", text(&entry["level"]), text(&entry["message"])))
            .collect()
    }

    /// The URLs that the tabs requested since the last call, WebSockets included.
    pub async fn take_requests(&self) -> Vec<String> {
        let entries = self.take_log("performance").await;
        entries.iter().filter_map(requested).collect()
    }

    async fn take_log(&self, kind: &'static str) -> Vec<Value> {
        let log = self.client.issue_cmd(TakeLog(kind)).await;
        match log.expect("chromedriver keeps logs") {
            Value::Array(entries) => entries,
            other => panic!("a log is a list, not {other}"),
        }
    }
}

fn requested(entry: &Value) -> Option<String> {
    let message: Value = serde_json::from_str(entry["message"].as_str()?).ok()?;
    let event = &message["message"];
    let url = match event["method"].as_str()? {
        "Network.requestWillBeSent" => &event["params"]["request"]["url"],
        "Network.webSocketCreated" => &event["params"]["url"],
        _ => return None,
    };
    url.as_str().map(str::to_owned)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
