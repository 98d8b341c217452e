//! Rooms and their members, users and their connections, and everything that changes them.
//!
//! A request is decided in the file that has its name. `change.rs` applies what was decided and
//! tells the members, in one critical section. Each file uses only those above it in this list:
//!
//! ```text
//! room                        one room's members: pure
//! cell, user, index, fanout   a room and a user behind their locks; maps by id; delivery
//! relayed                     what is read of a message from one member to another
//! snapshot                    what a join found
//! registry                    the maps, the numbers, the order of locks
//! change                      applies and tells
//! end                         the one way out of a room, for every reason
//! voice_connection            the handle of one connection
//! join, leave, relay, state, moderation       decide
//! ```
//!
//! With the feature `cluster`, `link` (below `registry`) asks the engine of a cluster, `propose`
//! (beside `join`) does so for a connection, and `replica` applies what the engine decided.
//!
//! This folder may use `signal/`, `cluster.rs`, ids, limits, events, counters and errors. It must not know
//! payload handlers (`signaling.rs`), sockets and timers (`connection/`) or the host's directory.
//!
//! `#[inline]` marks the functions that every relay and every broadcast passes through. Before you
//! remove one, compare the counts of `benches/instructions`.

pub(crate) mod cell;
pub(crate) mod change;
pub(crate) mod end;
pub(crate) mod fanout;
pub(crate) mod index;
pub(crate) mod join;
pub(crate) mod leave;
#[cfg(feature = "cluster")]
pub(crate) mod link;
pub(crate) mod moderation;
#[cfg(feature = "cluster")]
pub(crate) mod propose;
pub(crate) mod registry;
pub(crate) mod relay;
pub(crate) mod relayed;
#[cfg(feature = "cluster")]
pub(crate) mod replica;
pub(crate) mod room;
pub(crate) mod snapshot;
pub(crate) mod state;
pub(crate) mod user;
pub(crate) mod voice_connection;

#[cfg(test)]
mod tests;
