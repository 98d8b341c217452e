//! The harness of the browser tests: runs Chromium under WebDriver and looks at the page as a person and a developer would.
//!
//! The page is served by a real example server; see `united_voice_scenarios` for how that is started. Microphones are fake (they
//! beep), addresses are loopback, and no test talks to anything outside this machine.
//!
//! [`Browser::run`] gives a test a browser and closes it however the test ends. Several people are several [`Tab`]s of one
//! browser, because a second browser costs far more than a tab.

mod browser;
mod capture;
mod commands;
mod driver;
mod meter;
mod page;
mod patience;
mod proxy;
mod tab;

pub use browser::{Browser, BrowserBuilder, Microphones};
pub use meter::{Metered, Sample};
pub use page::{Link, Person};
pub use patience::{PATIENCE, until, until_within};
pub use proxy::Proxy;
pub use tab::Tab;

use united_voice_scenarios::Server;
pub use united_voice_scenarios::ServerKind;

/// A server as a fresh installation has it, except that its clients ask no STUN server on the internet.
pub async fn server(kind: ServerKind) -> Server {
    Server::with_config(kind, "[ice]\nstun_urls = []\n").await
}
