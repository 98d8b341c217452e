//! What a tab is made of in any browser.

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

/// One page of one browser. An error says what the browser refused, and why.
#[async_trait(?Send)]
pub(crate) trait Window: Debug {
    /// Opens a URL and waits until it has loaded.
    async fn open(&self, url: &str) -> Result<(), String>;

    /// Closes the page, as a person would.
    async fn close(&self) -> Result<(), String>;

    /// From now on, runs a script in each document before the page's own scripts.
    async fn prepare(&self, script: &str) -> Result<(), String>;

    /// Runs the body of an async function in the page, with these `arguments`. Returns its result,
    /// `null` if there is none.
    async fn evaluate(&self, body: &str, arguments: Vec<Value>) -> Result<Value, String>;

    /// Clicks the element with this `data-testid`, if it can be clicked now.
    async fn click(&self, test_id: &str) -> Result<(), String>;

    /// Types into the element with this `data-testid`, if that is possible now.
    async fn type_into(&self, test_id: &str, text: &str) -> Result<(), String>;

    /// Presses a key and holds it.
    async fn hold_key(&self, key: char) -> Result<(), String>;

    /// Releases all keys that are held.
    async fn release_keys(&self) -> Result<(), String>;

    /// A picture of the page, as PNG.
    async fn screenshot(&self) -> Result<Vec<u8>, String>;

    /// Kills the process of the page.
    async fn crash(&self) -> Result<(), String>;

    /// Sends a command of the DevTools protocol, which only Chromium speaks.
    async fn dev_tools(&self, method: &'static str, params: Value) -> Result<(), String>;
}
