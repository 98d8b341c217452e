//! Operations of clients and of the host on a registry, against a simple model.
//!
//! In the exact mode everybody reads all at once, and the model says what each operation does. In
//! the other mode some read slowly and are evicted. What they miss depends on sizes and moments, so
//! only the rules are checked that hold in any case.

mod host;
mod model;
mod operation;
mod slot;
mod world;

use crate::{input::Input, registry::world::World};

/// More operations find nothing more, and take more time.
const MOST_OPERATIONS: usize = 200;

/// Reads the bytes as operations.
///
/// # Panics
///
/// If the registry and the model differ, or a client is sent what it must not be sent.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let exact = input.below(4) != 0;
    let users = input.pick(&[4, 10, 3, 10]);
    let mut world = World::new(exact, users);
    for _ in 0..MOST_OPERATIONS {
        if input.is_empty() || world.has_shut_down() {
            break;
        }
        world.perform(&mut input);
    }
    world.end();
}
