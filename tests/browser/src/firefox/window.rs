//! A tab of Firefox, in a window of its own.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::bidi::Bidi;
use crate::window::Window;

/// Brings an element into view. Returns its centre, or says why nobody can click there.
const CENTRE: &str = "const [testId] = arguments;
    const element = document.querySelector(`[data-testid='${testId}']`);
    if (!element) return 'there is no such element';
    element.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
    const { left, top, width, height } = element.getBoundingClientRect();
    if (width === 0 || height === 0) return 'it is hidden';
    const [x, y] = [Math.floor(left + width / 2), Math.floor(top + height / 2)];
    const there = document.elementFromPoint(x, y);
    if (!element.contains(there)) return `${there?.outerHTML.slice(0, 80)} covers it`;
    return [x, y]";

#[derive(Debug)]
pub(crate) struct FirefoxWindow<'a> {
    bidi: &'a Bidi,
    context: String,
}

impl<'a> FirefoxWindow<'a> {
    pub(crate) const fn new(bidi: &'a Bidi, context: String) -> Self {
        Self { bidi, context }
    }

    /// Sends a command about this window. `params` is an object, and lacks the window's id.
    async fn command(&self, method: &str, mut params: Value) -> Result<Value, String> {
        params["context"] = json!(self.context);
        self.bidi.command(method, params).await
    }

    /// Performs actions of one device. Only the foremost window has the focus.
    async fn act(&self, kind: &str, actions: Vec<Value>) -> Result<(), String> {
        self.command("browsingContext.activate", json!({})).await?;
        let source = json!({ "type": kind, "id": kind, "actions": actions });
        let params = json!({ "actions": [source] });
        self.command("input.performActions", params).await.map(drop)
    }
}

#[async_trait(?Send)]
impl Window for FirefoxWindow<'_> {
    async fn open(&self, url: &str) -> Result<(), String> {
        let params = json!({ "url": url, "wait": "complete" });
        self.command("browsingContext.navigate", params)
            .await
            .map(drop)
    }

    async fn close(&self) -> Result<(), String> {
        self.command("browsingContext.close", json!({}))
            .await
            .map(drop)
    }

    async fn prepare(&self, script: &str) -> Result<(), String> {
        let function = format!("() => {{ {script} }}");
        let params = json!({ "functionDeclaration": function, "contexts": [self.context] });
        let added = self.bidi.command("script.addPreloadScript", params).await;
        added.map(drop)
    }

    async fn evaluate(&self, body: &str, arguments: Vec<Value>) -> Result<Value, String> {
        // A text of JSON is simpler than the form in which BiDi describes values.
        let function = format!(
            "async () => JSON.stringify(await (async function () {{ {body} }})(...{}) ?? null)",
            Value::Array(arguments)
        );
        let params = json!({
            "functionDeclaration": function,
            "awaitPromise": true,
            "target": { "context": self.context },
        });
        let answer = self.bidi.command("script.callFunction", params).await?;
        let Some(text) = answer["result"]["value"].as_str() else {
            return Err(answer["exceptionDetails"]["text"].to_string());
        };
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    async fn click(&self, test_id: &str) -> Result<(), String> {
        let centre = self.evaluate(CENTRE, vec![json!(test_id)]).await?;
        if let Some(reason) = centre.as_str() {
            return Err(reason.to_owned());
        }
        let press = vec![
            json!({ "type": "pointerMove", "x": centre[0], "y": centre[1] }),
            json!({ "type": "pointerDown", "button": 0 }),
            json!({ "type": "pointerUp", "button": 0 }),
        ];
        self.act("pointer", press).await
    }

    async fn type_into(&self, test_id: &str, text: &str) -> Result<(), String> {
        self.click(test_id).await?;
        let press = |key: char| {
            ["keyDown", "keyUp"].map(|what| json!({ "type": what, "value": key.to_string() }))
        };
        self.act("key", text.chars().flat_map(press).collect())
            .await
    }

    async fn hold_key(&self, key: char) -> Result<(), String> {
        let press = json!({ "type": "keyDown", "value": key.to_string() });
        self.act("key", vec![press]).await
    }

    async fn release_keys(&self) -> Result<(), String> {
        let released = self.command("input.releaseActions", json!({})).await;
        released.map(drop)
    }

    async fn screenshot(&self) -> Result<Vec<u8>, String> {
        let picture = self.command("browsingContext.captureScreenshot", json!({}));
        let picture = picture.await?;
        let data = picture["data"].as_str().unwrap_or_default();
        STANDARD.decode(data).map_err(|error| error.to_string())
    }

    async fn crash(&self) -> Result<(), String> {
        Err("all tabs of a site share a process".to_owned())
    }

    async fn dev_tools(&self, _: &'static str, _: Value) -> Result<(), String> {
        Err("Firefox does not speak the DevTools protocol".to_owned())
    }
}
