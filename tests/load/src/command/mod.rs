//! What the commands `run`, `all` and `cluster` do. `servers.rs` has what all need first. This folder may use
//! everything else.

pub(crate) mod all;
pub(crate) mod cluster;
pub(crate) mod run;
mod servers;
