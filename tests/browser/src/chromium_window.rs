//! A tab of Chromium, by way of chromedriver.

use async_trait::async_trait;
use fantoccini::{
    Client, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
    error::CmdError,
    wd::WindowHandle,
};
use serde_json::{Value, json};

use crate::{commands::DevTools, window::Window};

/// Awaits the body of an async function in the page. The answer is `[value]` or `{ failure }`.
const AWAIT: &str = "const done = arguments[arguments.length - 1];
    (async () => { BODY })().then(value => done([value ?? null]), error => done({ failure: String(error) }));";

#[derive(Debug)]
pub(crate) struct ChromiumWindow<'a> {
    client: &'a Client,
    handle: WindowHandle,
}

impl<'a> ChromiumWindow<'a> {
    pub(crate) const fn new(client: &'a Client, handle: WindowHandle) -> Self {
        Self { client, handle }
    }

    /// The client, whose commands go to this tab from now on.
    async fn selected(&self) -> Result<&Client, String> {
        let switched = self.client.switch_to_window(self.handle.clone()).await;
        switched.map_err(describe)?;
        Ok(self.client)
    }

    async fn element(&self, test_id: &str) -> Result<Element, String> {
        let selector = format!("[data-testid='{test_id}']");
        let client = self.selected().await?;
        client.find(Locator::Css(&selector)).await.map_err(describe)
    }
}

#[async_trait(?Send)]
impl Window for ChromiumWindow<'_> {
    async fn open(&self, url: &str) -> Result<(), String> {
        self.selected().await?.goto(url).await.map_err(describe)
    }

    async fn close(&self) -> Result<(), String> {
        let client = self.selected().await?;
        client.close_window().await.map_err(describe)?;
        // Until another window is selected, the driver refuses all commands. The first one, with
        // which the browser started, is always there.
        let mut left = client.windows().await.map_err(describe)?;
        let first = left.swap_remove(0);
        client.switch_to_window(first).await.map_err(describe)
    }

    async fn prepare(&self, script: &str) -> Result<(), String> {
        let params = json!({ "source": script });
        self.dev_tools("Page.addScriptToEvaluateOnNewDocument", params)
            .await
    }

    async fn evaluate(&self, body: &str, arguments: Vec<Value>) -> Result<Value, String> {
        let script = AWAIT.replace("BODY", body);
        let client = self.selected().await?;
        let answer = client.execute_async(&script, arguments).await;
        match answer.map_err(describe)? {
            Value::Array(mut value) if value.len() == 1 => Ok(value.remove(0)),
            failure => Err(failure.to_string()),
        }
    }

    async fn click(&self, test_id: &str) -> Result<(), String> {
        self.element(test_id).await?.click().await.map_err(describe)
    }

    async fn type_into(&self, test_id: &str, text: &str) -> Result<(), String> {
        let field = self.element(test_id).await?;
        field.send_keys(text).await.map_err(describe)
    }

    async fn hold_key(&self, key: char) -> Result<(), String> {
        let press = KeyActions::new("keyboard".to_owned()).then(KeyAction::Down { value: key });
        let pressed = self.selected().await?.perform_actions(press).await;
        pressed.map_err(describe)
    }

    async fn release_keys(&self) -> Result<(), String> {
        let released = self.selected().await?.release_actions().await;
        released.map_err(describe)
    }

    async fn screenshot(&self) -> Result<Vec<u8>, String> {
        self.selected().await?.screenshot().await.map_err(describe)
    }

    async fn crash(&self) -> Result<(), String> {
        self.selected().await?;
        // No process is left to answer.
        let _ = self.dev_tools("Page.crash", json!({})).await;
        Ok(())
    }

    async fn dev_tools(&self, method: &'static str, params: Value) -> Result<(), String> {
        let command = DevTools { method, params };
        let answer = self.selected().await?.issue_cmd(command).await;
        answer.map(drop).map_err(describe)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a map_err hands it over")]
fn describe(error: CmdError) -> String {
    error.to_string()
}
