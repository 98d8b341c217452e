//! Makes several united-voice nodes one, with Redis 7 or Valkey as the *engine*.
//!
//! # How a host adds it
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//!
//! use united_voice_core::{OpenDirectory, VoiceServer};
//! use united_voice_redis::{NodeConfig, RedisNode};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = NodeConfig::new("redis://127.0.0.1:6379/");
//! config.secret = b"what signs this host's tokens".to_vec();
//! // It gives up after ten seconds without an engine.
//! let (node, task) = RedisNode::connect(config, Duration::from_secs(10)).await?;
//! let server = VoiceServer::builder(OpenDirectory)
//!     .cluster(Arc::new(node.clone()))
//!     .build()?;
//! // Nothing works before this runs. If it ends, end the server, too.
//! tokio::spawn(task.serve(server.replica()));
//! // If the engine has just come up, others may have seats that it does not know yet.
//! node.ready().await;
//!
//! // Listen here, and drive connections as without a cluster. At the end:
//! server.shutdown();
//! server.drained().await;
//! server.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! What the host does for all nodes is async, on
//! [`VoiceServer`](united_voice_core::VoiceServer): `kick`, `kick_from`, `leave_all_channels`,
//! `close_channel`, `policy_changed`, `roster` and `counts`. The same methods of the registry see
//! this node alone. [`RedisNode::state`] is for health checks,
//! [`RedisNode::metrics`] for metrics. `cluster`, `kick`, `roster` and `close` need core's feature
//! `cluster`, which this crate turns on. A host needs [`NodeConfig`], [`RedisNode`] and [`NodeTask`];
//! everything else here is what they are made of.
//!
//! Print errors with their sources (`anyhow`'s `{:#}`): the cause is there.
//!
//! # If something fails
//!
//! | what | what members notice |
//! | --- | --- |
//! | the engine does not answer for a moment, less than a third of a lease | joins, leaves, states and relays to other nodes wait |
//! | longer | joins, and relays to other nodes, are refused as `UNAVAILABLE`; leaves, states and relays within a node go on |
//! | it is back with its data | others learn of leaves and states. A join that was under way is undone, and if it was a move, the connection is closed with 1013 |
//! | it is back without its data | joins are refused for a lease; each node puts its seats back |
//! | a node dies | its members leave with `DISCONNECTED` after its lease, a third of it more or less; a user who comes back earlier takes the seat over |
//! | a node was frozen for longer than a lease | its members lose their seats: `SESSION_REPLACED`, or 1013 |
//! | the inbox of a node was trimmed | members of it that share a channel with others elsewhere are closed with 1013 |
//!
//! # The invariant
//!
//! A *node*, one server process, never changes a room by itself. It sends the engine one numbered
//! [`Operation`]. A script checks the operation, changes the state, and writes the outcome into the
//! *inbox* of each node that has a member in the room, and of the node that asked. A node applies
//! and tells only what comes out of its own inbox. So the order in which the engine runs scripts is
//! the order in which all nodes tell a channel's events, and state and events cannot differ.
//!
//! # A node's life
//!
//! 1. It registers ([`Calls::register`]) and gets an inbox.
//! 2. It puts operations into its [`Outbox`], which numbers them 1, 2 and so on, and the [`Writer`]
//!    sends them. It sends an operation again if it does not know whether it ran: only the next
//!    number runs, so a copy does nothing. Messages to other nodes go the same way.
//! 3. The [`Reader`] reads its inbox. It drops what it has had, and notices what is missing
//!    ([`InboxNumbers`]).
//! 4. It renews its lease ([`Calls::beat`]), and reaps the nodes that the answer names
//!    ([`Calls::reap`]). A [`Pulse`] tells when it is cut off.
//! 5. If the engine has lost its registration, it registers again and puts its seats back
//!    ([`Operation::Reassert`]).
//! 6. At its end it leaves and says so ([`Calls::close`]).
//!
//! # What is where in the engine
//!
//! All keys share one hash tag, `{prefix}`. Ids may hold any byte.
//!
//! | key | type | content |
//! | --- | --- | --- |
//! | `boot` | string | a random id of the engine's data. If it is missing or another one, data was lost |
//! | `recover`, `pending` | string, set | until when no join is admitted after a loss; the nodes that have not put all their seats back |
//! | `ver`, `policy` | string | the last version given, the larger of the last one + 1 and the engine's time in microseconds; the policy epoch, also a version |
//! | `print` | string | the format's major number and the fingerprint of the nodes' secret |
//! | `heard`, `leases`, `dead` | string, sorted set, set | when the last beat was heard; nid and the end of its lease; the nids that are being reaped |
//! | `n:<nid>`, `ns:<nid>` | hash, set | `op`, `in`, `name`, `rotated` (the fingerprint of its rotated secret), and `dead` if it is: 2 if a later registration of its process said so, else 1; its seats: 8 bytes of session id, then the user id |
//! | `reaped:<nid>` | set | the sessions of a dead node that another one ended; it goes after an hour |
//! | `eu:<user>`, `er:<channel>` | hash | what the host ended, for seats that are put back later. channel, or nothing for all: version, reason; it goes after an hour |
//! | `u:<user>` | hash | session id: nid, then channel id |
//! | `r:<channel>`, `rn:<channel>` | hash | session id: version, nid, flags, limit, user id, profile; nid: number of its members |
//! | `in:<nid>` | stream | the inbox: at most about 100 000 entries; it goes an hour after the last beat, or as soon as the node is dead |
//!
//! The engine must not evict keys (`maxmemory-policy noeviction`) and must be one primary: scripts
//! make the names of keys.

mod answer;
mod calls;
mod connection;
mod entry;
mod fields;
mod keys;
mod member;
mod nid;
mod node;
mod numbers;
mod operation;
mod outbox;
mod pack;
mod pulse;
mod reader;
mod reads;
mod scripts;
mod writer;

pub use answer::{
    Beaten, Ran, Reaped, RegisterError, Registered, ScriptError, parse_close, parse_policy,
};
pub use calls::{CallError, Calls};
pub use connection::{ANSWER_TIMEOUT, AddressError, Backoff, DialError, Dialer, Link, Purpose};
pub use entry::{Entry, EntryError, FORMAT, Joined, Left, LeftSeat, Record, Refusal, Restored};
pub use keys::{Keys, MAX_PREFIX_BYTES, PrefixError};
pub use member::{Flags, Member};
pub use nid::Nid;
pub use node::{ConnectError, NodeConfig, NodeMetrics, NodeState, NodeTask, RedisNode};
pub use numbers::{Arrival, InboxNumbers};
pub use operation::{Operation, REASSERT_SEATS, Seat, reassert_chunk};
pub use outbox::{Outbox, Progress, Saturated};
pub use pack::{PACK_BYTES, Pack};
pub use pulse::Pulse;
pub use reader::{Arrived, ReadError, Reader, Reading};
pub use reads::{Content, Delivery, Roster};
pub use scripts::{Introduction, Registration, Scripts};
pub use writer::{Flushed, Writer};
