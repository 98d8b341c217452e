//! The client against a server that does what the test says.

mod auto_traits;
mod connecting;
mod fake;
mod flow;
mod library;
mod reconnecting;
mod requests;
#[cfg(feature = "rustls")]
mod tls;
