//! What is under way when a node loses its engine, and what becomes of it afterwards.

use super::Site;
use crate::{CloseReason, JoinError, rooms::tests::channel};

/// All requests that wait are answered, and the others of the node are told. Nobody is told again
/// when the engine is back.
#[test]
fn what_waits_for_the_engine_is_told_when_the_node_is_cut_off() {
    let site = Site::new(2);
    let far = site.seated(1, "far", "a");
    let near = site.seated(0, "near", "a");
    let [speaks, leaves, goes] = ["speaks", "leaves", "goes"].map(|name| site.seated(0, name, "a"));
    for member in [&far, &near, &speaks, &leaves, &goes] {
        member.lines();
    }
    let connection = &speaks.client.connection;
    connection
        .update_state("a", true, false, "1")
        .expect("seated");
    // The engine has run this one, and its outcome has not come.
    assert!(site.node(0).send_one());
    connection
        .update_state("a", true, true, "2")
        .expect("seated");
    leaves
        .client
        .connection
        .leave_channel("a", "3")
        .expect("seated");
    drop(goes);
    assert!(near.lines().is_empty());

    site.node(0).set_cut_off(true);
    let told = [
        "state a speaks(m)",
        "state a speaks(md)",
        "left a leaves LEFT",
        "left a goes DISCONNECTED",
    ];
    assert_eq!(near.lines(), told);
    assert_eq!(
        speaks.lines(),
        [
            "#1 state a speaks(m)",
            "#2 state a speaks(md)",
            told[2],
            told[3]
        ]
    );
    assert_eq!(leaves.lines(), [told[0], told[1], "#3 left a leaves LEFT"]);
    site.node(0).set_cut_off(false);
    site.settle();
    assert_eq!(far.lines(), told);
    for member in [&near, &speaks, &leaves] {
        assert!(member.lines().is_empty(), "{} again", member.client.name);
    }
    site.assert_copies();
}

/// A late offer would be worse than none.
#[test]
fn a_message_that_waits_for_another_node_is_refused_when_the_node_is_cut_off() {
    let site = Site::new(2);
    let far = site.seated(1, "far", "a");
    let alice = site.seated(0, "alice", "a");
    far.lines();
    let sent = alice.client.send_as("7", ("a", "far"), "x");
    sent.expect("passed on");
    site.node(0).set_cut_off(true);
    assert_eq!(alice.lines(), ["#7 error UNAVAILABLE a"]);
    site.node(0).set_cut_off(false);
    site.settle();
    assert!(far.lines().is_empty());
}

#[test]
fn the_last_state_counts_however_the_engine_went_away() {
    let site = Site::new(2);
    let far = site.seated(1, "far", "a");
    let near = site.seated(0, "near", "a");
    let alice = site.seated(0, "alice", "a");
    for member in [&far, &near] {
        member.lines();
    }
    let mute = |muted| {
        let connection = &alice.client.connection;
        connection
            .update_state("a", muted, false, "mute")
            .expect("seated");
    };
    mute(true);
    assert!(site.node(0).send_one());
    mute(false);
    site.node(0).set_cut_off(true);
    mute(true);
    mute(false);
    let told = ["state a alice(m)", "state a alice"];
    assert_eq!(near.lines(), [told, told].concat());
    site.node(0).set_cut_off(false);
    mute(true);
    site.settle();
    assert_eq!(near.lines(), ["state a alice(m)"]);
    let heard = far.lines();
    assert_eq!(heard.last().map(String::as_str), Some("state a alice(m)"));
    site.assert_copies();
}

/// The client does not know of the new seat, and nobody else has it.
#[test]
fn a_move_that_the_engine_did_before_it_went_away_costs_the_connection() {
    let site = Site::new(2);
    let bob = site.seated(0, "bob", "a");
    let mut alice = site.seated(1, "alice", "a");
    bob.lines();
    alice.join("b");
    assert!(site.node(1).send_one());
    site.node(1).set_cut_off(true);
    assert_eq!(alice.entered(), Err(JoinError::Undecided));
    assert!(
        alice.client.connection.seat().is_some(),
        "it cannot know yet"
    );
    site.node(1).set_cut_off(false);
    site.settle();
    assert!(alice.lines().is_empty(), "no other connection has the seat");
    let closed = alice.client.sink.close_reason();
    assert_eq!(closed, Some(CloseReason::SeatLost));
    assert_eq!(alice.client.connection.seat(), None);
    assert_eq!(bob.lines(), ["left a alice MOVED"]);
    site.assert_copies();
    assert!(site.engine.roster(&channel("b")).is_empty());
}

/// Its outcome comes while the node is cut off, and the leave that undoes it may never be sent: a node
/// that registers anew drops what is in doubt, and puts back the seats that it lists.
#[test]
fn a_join_in_doubt_is_undone_at_the_next_outage_at_the_latest() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let mut alice = site.member(0, "alice");
    alice.join("a");
    assert!(site.node(0).send_one());
    site.node(0).set_cut_off(true);
    assert_eq!(alice.entered(), Err(JoinError::Undecided));
    site.node(0).set_cut_off(false);
    // The engine answers, and the node does not know yet.
    site.registry(0).replica().set_cut_off(true);
    assert!(site.node(0).receive_one());
    assert_eq!(near.lines(), ["joined a alice"]);
    site.node(0).set_cut_off(true);
    assert_eq!(near.lines(), ["left a alice DISCONNECTED"]);
    assert_eq!(site.registry(0).replica().seats().len(), 1);
    site.node(0).set_cut_off(false);
    site.settle();
    assert!(near.lines().is_empty() && alice.lines().is_empty());
    site.assert_copies();
}

/// The engine gave the seat to a join that nobody waits for any more, so no connection has it.
#[test]
fn a_takeover_in_doubt_costs_the_connection_that_had_the_seat() {
    let site = Site::new(2);
    let bob = site.seated(1, "bob", "a");
    let first = site.seated(0, "alice", "a");
    let mut second = site.member(0, "alice");
    bob.lines();
    second.join("a");
    second.pending = None;
    site.settle();
    assert!(first.lines().is_empty() && second.lines().is_empty());
    let closed = first.client.sink.close_reason();
    assert_eq!(closed, Some(CloseReason::SeatLost));
    assert_eq!(first.client.connection.seat(), None);
    assert_eq!(second.client.sink.close_reason(), None);
    assert_eq!(
        bob.lines(),
        [
            "left a alice REPLACED",
            "joined a alice",
            "left a alice DISCONNECTED"
        ]
    );
    site.assert_copies();
}

/// The copy ended with the last member, and the engine did not know that yet when it let two others
/// in. They come again rather than see a part of the channel.
#[test]
fn nobody_joins_by_a_copy_that_has_ended() {
    let site = Site::new(2);
    let bob = site.seated(1, "bob", "a");
    let alice = site.seated(0, "alice", "a");
    let mut carol = site.member(0, "carol");
    carol.join("a");
    assert!(site.node(0).send_one());
    site.node(0).set_cut_off(true);
    assert_eq!(carol.entered(), Err(JoinError::Undecided));
    alice
        .client
        .connection
        .leave_channel("a", "leave")
        .expect("seated");
    site.node(0).set_cut_off(false);
    let mut dan = site.member(0, "dan");
    dan.join("a");
    site.settle();
    assert_eq!(dan.entered(), Err(JoinError::Undecided));
    assert!(carol.lines().is_empty() && dan.lines().is_empty());
    site.assert_copies();
    assert_eq!(site.engine.roster(&channel("a")).len(), 1);
    let heard = bob.lines();
    let joined = |name: &str| heard.contains(&format!("joined a {name}"));
    assert!(joined("carol") && joined("dan"), "{heard:?}");
    dan.join("a");
    site.settle();
    dan.entered().expect("joined");
    assert_eq!(dan.lines(), ["#join response a [bob]"]);
    let stats = site.registry(0).stats();
    assert_eq!((stats.participants, stats.rooms), (1, 1));
}

#[test]
fn a_seat_that_was_taken_over_during_an_outage_is_told_afterwards() {
    let site = Site::new(2);
    let far = site.seated(1, "far", "a");
    let near = site.seated(0, "near", "a");
    let first = site.seated(0, "alice", "a");
    for member in [&far, &near] {
        member.lines();
    }
    site.node(0).set_cut_off(true);
    let second = site.seated(1, "alice", "a");
    let connection = &first.client.connection;
    connection
        .update_state("a", true, false, "1")
        .expect("it cannot know yet");
    assert_eq!(first.lines(), ["#1 state a alice(m)"]);
    site.node(0).set_cut_off(false);
    site.settle();
    assert_eq!(first.lines(), ["error SESSION_REPLACED a"]);
    assert_eq!(first.client.connection.seat(), None);
    assert!(second.lines().is_empty() && second.client.connection.seat().is_some());
    let taken_over = ["left a alice REPLACED", "joined a alice"];
    assert_eq!(far.lines(), taken_over);
    let told = near.lines();
    assert_eq!(told, [&["state a alice(m)"], &taken_over[..]].concat());
    site.assert_copies();
}
