//! One tab: what a person does in it.

use fantoccini::{
    Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    wd::WindowHandle,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Browser, commands::DevTools, until};

/// Awaits the body of an async function in the page; the answer is `[value]` or `{ failure }`.
const AWAIT: &str = "const done = arguments[arguments.length - 1];
    (async () => { BODY })().then(value => done([value ?? null]), error => done({ failure: String(error) }));";

/// A tab of a [`Browser`].
#[derive(Debug)]
pub struct Tab<'a> {
    browser: &'a Browser,
    handle: WindowHandle,
}

impl<'a> Tab<'a> {
    pub(crate) const fn new(browser: &'a Browser, handle: WindowHandle) -> Self {
        Self { browser, handle }
    }

    /// Goes to an address.
    ///
    /// # Panics
    /// If nothing loads.
    pub async fn open(&self, url: &str) {
        self.select().await;
        let loaded = self.browser.client().goto(url).await;
        loaded.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Closes the tab, as a person would.
    ///
    /// # Panics
    /// If the browser doesn't.
    pub async fn close(self) {
        self.select().await;
        let closed = self.browser.client().close_window().await;
        closed.expect("a tab closes");
    }

    /// Kills the process behind the tab, so that the page can do nothing more.
    pub async fn crash(&self) {
        self.select().await;
        let crash = DevTools {
            method: "Page.crash",
            params: json!({}),
        };
        // There is nobody left to answer.
        let _ = self.browser.client().issue_cmd(crash).await;
    }

    /// Runs a script in each document of this tab from now on, before the page's own.
    pub async fn prepare(&self, script: &str) {
        let params = json!({ "source": script });
        self.dev_tools("Page.addScriptToEvaluateOnNewDocument", params)
            .await;
    }

    /// Makes the tab a phone held upright, 390 by 844.
    pub async fn become_phone(&self) {
        let params = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.dev_tools("Emulation.setDeviceMetricsOverride", params)
            .await;
    }

    /// Lets the page believe that it has the focus even while another tab is looked at.
    pub async fn keep_focus(&self) {
        let params = json!({ "enabled": true });
        self.dev_tools("Emulation.setFocusEmulationEnabled", params)
            .await;
    }

    async fn dev_tools(&self, method: &'static str, params: Value) {
        self.select().await;
        let answer = self
            .browser
            .client()
            .issue_cmd(DevTools { method, params })
            .await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"));
    }

    /// Runs the body of an async function in the page and gives what it returns. `arguments` are those given.
    ///
    /// # Panics
    /// If the function throws, or gives something else than expected.
    pub async fn evaluate<T: DeserializeOwned>(&self, body: &str, arguments: Vec<Value>) -> T {
        self.select().await;
        let script = AWAIT.replace("BODY", body);
        let answer = self
            .browser
            .client()
            .execute_async(&script, arguments)
            .await;
        let mut answer = answer.unwrap_or_else(|error| panic!("{body}: {error}"));
        assert!(answer["failure"].is_null(), "{body}: {answer}");
        serde_json::from_value(answer[0].take())
            .unwrap_or_else(|error| panic!("{body}: {error} in {answer}"))
    }

    /// Clicks what has this `data-testid`, once it is there and can be clicked.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn click(&self, test_id: &str) {
        until(&format!("clicking {test_id}"), async || {
            self.element(test_id).await?.click().await.map_err(describe)
        })
        .await;
    }

    /// Types into what has this `data-testid`.
    ///
    /// # Panics
    /// If there is nothing like that.
    pub async fn type_into(&self, test_id: &str, text: &str) {
        until(&format!("typing into {test_id}"), async || {
            let field = self.element(test_id).await?;
            field.send_keys(text).await.map_err(describe)
        })
        .await;
    }

    /// Presses a key and keeps it down until [`release_keys`](Self::release_keys).
    ///
    /// # Panics
    /// If the driver refuses.
    pub async fn hold_key(&self, key: char) {
        self.select().await;
        let press = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value: key });
        let pressed = self.browser.client().perform_actions(press).await;
        pressed.expect("a key can be pressed");
    }

    /// Lets go of everything that is held.
    ///
    /// # Panics
    /// If the driver refuses.
    pub async fn release_keys(&self) {
        self.select().await;
        let released = self.browser.client().release_actions().await;
        released.expect("keys can be released");
    }

    /// A picture of what the tab shows, as PNG.
    ///
    /// # Panics
    /// If there is none.
    pub async fn screenshot(&self) -> Vec<u8> {
        self.select().await;
        let picture = self.browser.client().screenshot().await;
        picture.expect("a page can be pictured")
    }

    async fn element(&self, test_id: &str) -> Result<Element, String> {
        self.select().await;
        let selector = format!("[data-testid='{test_id}']");
        let client = self.browser.client();
        client.find(Locator::Css(&selector)).await.map_err(describe)
    }

    async fn select(&self) {
        let switched = self
            .browser
            .client()
            .switch_to_window(self.handle.clone())
            .await;
        switched.expect("the tab is open");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a map_err hands it over")]
fn describe(error: fantoccini::error::CmdError) -> String {
    error.to_string()
}
