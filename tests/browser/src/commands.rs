//! Commands of chromedriver beyond the WebDriver standard.

use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::{Value, json};
use url::{ParseError, Url};

/// Takes the log entries since the last time. The log `browser` is the console; `performance` has
/// the events of DevTools.
#[derive(Debug)]
pub(crate) struct TakeLog(pub(crate) &'static str);

impl WebDriverCompatibleCommand for TakeLog {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        of_session(base, session, "se/log")
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": self.0 }).to_string()))
    }
}

/// A command of the DevTools protocol to the current tab.
#[derive(Debug)]
pub(crate) struct DevTools {
    pub(crate) method: &'static str,
    pub(crate) params: Value,
}

impl WebDriverCompatibleCommand for DevTools {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        of_session(base, session, "goog/cdp/execute")
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let body = json!({ "cmd": self.method, "params": self.params });
        (Method::POST, Some(body.to_string()))
    }
}

fn of_session(base: &Url, session: Option<&str>, path: &str) -> Result<Url, ParseError> {
    let session = session.expect("a browser is only used while its session lasts");
    base.join(&format!("session/{session}/{path}"))
}
