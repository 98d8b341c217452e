//! A tab and what a person does in it.

use fantoccini::{
    Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    wd::WindowHandle,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Browser, commands::DevTools, until};

/// Awaits the body of an async function in the page. The answer is `[value]` or `{ failure }`.
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

    /// Opens a URL.
    ///
    /// # Panics
    /// If it does not load.
    pub async fn open(&self, url: &str) {
        self.select().await;
        let loaded = self.browser.client().goto(url).await;
        loaded.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Closes the tab, as a person would.
    ///
    /// # Panics
    /// If the browser does not close it.
    pub async fn close(self) {
        self.select().await;
        let closed = self.browser.client().close_window().await;
        closed.expect("a tab closes");
    }

    /// Kills the process of the tab, so that the page can do nothing more.
    pub async fn crash(&self) {
        self.select().await;
        let crash = DevTools {
            method: "Page.crash",
            params: json!({}),
        };
        // No process is left to answer.
        let _ = self.browser.client().issue_cmd(crash).await;
    }

    /// From now on, runs a script in each document of this tab before the page's own scripts.
    pub async fn prepare(&self, script: &str) {
        let params = json!({ "source": script });
        self.dev_tools("Page.addScriptToEvaluateOnNewDocument", params)
            .await;
    }

    /// Makes the tab look like a phone, 390 by 844 CSS pixels.
    pub async fn become_phone(&self) {
        let params = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.dev_tools("Emulation.setDeviceMetricsOverride", params)
            .await;
    }

    /// Lets the page believe that the user prefers `light` or `dark` colors.
    pub async fn prefer_colors(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.dev_tools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// Lets the page believe that it has the focus, even if another tab has it.
    pub async fn keep_focus(&self) {
        let params = json!({ "enabled": true });
        self.dev_tools("Emulation.setFocusEmulationEnabled", params)
            .await;
    }

    /// Freezes the page, as a browser does with tabs that nobody looks at. Its code stops.
    pub async fn freeze(&self) {
        self.dev_tools("Page.setWebLifecycleState", json!({ "state": "frozen" }))
            .await;
    }

    /// Lets a frozen page go on.
    pub async fn thaw(&self) {
        self.dev_tools("Page.setWebLifecycleState", json!({ "state": "active" }))
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

    /// Runs the body of an async function in the page, with these `arguments`. Returns its result.
    ///
    /// # Panics
    /// If the function throws, or if its result is no `T`.
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

    /// Clicks the element with this `data-testid`, once it can be clicked.
    ///
    /// # Panics
    /// If that is not possible in time.
    pub async fn click(&self, test_id: &str) {
        until(&format!("clicking {test_id}"), async || {
            self.element(test_id).await?.click().await.map_err(describe)
        })
        .await;
    }

    /// Types into the element with this `data-testid`.
    ///
    /// # Panics
    /// If that is not possible in time.
    pub async fn type_into(&self, test_id: &str, text: &str) {
        until(&format!("typing into {test_id}"), async || {
            let field = self.element(test_id).await?;
            field.send_keys(text).await.map_err(describe)
        })
        .await;
    }

    /// Presses a key and holds it until [`release_keys`](Self::release_keys).
    ///
    /// # Panics
    /// If the driver refuses.
    pub async fn hold_key(&self, key: char) {
        self.select().await;
        let press = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value: key });
        let pressed = self.browser.client().perform_actions(press).await;
        pressed.expect("a key can be pressed");
    }

    /// Releases all keys that are held.
    ///
    /// # Panics
    /// If the driver refuses.
    pub async fn release_keys(&self) {
        self.select().await;
        let released = self.browser.client().release_actions().await;
        released.expect("keys can be released");
    }

    /// A picture of the tab, as PNG.
    ///
    /// # Panics
    /// If the driver makes none.
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
