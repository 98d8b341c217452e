//! The parts that both example servers share, without any web framework: command line,
//! configuration, secrets, the store in SQLite or PostgreSQL, sign-in, the REST answers, the web
//! page, and the start and end of a server.
//!
//! A server is [`run`] with a closure that accepts connections. The closure passes plain HTTP
//! requests to [`Host::respond_to`]. For `GET /ws` it asks [`Host::admit`] which user it is, and
//! leaves the rest to the adapter of its framework, with [`Host::voice`].
//!
//! The servers use no cookies: only the token in a request says which user sent it, and a page of
//! another origin has no token. So no route, not even `/ws`, needs to check `Origin` to stop such a
//! page from acting for a user. The exception is the sign-in without a password (see
//! [`DevLogin::Local`]).

mod addresses;
mod auth;
mod channels;
mod cli;
mod client_address;
mod cluster;
mod config;
mod descriptors;
mod directory;
mod error;
mod files;
mod folder;
mod gate;
mod host;
mod lingering;
mod listening;
mod log;
mod login_key;
mod metrics;
mod names;
mod page;
mod peer;
mod request_clock;
mod response;
mod rest;
mod secrets;
mod serve;
mod sign_in;
mod signals;
mod store;
mod throttle;
mod token;
mod turn;
mod upgrade;

pub use cli::{Cli, Command, DevLoginChoice, Options};
pub use client_address::TrustedProxies;
pub use cluster::{
    ClusterConfig, ClusterPrefix, ClusterPrefixError, ClusterUrl, ClusterUrlError, NodeName,
    NodeNameError,
};
pub use config::{Config, ConfigError, Relay, TEMPLATE};
pub use gate::HttpLimits;
pub use host::{DevLogin, Host};
pub use lingering::{Lingering, LingeringStream};
pub use listening::Acceptor;
pub use login_key::{LoginKey, LoginKeyError};
pub use peer::Peer;
pub use rest::{MAX_BODY_BYTES, REQUEST_PATIENCE, Request, Response};
pub use secrets::{Secret, Secrets};
pub use serve::{Serving, run};
pub use signals::Shutdown;
pub use store::{
    Admittance, Channel, ChannelKind, ConnectError, DatabaseUrl, DatabaseUrlError, LookupError,
    Store,
};
pub use token::{TOKEN_LIFETIME, TokenError, Tokens};
