//! What the commands `run` and `all` do. `servers.rs` has what both need first. This folder may use
//! everything else.

pub(crate) mod all;
pub(crate) mod run;
mod servers;
