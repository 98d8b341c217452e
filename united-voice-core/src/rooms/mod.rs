//! Who is where: rooms and their members, users and their connections, and everything that changes them.
//!
//! This folder may use `signal/`, ids, events, counters and errors. It knows nothing of payload handlers
//! (`signaling.rs`), of sockets and timers (`connection/`) or of the host's directory.

pub(crate) mod fanout;
pub(crate) mod index;
pub(crate) mod join;
pub(crate) mod messages;
pub(crate) mod moderation;
pub(crate) mod registry;
pub(crate) mod relayed;
pub(crate) mod room;
pub(crate) mod user;
pub(crate) mod voice_connection;
