//! What the library sends, and where it goes: one message for one or many recipients, the trait of a connection's
//! way out, and the ready-made queue.
//!
//! This folder may use the wire format. It knows nothing of rooms, users or connections.

pub(crate) mod queue;
#[allow(clippy::module_inception, reason = "the file is named after its type")]
pub(crate) mod signal;
pub(crate) mod sink;
