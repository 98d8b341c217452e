//! What the benches share: servers with members in their rooms, and the floors that their
//! operations are measured against.
//!
//! A **floor** is the work that any server has to do for an operation: decode the frame, write the
//! sender, encode, push to a queue, and take out of it again. It begins with the same input as the
//! operation, and its readers end with the same frames. So the ratio of the two is what the library
//! adds. If an operation sends no frame, its floor makes the same result from data that is ready.
//!
//! **What is measured is what ships.** Operations push into
//! [`outbound_queue`](united_voice_core::outbound_queue) and read it as `drive` does. The floors of
//! broadcasts do the same, because a broadcast is little more than its queues. All other floors
//! push bytes into a [`BareQueue`], which is cheaper. So their ratios also contain the cost of the
//! queue that ships.

mod floor;
mod hall;

pub use floor::{BareQueue, Replay, broadcast_floor, floor_room, relay_floor};
pub use hall::{
    Hall, Inbox, Seated, candidate_frame, in_json, offer_frame, state_frame, state_signal,
};

/// How many frames a queue holds: the library's default.
const QUEUE_MESSAGES: usize = 256;

/// How many bytes a queue holds: the library's default.
const QUEUE_BYTES: usize = 4 << 20;

/// The channel whose number is `number`.
pub fn channel(number: usize) -> String {
    format!("channel-{number}")
}
