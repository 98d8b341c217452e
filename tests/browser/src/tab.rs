//! A tab and what a person does in it.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{until, window::Window};

/// A tab of a [`Browser`](crate::Browser) or of a [`Firefox`](crate::Firefox). A test can't tell
/// them apart, except that a few methods need Chromium.
#[derive(Debug)]
pub struct Tab<'a> {
    window: Box<dyn Window + 'a>,
}

impl<'a> Tab<'a> {
    pub(crate) fn new(window: impl Window + 'a) -> Self {
        Self {
            window: Box::new(window),
        }
    }

    /// Opens a URL.
    ///
    /// # Panics
    /// If it does not load.
    pub async fn open(&self, url: &str) {
        done(url, self.window.open(url).await);
    }

    /// Closes the tab, as a person would.
    ///
    /// # Panics
    /// If the browser does not close it.
    pub async fn close(self) {
        done("closing a tab", self.window.close().await);
    }

    /// Kills the process of a tab of Chromium, so that the page can do nothing more. In Firefox all
    /// tabs of a site share a process.
    ///
    /// # Panics
    /// If the browser refuses.
    pub async fn crash(&self) {
        done("killing a tab", self.window.crash().await);
    }

    /// From now on, runs a script in each document of this tab before the page's own scripts.
    ///
    /// # Panics
    /// If the browser refuses.
    pub async fn prepare(&self, script: &str) {
        done("preparing a tab", self.window.prepare(script).await);
    }

    /// Makes a tab of Chromium look like a phone, 390 by 844 CSS pixels.
    ///
    /// # Panics
    /// If the browser refuses.
    pub async fn become_phone(&self) {
        let params = json!({ "width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": true });
        self.dev_tools("Emulation.setDeviceMetricsOverride", params)
            .await;
    }

    /// Lets the page in a tab of Chromium believe that the user prefers `light` or `dark` colors.
    ///
    /// # Panics
    /// If the browser refuses.
    pub async fn prefer_colors(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.dev_tools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// Lets the page in a tab of Chromium believe that it has the focus, even if another tab has
    /// it.
    ///
    /// # Panics
    /// If the browser refuses.
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
        done(method, self.window.dev_tools(method, params).await);
    }

    /// Runs the body of an async function in the page, with these `arguments`. Returns its result.
    ///
    /// # Panics
    /// If the function throws, or if its result is no `T`.
    pub async fn evaluate<T: DeserializeOwned>(&self, body: &str, arguments: Vec<Value>) -> T {
        let result = done(body, self.window.evaluate(body, arguments).await);
        T::deserialize(&result).unwrap_or_else(|error| panic!("{body}: {error} in {result}"))
    }

    /// Clicks the element with this `data-testid`, once it can be clicked.
    ///
    /// # Panics
    /// If that is not possible in time.
    pub async fn click(&self, test_id: &str) {
        until(&format!("clicking {test_id}"), async || {
            self.window.click(test_id).await
        })
        .await;
    }

    /// Types into the element with this `data-testid`.
    ///
    /// # Panics
    /// If that is not possible in time.
    pub async fn type_into(&self, test_id: &str, text: &str) {
        until(&format!("typing into {test_id}"), async || {
            self.window.type_into(test_id, text).await
        })
        .await;
    }

    /// Presses a key and holds it until [`release_keys`](Self::release_keys).
    ///
    /// # Panics
    /// If the browser refuses.
    pub async fn hold_key(&self, key: char) {
        done("pressing a key", self.window.hold_key(key).await);
    }

    /// Releases all keys that are held.
    ///
    /// # Panics
    /// If the browser refuses.
    pub async fn release_keys(&self) {
        done("releasing keys", self.window.release_keys().await);
    }

    /// A picture of the tab, as PNG.
    ///
    /// # Panics
    /// If the browser makes none.
    pub async fn screenshot(&self) -> Vec<u8> {
        done("a picture of a tab", self.window.screenshot().await)
    }
}

fn done<T>(what: &str, result: Result<T, String>) -> T {
    result.unwrap_or_else(|reason| panic!("{what}: {reason}"))
}
