//! One connection of one client, from its first frame to its last.
//!
//! `machine.rs` has the type that makes all decisions. It has no socket, no clock and no task;
//! `step.rs` says what it wants done.
//! `open.rs` is its state while the connection is open, and `close.rs` its state while the
//! connection closes. `join.rs` waits for the directory, `rate.rs` limits the rate of messages,
//! `stall.rs` notices that a client stops reading, `clock.rs` has the timers, and `frame.rs` says
//! what travels over a connection. `drive.rs` runs a machine over a transport, with the loop in
//! `shell.rs`. They are the only files that know a runtime. `sampler.rs` chooses what they measure.
//!
//! This folder may use everything else in the crate. No other folder uses it.
//!
//! `#[inline]` marks the functions that every relay and every broadcast passes through. Before you
//! remove one, compare the counts of `benches/instructions`.

pub(crate) mod clock;
pub(crate) mod close;
#[cfg(feature = "connection")]
pub(crate) mod drive;
pub(crate) mod frame;
mod join;
pub(crate) mod machine;
mod open;
mod rate;
#[cfg(feature = "connection")]
mod sampler;
#[cfg(feature = "connection")]
mod shell;
mod stall;
pub(crate) mod step;
