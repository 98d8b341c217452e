//! What the example servers share, free of any web framework: command line, configuration, secrets, the SQLite store,
//! sign-in, the REST answers, the web page, and how a server starts and ends.
//!
//! A server is [`run`] with a closure that accepts connections. It passes plain HTTP requests to [`Host::respond_to`], and
//! `GET /ws` to [`Host::upgrade`]; once that is granted and answered, it makes the connection a [`WebSocket`] and hands it
//! to [`drive`](united_voice_core::drive) with [`Host::voice`].
//!
//! Cookies are not used: a request is somebody's only by the token it carries, which a page of another origin
//! does not have. Hence no route, `/ws` included, has to look at `Origin` to keep such pages from acting for a user;
//! the sign-in without a password is the exception (see [`DevLogin::Local`]).

mod auth;
mod channels;
mod cli;
mod config;
mod directory;
mod error;
mod files;
mod host;
mod lingering;
mod metrics;
mod page;
mod response;
mod rest;
mod secrets;
mod serve;
mod sign_in;
mod signals;
mod store;
mod token;
mod upgrade;
mod websocket;

pub use cli::{Cli, Command, DevLoginChoice, Options};
pub use config::{Config, ConfigError, Relay, TEMPLATE};
pub use host::{DevLogin, Host};
pub use lingering::{Lingering, LingeringStream};
pub use rest::{MAX_BODY_BYTES, REQUEST_PATIENCE, Request, Response};
pub use secrets::{Secret, Secrets};
pub use serve::{Serving, run};
pub use signals::Shutdown;
pub use store::{Admittance, Channel, ChannelKind, LookupError, Store};
pub use token::{TOKEN_LIFETIME, TokenError, Tokens};
pub use upgrade::Upgrade;
pub use websocket::WebSocket;

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
