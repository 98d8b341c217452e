//! What the library sends, and where it goes: one message for one or many recipients (`signal.rs`),
//! the trait of a connection's way out (`sink.rs`), and the ready-made queue (`queue.rs`).
//!
//! This folder uses the wire format. It must not know rooms, users or connections.

pub(crate) mod queue;
#[allow(clippy::module_inception, reason = "the file is named after its type")]
pub(crate) mod signal;
pub(crate) mod sink;
