//! What the benches share: servers with people in them, and the floors that nobody can get under.
//!
//! A **floor** is the work that any server has to do for an operation: decode the frame, write the sender, encode, push to a
//! queue. It uses the same sink as the operation beside it, so that the ratio of the two is what the library adds.

mod floor;
mod hall;

pub use floor::{broadcast_floor, join_floor, relay_floor};
pub use hall::{FrameQueue, Hall, Seated, candidate_frame, join_frame, offer_frame, state_frame};

/// The channel whose number is `number`.
pub fn channel(number: usize) -> String {
    format!("channel-{number}")
}
