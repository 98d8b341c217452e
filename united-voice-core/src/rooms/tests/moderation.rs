//! The host's side: kicking, closing a channel, the event stream and the statistics.

use std::sync::Arc;

use super::{
    channel,
    client::{Client, registry, roster},
    user,
};
use crate::{
    CloseReason, ConnectError, VoiceEvent, VoiceEvents,
    proto::{voice::VoiceLeaveReason, ws::envelope::Payload},
    test_util::RecordingSink,
};
use futures::FutureExt;

const NOTHING: [&str; 0] = [];

/// The events so far, one line each.
fn drain(events: &mut VoiceEvents) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(Some(event)) = events.recv().now_or_never() {
        lines.push(match event.expect("none was missed") {
            VoiceEvent::Joined { channel, user, .. } => format!("joined {channel} {user}"),
            VoiceEvent::Left {
                channel,
                user,
                reason,
                ..
            } => {
                let reason = reason
                    .as_str_name()
                    .trim_start_matches("VOICE_LEAVE_REASON_");
                format!("left {channel} {user} {reason}")
            }
            VoiceEvent::StateChanged {
                channel,
                user,
                muted,
                deafened,
            } => {
                format!("state {channel} {user} {muted} {deafened}")
            }
        });
    }
    lines
}

#[test]
fn a_kick_removes_the_user_and_notifies_everybody() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let idle = Client::new(&registry, "alice");
    let bob = Client::joined(&registry, "bob", "a");
    alice.take();
    assert!(registry.kick(&user("alice")));
    assert_eq!(alice.lines(), ["left a alice KICKED"]);
    assert_eq!(bob.lines(), ["left a alice KICKED"]);
    assert_eq!(
        idle.lines(),
        NOTHING,
        "only the connection that had the seat gets the event"
    );
    assert_eq!(roster(&registry, "a"), ["bob"]);
    assert!(
        !registry.kick(&user("alice")),
        "the user is in no channel now"
    );
    assert!(!registry.kick(&user("nobody")));
    alice.join("a").expect("the connection stays open");
}

#[test]
fn a_closed_channel_is_empty_and_its_members_can_go_elsewhere() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    let carol = Client::joined(&registry, "carol", "b");
    alice.take();
    assert_eq!(registry.close_channel(&channel("a")), 2);
    assert_eq!(alice.lines(), ["left a alice KICKED"]);
    assert_eq!(bob.lines(), ["left a alice KICKED", "left a bob KICKED"]);
    assert_eq!(carol.lines(), NOTHING);
    assert_eq!(registry.room_count(), 1);
    alice.join("b").expect("elsewhere");
    assert_eq!(registry.close_channel(&channel("a")), 0);
    assert_eq!(registry.close_channel(&channel("never")), 0);
}

#[test]
fn a_kick_names_the_session_that_ended() {
    let registry = registry();
    let alice = Client::new(&registry, "alice");
    let session = alice.join("a").expect("joined");
    alice.take();
    registry.kick(&user("alice"));
    let Some(Payload::VoiceLeaveEvent(event)) = &alice.take()[0].payload else {
        panic!("a leave event");
    };
    assert_eq!(event.session_id, session.to_string());
    assert_eq!(event.reason(), VoiceLeaveReason::Kicked);
}

#[test]
fn the_host_gets_all_events_in_order() {
    let registry = registry();
    let mut events = registry.events();
    let alice = Client::new(&registry, "alice");
    alice.join("a").expect("joined");
    alice.join("a").expect("rejoined, which is no event");
    alice
        .connection
        .update_state("a", true, false, "")
        .expect("told");
    alice.join("b").expect("moved");
    let second = Client::new(&registry, "alice");
    second.join("b").expect("taken over");
    second.connection.leave_channel("b", "").expect("left");
    second.join("a").expect("joined");
    registry.kick(&user("alice"));
    second.join("a").expect("joined");
    drop((alice, second));
    let expected = [
        "joined a alice",
        "state a alice true false",
        "left a alice MOVED",
        "joined b alice",
        "left b alice REPLACED",
        "joined b alice",
        "left b alice LEFT",
        "joined a alice",
        "left a alice KICKED",
        "joined a alice",
        "left a alice DISCONNECTED",
    ];
    assert_eq!(drain(&mut events), expected);
}

#[test]
fn a_slow_listener_learns_how_many_events_it_missed() {
    let registry = registry();
    let mut events = registry.events();
    let alice = Client::joined(&registry, "alice", "a");
    for _ in 0..VoiceEvents::CAPACITY {
        alice
            .connection
            .update_state("a", true, false, "")
            .expect("told");
    }
    let first = events.recv().now_or_never().flatten().expect("an answer");
    assert_eq!(first.expect_err("too slow").missed, 1);
    assert_eq!(drain(&mut events).len(), VoiceEvents::CAPACITY);
}

#[test]
fn the_events_end_with_the_registry() {
    let registry = registry();
    let mut events = registry.events();
    drop(registry);
    assert!(events.recv().now_or_never().expect("at once").is_none());
}

#[test]
fn the_statistics_are_right() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::joined(&registry, "bob", "a");
    let other = Client::new(&registry, "bob");
    bob.join("b").expect("moved");
    bob.join("b").expect("rejoined, which is no join");
    let stats = registry.stats();
    assert_eq!((stats.rooms, stats.users, stats.connections), (2, 2, 3));
    assert_eq!((stats.participants, stats.joins, stats.leaves), (2, 3, 1));
    other.join("b").expect("taken over");
    drop((alice, bob, other));
    let stats = registry.stats();
    assert_eq!((stats.rooms, stats.users, stats.connections), (0, 0, 0));
    assert_eq!((stats.participants, stats.joins, stats.leaves), (0, 4, 4));
    assert_eq!(stats.evictions, 0);
}

#[test]
fn shutdown_closes_every_connection_and_admits_none() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::new(&registry, "bob");
    registry.shutdown();
    let going = Some(CloseReason::GoingAway);
    assert_eq!(alice.sink.close_reason(), going);
    assert_eq!(bob.sink.close_reason(), going);
    let sink = Arc::new(RecordingSink::default());
    let refused = registry.connect(&user("carol"), sink).err();
    assert_eq!(refused, Some(ConnectError::ShuttingDown));
    assert_eq!(
        registry.stats().users,
        2,
        "a refused user leaves nothing behind"
    );
    assert!(registry.drained().now_or_never().is_none());
    drop((alice, bob));
    assert!(registry.drained().now_or_never().is_some());
}

#[test]
fn an_unknown_channel_has_no_participants() {
    let registry = registry();
    let nowhere = channel("nowhere");
    assert_eq!(registry.participants(&nowhere), []);
    assert_eq!(registry.participant_count(&nowhere), 0);
    assert_eq!(registry.room_count(), 0, "a query makes no room");
}

#[test]
fn leave_all_channels_ends_the_stay_of_a_user() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::joined(&registry, "alice", "a");
    let idle = Client::new(&registry, "alice");
    bob.take();
    assert_eq!(registry.leave_all_channels(&user("alice")), 1);
    assert_eq!(bob.lines(), ["left a alice DISCONNECTED"]);
    assert_eq!(alice.lines(), ["left a alice DISCONNECTED"]);
    assert_eq!(idle.lines(), NOTHING);
    assert_eq!(alice.connection.seat(), None);
    assert_eq!(roster(&registry, "a"), ["bob"]);

    assert_eq!(registry.leave_all_channels(&user("alice")), 0, "once");
    assert_eq!(registry.leave_all_channels(&user("nobody")), 0);
    alice.join("a").expect("the connection is still open");
}
