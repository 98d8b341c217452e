//! What the benches share: servers with people in them, and the floors that nobody can get under.
//!
//! A **floor** is the work that any server has to do for an operation: decode the frame, write the sender, encode, push to a
//! queue. It begins with what the operation is given, and leaves the same frames in the same queues: the ratio of the two
//! is what the library adds. Where an operation sends no frame, its floor makes the same result out of ready data.

mod floor;
mod hall;

pub use floor::{Replay, broadcast_floor, relay_floor, sent_by};
pub use hall::{FrameQueue, Hall, Seated, candidate_frame, in_json, offer_frame, state_frame};

/// The channel whose number is `number`.
pub fn channel(number: usize) -> String {
    format!("channel-{number}")
}
