//! The harness of the browser tests. It runs Chromium under WebDriver, and Firefox under WebDriver
//! BiDi, and examines the page as a user and a developer would.
//!
//! A real example server serves the page; `united_voice_scenarios` starts it. Microphones are fake
//! (they beep), addresses are loopback, and no test talks to another machine.
//!
//! [`Browser::run`] gives a test a Chromium, and closes it even if the test fails. Several people
//! are several [`Tab`]s of one browser, because a second browser costs far more than a tab.
//! [`Firefox::run`] does the same with a Firefox, inside of a [secluded](Namespace::secluded)
//! network namespace.

mod browser;
mod capture;
mod chromium_window;
mod commands;
mod driver;
mod firefox;
mod meter;
mod namespace;
mod page;
mod patience;
mod requirements;
mod tab;
mod window;

pub use browser::{Browser, BrowserBuilder, Microphones};
pub use firefox::Firefox;
pub use meter::{Metered, Sample};
pub use namespace::Namespace;
pub use page::{Link, Person};
pub use patience::{PATIENCE, until, until_within};
pub use requirements::Failure;
pub use tab::Tab;

pub use united_voice_redis_server::Proxy;
use united_voice_scenarios::Server;
pub use united_voice_scenarios::ServerKind;

/// A server with the default configuration, but without STUN servers on the internet.
pub async fn server(kind: ServerKind) -> Server {
    Server::with_config(kind, "[ice]\nstun_urls = []\n").await
}
