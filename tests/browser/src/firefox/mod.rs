//! A Firefox. It speaks WebDriver BiDi itself, so it needs no driver.

mod bidi;
mod sound;
mod window;

use std::{
    fs,
    panic::{AssertUnwindSafe, resume_unwind},
    path::Path,
    process::Stdio,
};

use futures::FutureExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use united_voice_scenarios::{eventually, soon};

use crate::{Tab, capture};
use bidi::Bidi;
use sound::SoundDevice;
use window::FirefoxWindow;

/// A running Firefox with a microphone that hums, and with a sound device. It must run in a
/// [secluded namespace](crate::Namespace::secluded), or calls find no address that they may use.
#[derive(Debug)]
pub struct Firefox {
    bidi: Bidi,
    process: Child,
    _sound: SoundDevice,
    // The profile, and all other files of Firefox. Dropping it removes them.
    _home: TempDir,
}

impl Firefox {
    /// Runs a test with a new Firefox, and ends it even if the test fails. A failed test leaves a
    /// picture and the text of each tab.
    ///
    /// # Panics
    /// If Firefox or PulseAudio is missing, or if the test panics.
    pub async fn run(test: impl AsyncFnOnce(&Self)) {
        let firefox = Self::start().await;
        let outcome = AssertUnwindSafe(test(&firefox)).catch_unwind().await;
        if outcome.is_err() {
            // A failure here must not hide the failure of the test.
            let _ = AssertUnwindSafe(firefox.show_failure())
                .catch_unwind()
                .await;
        }
        let ended = AssertUnwindSafe(firefox.end()).catch_unwind().await;
        if let Err(panic) = outcome.and(ended) {
            resume_unwind(panic);
        }
    }

    async fn start() -> Self {
        let home = TempDir::new().expect("a temporary directory can be made");
        let profile = home.path().join("profile");
        fs::create_dir(&profile).expect("the directory is writable");
        fs::write(profile.join("user.js"), include_str!("user.js"))
            .expect("the directory is writable");
        let sound = SoundDevice::start(home.path()).await;
        let mut command = Command::new("firefox-esr");
        command
            .args(["--headless", "--no-remote", "--remote-debugging-port=0"])
            .arg("--profile")
            .arg(&profile)
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env("PULSE_SERVER", sound.address())
            .env("MOZ_CRASHREPORTER_DISABLE", "1")
            // Without this, Firefox ignores the setting of another server for its own lists.
            .env("MOZ_REMOTE_SETTINGS_DEVTOOLS", "1")
            .env_remove("DBUS_SESSION_BUS_ADDRESS");
        let mut process = started(command);
        let url = eventually("Firefox to listen", async || {
            let ended = process.try_wait().expect("a child can be waited for");
            assert!(ended.is_none(), "Firefox ended at once: {ended:?}");
            listening_on(&profile)
        })
        .await;
        let bidi = Bidi::connect(&format!("{url}/session")).await;
        let firefox = Self {
            bidi: bidi.unwrap_or_else(|error| panic!("{error}")),
            process,
            _sound: sound,
            _home: home,
        };
        let events = json!({ "events": ["log.entryAdded"] });
        firefox.command("session.subscribe", events).await;
        firefox
    }

    /// Opens a new tab, in a window of its own: a tab behind another one gets no input.
    ///
    /// # Panics
    /// If Firefox does not open it.
    pub async fn tab(&self) -> Tab<'_> {
        let window = json!({ "type": "window" });
        let opened = self.command("browsingContext.create", window).await;
        let tab = self.tab_of(&opened);
        let viewport = json!({ "width": 1280, "height": 800 });
        let params = json!({ "context": opened["context"], "viewport": viewport });
        self.command("browsingContext.setViewport", params).await;
        tab
    }

    /// What the tabs wrote to their consoles since the last call, as `LEVEL message`.
    pub async fn take_console(&self) -> Vec<String> {
        // An event is read with the answer to a command.
        self.command("session.status", json!({})).await;
        let events = self.bidi.take_events().await;
        let entry = |event: &Value| {
            let entry = &event["params"];
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            format!("{} {}", text("level"), text("text"))
        };
        events.iter().map(entry).collect()
    }

    /// Sends a command that can't be refused.
    async fn command(&self, method: &str, params: Value) -> Value {
        let result = self.bidi.command(method, params).await;
        result.unwrap_or_else(|error| panic!("{error}"))
    }

    fn tab_of(&self, context: &Value) -> Tab<'_> {
        let id = context["context"].as_str().expect("a tab has an id");
        Tab::new(FirefoxWindow::new(&self.bidi, id.to_owned()))
    }

    async fn show_failure(&self) {
        let tree = self.command("browsingContext.getTree", json!({})).await;
        let contexts = tree["contexts"].as_array().into_iter().flatten();
        let tabs = contexts.map(|context| self.tab_of(context)).collect();
        capture::failure("firefox", tabs, &self.take_console().await).await;
    }

    async fn end(mut self) {
        self.command("browser.close", json!({})).await;
        soon("Firefox to end", self.process.wait())
            .await
            .expect("a child can be waited for");
    }
}

/// Starts a program that ends when it is dropped, and whose output nobody reads.
fn started(mut command: Command) -> Child {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command.spawn().unwrap_or_else(|error| {
        panic!(
            "{command:?} can't be started ({error}). These tests need Firefox and a sound server: \
             on Debian, apt-get install firefox-esr pulseaudio"
        )
    })
}

/// The URL in the file that Firefox writes once it listens.
fn listening_on(profile: &Path) -> Option<String> {
    let text = fs::read(profile.join("WebDriverBiDiServer.json")).ok()?;
    let server: Value = serde_json::from_slice(&text).ok()?;
    let (host, port) = (server["ws_host"].as_str()?, server["ws_port"].as_u64()?);
    Some(format!("ws://{host}:{port}"))
}
