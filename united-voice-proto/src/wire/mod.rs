//! The protobuf wire format, and messages that are passed on without being built.
//!
//! This is the only place with field numbers, tags and varints. Everything else in the crate leaves
//! the bytes to `prost` and `serde`. Nothing here knows users, rooms or sockets.
//!
//! - `field`: the field numbers and their tags, each behind a name.
//! - `read`, `write`: the one reader and the one writer of varints, texts and envelopes.
//! - `outline`: what stands at the top level of a frame.
//! - `relay`: an offer, answer or candidate that goes from one client to another.
//!   `relay_frame` reads and rewrites it in protobuf, `relay_text` in JSON, and `rewrite` chooses.
//! - `event`: the events that go to a whole room.

mod event;
mod field;
mod outline;
mod read;
mod relay;
mod relay_frame;
#[cfg(feature = "json")]
mod relay_text;
mod rewrite;
mod write;

#[cfg(feature = "json")]
pub use event::event_json;
pub use event::{encode_speaking_event, encode_state_update};
pub use outline::is_voice_frame;
pub(crate) use outline::{Outline, outline, recover_request_id};
pub use relay::{Relay, RelayKind};
pub use rewrite::EncodedRelay;
