//! One connection of one client, from its first frame to its last.
//!
//! `machine.rs` has the type that decides everything, without socket, clock or task; `open.rs` is its state while the
//! connection is open, `close.rs` its state while it closes. `drive.rs` runs a machine over a transport, and is the only
//! file that knows a runtime.
//!
//! This folder may use everything else in the crate. Nothing else uses it.

pub(crate) mod clock;
pub(crate) mod close;
#[cfg(feature = "connection")]
pub(crate) mod drive;
pub(crate) mod frame;
pub(crate) mod machine;
mod open;
mod rate;
