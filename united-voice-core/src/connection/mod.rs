//! One connection of one client, from its first frame to its last.
//!
//! This folder may use everything else in the crate; nothing else uses it. Only `drive.rs` knows a transport or a
//! runtime.

pub(crate) mod rate;

#[cfg(feature = "connection")]
pub(crate) mod clock;
#[cfg(feature = "connection")]
pub(crate) mod close;
#[cfg(feature = "connection")]
pub(crate) mod drive;
#[cfg(feature = "connection")]
pub(crate) mod frame;
