//! The client against a server that does as it is told.

mod auto_traits;
mod connecting;
mod fake;
mod flow;
mod reconnecting;
mod requests;
