//! Makes several united-voice nodes one, with Redis 7 or Valkey as the *engine*.
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
//! ```no_run
//! use std::sync::Arc;
//!
//! use parking_lot::Mutex;
//! use united_voice_redis::{
//!     Arrived, Calls, Dialer, Introduction, Keys, Nid, Operation, Outbox, Reader, Registration,
//!     Scripts, Writer,
//! };
//!
//! # async fn node() -> Result<(), Box<dyn std::error::Error>> {
//! let scripts = Arc::new(Scripts::new(Keys::new("united")?));
//! let dialer = Dialer::new("redis://127.0.0.1/", None, scripts)?;
//!
//! let calls = Calls::new(dialer.clone());
//! let nid = Nid::new(0x5eed, 1);
//! let registered = calls
//!     .register(&Introduction {
//!         boot: b"sixteen random..",
//!         nid,
//!         name: "node-1",
//!         fingerprint: b"",
//!         lease_us: 6_000_000,
//!         has_seats: false,
//!     })
//!     .await?;
//! let of = Registration {
//!     boot: registered.boot,
//!     nid,
//! };
//!
//! let outbox = Mutex::new(Outbox::<&str, &str>::new());
//! let join = Operation::Join {
//!     session: 1,
//!     user: "ann".into(),
//!     channel: "hall".into(),
//!     limit: None,
//!     epoch: registered.epoch,
//!     profile: b"Ann".into(),
//! };
//! outbox.lock().propose(join, "Ann's request").map_err(|_| "too much waits")?;
//! Writer::new(dialer.clone()).flush(&outbox, &of, &mut Vec::new()).await;
//!
//! for arrived in Reader::new(dialer, nid).read().await?.arrived {
//!     if let Arrived::Entry(entry) = arrived {
//!         let asked = entry.asked.map(|number| outbox.lock().outcome(number));
//!         println!("{asked:?} {:?}", entry.record);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
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
//! | `n:<nid>`, `ns:<nid>` | hash, set | `op`, `in`, `name`, and `dead` if it is; its seats: 8 bytes of session id, then the user id |
//! | `u:<user>` | hash | session id: nid, then channel id |
//! | `r:<channel>`, `rn:<channel>` | hash | session id: version, nid, flags, limit, user id, profile; nid: number of its members |
//! | `in:<nid>` | stream | the inbox: at most about 100 000 entries; it goes an hour after the last beat |
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
pub use numbers::{Arrival, InboxNumbers};
pub use operation::{Operation, REASSERT_SEATS, Seat, reassert_chunk};
pub use outbox::{Outbox, Progress, Saturated};
pub use pack::{PACK_BYTES, Pack};
pub use pulse::Pulse;
pub use reader::{Arrived, ReadError, Reader, Reading};
pub use reads::{Content, Delivery, Roster};
pub use scripts::{Introduction, Registration, Scripts};
pub use writer::{Flushed, Writer};
