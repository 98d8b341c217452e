//! After any operations, every connection's replica of its room equals the registry's roster, and
//! all members saw the same order. A replica is the snapshot plus the events in the order of
//! delivery.
//!
//! The invariant: all members see one order, a joiner gets the response before any event, and
//! snapshot plus events equal the roster. The replica is strict. It fails on an event of a room
//! that the connection is not in, on a join or leave that does not fit, and on an event before the
//! response.

use super::{
    client::registry,
    ops::VoiceOp,
    order::Order,
    party::{Guest, check_all, user_name},
};
use proptest::{collection::vec, prelude::*};

const USERS: u8 = 4;
const CONNECTIONS: u8 = 7;
const CHANNELS: u8 = 3;

/// Runs `ops` with sinks of `capacity` signals. If no sink can overflow, checks after every step.
fn run(ops: &[VoiceOp], capacity: usize) {
    let registry = registry();
    let mut order = Order::new(&registry);
    let mut guests: Vec<Guest> = (0..CONNECTIONS)
        .map(|number| Guest::new(&registry, &user_name(number % USERS), capacity))
        .collect();
    for op in ops {
        guests[actor(op)].apply(op);
        order.note();
        if capacity > ops.len() {
            guests.iter_mut().for_each(Guest::settle);
            check_all(&registry, CHANNELS, guests.iter());
        }
    }
    guests.iter_mut().for_each(Guest::settle);
    check_all(&registry, CHANNELS, guests.iter());
    for guest in &guests {
        guest.check_order(&order);
    }
    drop(guests);
    assert_eq!(registry.room_count(), 0);
    assert_eq!(registry.stats().users, 0);
    assert_eq!(registry.stats().participants, 0);
}

fn actor(op: &VoiceOp) -> usize {
    match op {
        VoiceOp::Join { connection, .. }
        | VoiceOp::Leave { connection, .. }
        | VoiceOp::Mute { connection, .. }
        | VoiceOp::Speak { connection, .. }
        | VoiceOp::Relay { connection, .. }
        | VoiceOp::Reconnect { connection } => usize::from(*connection),
        VoiceOp::Kick { .. } | VoiceOp::CloseChannel { .. } => 0,
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn a_replica_is_the_roster_after_every_step(ops in vec(VoiceOp::any(CONNECTIONS, USERS, CHANNELS), 0..60)) {
        run(&ops, 1_000_000);
    }

    /// Nobody reads until the end here, so that sinks overflow and evictions cascade.
    #[test]
    fn slow_readers_see_a_prefix_of_the_same_order(
        ops in vec(VoiceOp::any(CONNECTIONS, USERS, CHANNELS), 0..120),
        capacity in 1..12_usize,
    ) {
        run(&ops, capacity);
    }
}
