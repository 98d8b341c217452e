//! Hard limits, the soft cap, and joins that were checked under an older policy.
//!
//! The invariant: the members of a room never exceed the hard limit at any instant. The test with
//! several threads is in `stress.rs`.

use std::sync::Arc;

use super::{
    channel,
    client::{Client, registry, roster},
    user,
};
use crate::{
    ConnectError, JoinError, Limits, OpenDirectory, VoiceRoomRegistry, VoiceServer,
    proto::ws::envelope::Payload, test_util::RecordingSink,
};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("user-{number}")).collect()
}

fn warned(client: &Client) -> bool {
    let told = client.take();
    match &told.last().expect("a response").payload {
        Some(Payload::VoiceJoinResponse(response)) => response.quality_warning,
        other => panic!("not a response: {other:?}"),
    }
}

#[test]
fn a_full_room_refuses_new_users_but_not_its_members() {
    let registry = registry();
    let alice = Client::new(&registry, "alice");
    let bob = Client::new(&registry, "bob");
    let carol = Client::new(&registry, "carol");
    alice.join_limited("a", 2).expect("first");
    bob.join_limited("a", 2).expect("second");
    assert_eq!(carol.join_limited("a", 2), Err(JoinError::ChannelFull));
    alice.join_limited("a", 2).expect("a member joins again");
    let other = Client::new(&registry, "alice");
    other
        .join_limited("a", 2)
        .expect("a member joins from another connection");
    assert_eq!(roster(&registry, "a"), ["bob", "alice"]);
    drop(bob);
    carol.join_limited("a", 2).expect("a seat became free");
}

#[test]
fn a_lowered_limit_removes_nobody_and_admits_nobody() {
    let registry = registry();
    let members = ["alice", "bob", "carol"].map(|name| Client::joined(&registry, name, "a"));
    let dave = Client::new(&registry, "dave");
    assert_eq!(dave.join_limited("a", 1), Err(JoinError::ChannelFull));
    members[2]
        .join_limited("a", 1)
        .expect("a member joins again");
    assert_eq!(roster(&registry, "a").len(), 3);
    drop(members);
    dave.join_limited("a", 1).expect("all seats are free");
}

#[test]
fn the_warning_begins_with_the_ninth_member() {
    let registry = registry();
    let clients: Vec<Client> = names(10)
        .iter()
        .map(|name| Client::new(&registry, name))
        .collect();
    let warnings: Vec<bool> = clients
        .iter()
        .map(|client| {
            client.join("a").expect("joined");
            warned(client)
        })
        .collect();
    assert_eq!(
        warnings,
        [
            false, false, false, false, false, false, false, false, true, true
        ]
    );
    clients[0].join("a").expect("rejoined");
    assert!(
        warned(&clients[0]),
        "there are more than eight members at the rejoin"
    );
}

#[test]
fn a_rejoin_as_one_of_eight_is_not_warned() {
    let registry = registry();
    let clients: Vec<Client> = names(8)
        .iter()
        .map(|name| Client::joined(&registry, name, "a"))
        .collect();
    clients[0].join("a").expect("rejoined");
    assert!(!warned(&clients[0]));
}

#[test]
fn a_hard_limit_above_the_soft_cap_keeps_its_warning() {
    let registry = registry();
    let clients: Vec<Client> = names(10)
        .iter()
        .map(|name| Client::new(&registry, name))
        .collect();
    for client in &clients[..9] {
        client.join_limited("a", 9).expect("joined");
    }
    assert!(warned(&clients[8]));
    assert_eq!(clients[9].join_limited("a", 9), Err(JoinError::ChannelFull));
}

#[test]
fn a_policy_change_invalidates_an_older_admission() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "b");
    let old = alice.ticket();
    registry.policy_changed(&channel("a"));
    assert_eq!(alice.join_with(old, "a", 0), Err(JoinError::PolicyChanged));
    assert_eq!(alice.lines(), [""; 0], "no message was sent");
    assert_eq!(
        roster(&registry, "b"),
        ["alice"],
        "the old channel was not left"
    );
    assert_eq!(registry.room_count(), 1, "no empty room stays behind");
    alice.join("a").expect("asked again");
}

#[test]
fn a_refused_join_leaves_no_room_behind() {
    let registry = registry();
    let alice = Client::new(&registry, "alice");
    let old = alice.ticket();
    registry.policy_changed(&channel("other"));
    for number in 0..100 {
        let refused = alice.join_with(old, &format!("room-{number}"), 0);
        assert_eq!(refused, Err(JoinError::PolicyChanged));
    }
    assert_eq!(registry.room_count(), 0);
}

#[test]
fn a_hundred_thousand_channels_leave_nothing_behind() {
    let registry = registry();
    let alice = Client::slow(&registry, "alice", 1);
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..100_000 {
        let name = rng.u64(..).to_string();
        alice.join(&name).expect("joined");
        if rng.u8(..4) == 0 {
            alice.connection.leave_channel(&name, "").expect("left");
        }
        if rng.u8(..64) == 0 {
            alice.sink.take();
        }
        assert!(registry.room_count() <= 1);
    }
    drop(alice);
    assert_eq!(registry.room_count(), 0);
    assert_eq!(registry.stats().users, 0);
}

#[test]
fn a_hundred_thousand_users_leave_nothing_behind() {
    let registry = registry();
    for number in 0..100_000 {
        let sink = Arc::new(RecordingSink::with_capacity(1));
        let session = registry.connect(&user(&number.to_string()), sink);
        drop(session.expect("connected"));
    }
    assert_eq!(registry.stats().users, 0);
}

#[test]
fn the_connections_of_a_user_are_limited() {
    let registry = VoiceRoomRegistry::new(2);
    let first = Client::new(&registry, "alice");
    let _second = Client::new(&registry, "alice");
    let connect = |name| {
        let sink = Arc::new(RecordingSink::default());
        registry.connect(&user(name), sink)
    };
    assert_eq!(
        connect("alice").err(),
        Some(ConnectError::TooManyConnections)
    );
    drop(connect("bob").expect("another user has its own limit"));
    drop(first);
    drop(connect("alice").expect("one ended"));
}

#[test]
fn a_user_whose_only_connection_is_refused_is_forgotten() {
    let registry = VoiceRoomRegistry::new(0);
    let sink = Arc::new(RecordingSink::default());
    let refused = registry.connect(&user("alice"), sink);
    assert_eq!(refused.err(), Some(ConnectError::TooManyConnections));
    assert_eq!(registry.stats().users, 0);
}

#[test]
fn an_outbound_queue_of_zero_builds_no_server() {
    let limits = Limits {
        outbound_queue: 0,
        ..Limits::default()
    };
    let refused = VoiceServer::builder(OpenDirectory).limits(limits).build();
    assert_eq!(refused.expect_err("refused").name(), "outbound_queue");
}
