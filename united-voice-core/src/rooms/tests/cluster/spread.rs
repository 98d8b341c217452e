//! The same operations on one registry and over three nodes.

use proptest::{collection::vec, prelude::*};

use super::{CHANNELS, CONNECTIONS, Member, NODES, Site, USERS};
use crate::{
    VoiceRoomRegistry,
    cluster::Ending,
    rooms::tests::{
        channel,
        client::{Client, registry},
        ops::VoiceOp,
        party::{channel_name, user_name},
        user,
    },
};

pub(super) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Runs an operation for one connection. A host's own operations are not for it.
fn act(member: &mut Member, op: &VoiceOp) {
    match *op {
        VoiceOp::Join { channel, limit, .. } if member.client.connection.link().is_none() => {
            // The result is in what the client is sent, or is an error that changes nothing.
            let _ = member.client.join_limited(&channel_name(channel), limit);
        }
        VoiceOp::Relay {
            target, channel, ..
        } => {
            let _ = member
                .client
                .send(&channel_name(channel), &user_name(target), "x");
        }
        ref op => {
            member.act(op, "id");
        }
    }
}

pub(super) fn actor(op: &VoiceOp) -> Option<usize> {
    match op {
        VoiceOp::Join { connection, .. }
        | VoiceOp::Leave { connection, .. }
        | VoiceOp::Mute { connection, .. }
        | VoiceOp::Speak { connection, .. }
        | VoiceOp::Relay { connection, .. }
        | VoiceOp::Reconnect { connection } => Some(usize::from(*connection)),
        VoiceOp::Kick { .. } | VoiceOp::CloseChannel { .. } => None,
    }
}

fn connect(registry: &VoiceRoomRegistry, number: usize) -> Member {
    let number = u8::try_from(number).expect("few connections");
    Member::new(Client::new(registry, &user_name(number % USERS)))
}

/// Three nodes with nothing on the way, and one registry: every client gets the same messages in
/// the same order.
fn compare(ops: &[VoiceOp]) {
    let site = Site::new(NODES);
    let alone = registry();
    let connections = 0..usize::from(CONNECTIONS);
    let mut spread: Vec<Member> = connections
        .clone()
        .map(|number| connect(site.registry(number), number))
        .collect();
    let mut single: Vec<Member> = connections.map(|number| connect(&alone, number)).collect();
    for op in ops {
        match (op, actor(op)) {
            (VoiceOp::Reconnect { .. }, Some(number)) => {
                spread[number] = connect(site.registry(number), number);
                single[number] = connect(&alone, number);
            }
            (op, Some(number)) => {
                act(&mut spread[number], op);
                act(&mut single[number], op);
            }
            (VoiceOp::Kick { user: number }, None) => {
                let name = user_name(*number);
                let kicked = site.kick(0, &name);
                assert_eq!(kicked, usize::from(alone.kick(&user(&name))));
            }
            (VoiceOp::CloseChannel { channel: number }, None) => {
                let closed = channel(&channel_name(*number));
                let ended = site.end(1, Ending::Channel(closed.clone()));
                assert_eq!(ended, alone.close_channel(&closed));
            }
            (_, None) => {}
        }
        site.settle();
        for (number, (spread, single)) in spread.iter_mut().zip(&single).enumerate() {
            assert!(!spread.is_waiting());
            assert_eq!(
                spread.lines(),
                single.lines(),
                "client {number} after {op:?}"
            );
            let seat =
                |member: &Member| member.client.connection.seat().map(|(channel, _)| channel);
            assert_eq!(seat(spread), seat(single), "the seat of client {number}");
        }
        site.assert_copies();
    }
    drop((spread, single));
    site.settle();
    assert!(site.engine.channels().is_empty());
    for (_, registry) in &site.nodes {
        let stats = registry.stats();
        assert_eq!((stats.rooms, stats.participants, stats.users), (0, 0, 0));
    }
}

fn op() -> impl Strategy<Value = VoiceOp> {
    VoiceOp::any(CONNECTIONS, USERS, CHANNELS)
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn three_nodes_tell_their_clients_what_one_would(ops in vec(op(), 0..60)) {
        compare(&ops);
    }
}
