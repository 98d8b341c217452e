//! Joins that are given up, and requests that cross on their way.

use futures::FutureExt;

use super::Site;
use crate::{CloseReason, JoinError, cluster::Cluster, rooms::tests::channel};

#[test]
fn a_join_that_is_given_up_ends_with_a_leave() {
    let site = Site::new(2);
    let bob = site.seated(0, "bob", "a");
    let mut alice = site.member(1, "alice");
    alice.join("a");
    let mut pending = alice.pending.take().expect("it waits");
    assert!(pending.give_up().is_none(), "nothing was decided yet");
    site.settle();
    assert_eq!(bob.lines(), ["joined a alice", "left a alice DISCONNECTED"]);
    assert!(alice.lines().is_empty(), "its request was answered already");
    assert_eq!(alice.client.connection.seat(), None);
    assert_eq!(alice.client.sink.close_reason(), None);
    site.assert_copies();
    // It may come again.
    alice.join("a");
    site.settle();
    alice.entered().expect("joined");
}

#[test]
fn a_join_that_was_answered_cannot_be_given_up_any_more() {
    let site = Site::new(2);
    let mut alice = site.member(1, "alice");
    alice.join("a");
    site.settle();
    let mut pending = alice.pending.take().expect("not looked at yet");
    assert!(pending.give_up().is_some_and(|result| result.is_ok()));
    assert_eq!(alice.lines(), ["#join response a []"]);
    assert!(alice.client.connection.seat().is_some());
    site.assert_copies();
}

/// The engine ended the old stay, and the new one has nobody. So the client starts again.
#[test]
fn a_move_that_is_given_up_costs_the_old_seat_and_the_connection() {
    let site = Site::new(2);
    let bob = site.seated(0, "bob", "a");
    let carol = site.seated(0, "carol", "b");
    let mut alice = site.seated(1, "alice", "a");
    bob.lines();
    alice.join("b");
    alice.pending = None;
    site.settle();
    assert_eq!(bob.lines(), ["left a alice MOVED"]);
    assert_eq!(
        carol.lines(),
        ["joined b alice", "left b alice DISCONNECTED"]
    );
    assert!(alice.lines().is_empty());
    assert_eq!(alice.client.connection.seat(), None);
    assert_eq!(
        alice.client.sink.close_reason(),
        Some(CloseReason::SeatLost)
    );
    site.assert_copies();
}

#[test]
fn a_connection_that_ends_while_it_joins_leaves_nothing_behind() {
    let site = Site::new(2);
    let bob = site.seated(0, "bob", "a");
    for join_first in [true, false] {
        let mut alice = site.member(1, "alice");
        alice.join("a");
        if join_first {
            alice.pending = None;
            drop(alice);
        } else {
            let pending = alice.pending.take();
            drop(alice);
            site.settle();
            drop(pending);
        }
        site.settle();
        assert_eq!(bob.lines(), ["joined a alice", "left a alice DISCONNECTED"]);
        site.assert_copies();
    }
}

#[test]
fn a_leave_that_a_kick_overtook_is_answered_once() {
    let site = Site::new(2);
    let alice = site.seated(0, "alice", "a");
    let connection = &alice.client.connection;
    connection.leave_channel("a", "7").expect("seated");
    let again = connection.leave_channel("a", "8");
    assert!(again.is_err(), "the seat is gone at once");
    assert_eq!(site.kick(1, "alice"), 1);
    site.settle();
    let lines = alice.lines();
    assert_eq!(lines, ["left a alice KICKED", "#7 error NOT_IN_CHANNEL a"]);
    site.assert_copies();
}

#[test]
fn a_state_that_a_takeover_overtook_is_answered_once() {
    let site = Site::new(2);
    let first = site.seated(0, "alice", "a");
    let mut second = site.member(1, "alice");
    let connection = &first.client.connection;
    second.join("a");
    assert!(site.node(1).send_one(), "the takeover is decided");
    connection
        .update_state("a", true, false, "7")
        .expect("it has not heard of it");
    site.settle();
    let lines = first.lines();
    assert_eq!(
        lines,
        ["error SESSION_REPLACED a", "#7 error NOT_IN_CHANNEL a"]
    );
    assert_eq!(second.lines(), ["#join response a []"]);
    site.assert_copies();
}

#[test]
fn a_relay_to_another_node_arrives_or_its_sender_is_told() {
    let site = Site::new(2);
    let bob = site.seated(1, "bob", "a");
    let alice = site.seated(0, "alice", "a");
    bob.lines();
    alice.client.send("a", "bob", "one").expect("passed on");
    site.settle();
    assert_eq!(bob.lines(), ["candidate alice one"]);

    // Bob leaves while the next one is on its way.
    alice.client.send("a", "bob", "two").expect("passed on");
    bob.client
        .connection
        .leave_channel("a", "leave")
        .expect("seated");
    assert!(site.node(1).send_one());
    while site.node(1).receive_one() {}
    site.settle();
    assert_eq!(bob.lines(), ["#leave left a bob LEFT"]);
    let lines = alice.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines.contains(&"error TARGET_NOT_IN_CHANNEL a".to_owned()));
    assert!(lines.contains(&"left a bob LEFT".to_owned()));
}

#[test]
fn a_message_of_a_stay_that_has_ended_reaches_nobody() {
    let site = Site::new(2);
    let bob = site.seated(1, "bob", "a");
    let alice = site.seated(0, "alice", "a");
    bob.lines();
    alice.client.send("a", "bob", "late").expect("passed on");
    site.kick(1, "alice");
    site.settle();
    assert_eq!(bob.lines(), ["left a alice KICKED"]);
    let lines = alice.lines();
    assert!(
        lines.contains(&"error NOT_IN_CHANNEL a".to_owned()),
        "{lines:?}"
    );
}

#[test]
fn speaking_reaches_all_nodes_and_its_own_at_once() {
    let site = Site::new(3);
    let near = site.seated(0, "near", "a");
    let far = site.seated(1, "far", "a");
    let alice = site.seated(0, "alice", "a");
    for member in [&near, &far] {
        member.lines();
    }
    alice
        .client
        .connection
        .speaking("a", true, "5")
        .expect("seated");
    assert_eq!(near.lines(), ["speaking a alice on"]);
    assert_eq!(alice.lines(), ["#5 speaking a alice on"]);
    assert!(far.lines().is_empty());
    site.settle();
    assert_eq!(far.lines(), ["speaking a alice on"]);
    assert!(near.lines().is_empty() && alice.lines().is_empty());
}

#[test]
fn a_join_under_an_older_policy_is_asked_again() {
    let site = Site::new(2);
    let mut alice = site.member(0, "alice");
    alice.join("a");
    let changed = site.node(1).policy_changed().now_or_never();
    assert_eq!(changed, Some(Ok(())));
    site.settle();
    assert_eq!(alice.entered(), Err(JoinError::PolicyChanged));
    alice.join("a");
    site.settle();
    alice.entered().expect("joined under the new policy");
    assert_eq!(site.engine.roster(&channel("a")).len(), 1);
}

#[test]
fn a_rejoin_is_answered_from_the_copy_alone() {
    let site = Site::new(2);
    let _bob = site.seated(1, "bob", "a");
    let mut alice = site.seated(0, "alice", "a");
    let session = alice.client.connection.seat().map(|(_, session)| session);
    let decided = site.engine.log().len();
    alice.join("a");
    assert_eq!(alice.entered().ok(), session);
    assert_eq!(alice.lines(), ["#join response a [bob]"]);
    site.settle();
    assert_eq!(site.engine.log().len(), decided, "nobody else was asked");
}
