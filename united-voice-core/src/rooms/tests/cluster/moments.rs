//! Outcomes and calls of the backend that come when the copy no longer fits them.

use futures::FutureExt;

use super::Site;
use crate::{
    CloseReason, Codec, RelayFailure, SessionId, VoiceEvent, VoiceEvents,
    cluster::{Forward, ForwardedBy, Lost, Outcome, RosterMember},
    proto::voice::VoiceLeaveReason,
    rooms::tests::{channel, user},
};

/// What the host of a node hears about stays.
fn heard(events: &mut VoiceEvents) -> Vec<String> {
    let mut heard = Vec::new();
    while let Some(Some(event)) = events.recv().now_or_never() {
        match event.expect("read often enough") {
            VoiceEvent::Joined { user, .. } => heard.push(format!("joined {user}")),
            VoiceEvent::Left { user, reason, .. } => {
                let reason = reason.as_str_name();
                let reason = reason.trim_start_matches("VOICE_LEAVE_REASON_");
                heard.push(format!("left {user} {reason}"));
            }
            VoiceEvent::StateChanged { .. } => {}
        }
    }
    heard
}

/// Several connections of a user may share a sink of the host's. One that has ended is told nothing
/// there.
#[test]
fn a_connection_that_has_ended_is_told_nothing() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let alice = site.seated(0, "alice", "a");
    let twin = alice.client.twin();
    near.lines();
    drop(alice);
    near.client
        .connection
        .speaking("a", true, "")
        .expect("seated");
    let refused = near.client.send("a", "alice", "x");
    let refused = refused.map_err(|error| error.reason);
    assert_eq!(refused, Err(RelayFailure::TargetNotInChannel));
    site.settle();
    assert_eq!(near.lines(), ["left a alice DISCONNECTED"]);
    assert!(twin.lines().is_empty(), "it has no seat");
    site.assert_copies();
}

/// A node's stays end at the engine while nobody of the reaping node is in their channel.
#[test]
fn the_host_hears_of_every_stay_of_a_node_that_died() {
    let site = Site::new(3);
    let _carol = site.seated(2, "carol", "a");
    let _alice = site.seated(0, "alice", "a");
    let _bob = site.seated(0, "bob", "b");
    let mut hosts = [1, 2].map(|node| site.registry(node).events());
    site.node(0).die();
    site.settle();
    let mut heard: Vec<String> = hosts.iter_mut().flat_map(heard).collect();
    heard.sort_unstable();
    assert_eq!(heard, ["left alice DISCONNECTED", "left bob DISCONNECTED"]);
}

/// A node that reaps an earlier registration of its own.
#[test]
fn a_stay_that_its_own_node_reaps_is_heard_of_once() {
    let site = Site::new(1);
    let alice = site.seated(0, "alice", "a");
    let mut host = site.registry(0).events();
    let (channel, session) = alice.client.connection.seat().expect("seated");
    let left = Outcome::Left {
        channel,
        user: user("alice"),
        session,
        reason: VoiceLeaveReason::Disconnected,
        reaped: true,
    };
    site.registry(0).replica().apply(None, left);
    assert_eq!(heard(&mut host), ["left alice DISCONNECTED"]);
}

/// The node was silent for too long, and another one ended its stays.
#[test]
fn a_lost_seat_that_was_reaped_is_heard_of_once() {
    let site = Site::new(1);
    let alice = site.seated(0, "alice", "a");
    let near = site.seated(0, "near", "a");
    let mut host = site.registry(0).events();
    let replica = site.registry(0).replica();
    for (member, reaped) in [(&alice, true), (&near, false)] {
        let (channel, session) = member.client.connection.seat().expect("seated");
        let user = user(&member.client.name);
        replica.lost(&user, &channel, session, Lost::Gone, reaped);
    }
    assert_eq!(heard(&mut host), ["left near DISCONNECTED"]);
    assert_eq!(near.lines(), ["left a alice DISCONNECTED"]);
    let stats = site.registry(0).stats();
    assert_eq!((stats.participants, stats.rooms), (0, 0));
}

/// The engine does not know the stay any more, so nobody else will end it.
#[test]
fn a_leave_of_a_stay_that_the_engine_has_lost_ends_it() {
    let site = Site::new(1);
    let near = site.seated(0, "near", "a");
    let alice = site.seated(0, "alice", "a");
    near.lines();
    site.engine.forget(&user("alice"));
    let connection = &alice.client.connection;
    connection.leave_channel("a", "7").expect("seated");
    site.settle();
    assert_eq!(alice.lines(), ["#7 left a alice LEFT"]);
    assert_eq!(near.lines(), ["left a alice LEFT"]);
    site.assert_copies();
}

#[test]
fn a_request_of_a_stay_that_was_lost_meanwhile_is_answered() {
    for leave in [true, false] {
        let site = Site::new(1);
        let alice = site.seated(0, "alice", "a");
        let connection = &alice.client.connection;
        let (channel, session) = connection.seat().expect("seated");
        if leave {
            connection.leave_channel("a", "7").expect("seated");
        } else {
            connection
                .update_state("a", true, false, "7")
                .expect("seated");
        }
        let replica = site.registry(0).replica();
        replica.lost(&user("alice"), &channel, session, Lost::Superseded, false);
        site.settle();
        let lines = alice.lines();
        let expected = ["error SESSION_REPLACED a", "#7 error NOT_IN_CHANNEL a"];
        assert_eq!(lines, expected, "leave: {leave}");
    }
}

/// The engine had lost the old stay, so the join did not end it.
#[test]
fn a_join_ends_a_stay_of_the_user_that_only_the_copy_lists() {
    for elsewhere in [true, false] {
        let site = Site::new(2);
        let near = site.seated(0, "near", "a");
        let first = site.seated(0, "alice", "a");
        near.lines();
        site.engine.forget(&user("alice"));
        let second = site.seated(usize::from(elsewhere), "alice", "a");
        assert_eq!(first.lines(), ["error SESSION_REPLACED a"]);
        assert_eq!(first.client.connection.seat(), None);
        assert!(second.client.connection.seat().is_some());
        assert_eq!(near.lines(), ["left a alice REPLACED", "joined a alice"]);
        let stats = site.registry(0).stats();
        assert_eq!(stats.participants, 1 + u64::from(!elsewhere));
        site.assert_copies();
    }
}

#[test]
fn a_move_ends_a_stay_that_the_engine_has_lost() {
    for elsewhere in [true, false] {
        let site = Site::new(2);
        let near = site.seated(0, "near", "a");
        let _beside = site.seated(0, "beside", "b");
        let mut alice = site.seated(0, "alice", "a");
        near.lines();
        site.engine.forget(&user("alice"));
        if elsewhere {
            site.seated(1, "alice", "b");
            assert_eq!(alice.lines(), ["error SESSION_REPLACED a"]);
            assert_eq!(alice.client.connection.seat(), None);
        } else {
            alice.join("b");
            site.settle();
            assert_eq!(alice.lines(), ["#join response b [beside]"]);
        }
        assert_eq!(near.lines(), ["left a alice MOVED"]);
        site.settle();
        site.assert_copies();
    }
}

/// After a loss, a node puts its seats back at the engine, which tells the others.
#[test]
fn a_join_that_the_copy_knows_is_told_to_nobody() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let far = site.seated(1, "far", "a");
    near.lines();
    let copy = || site.registry(0).participants(&channel("a"));
    let before = copy();
    for (node, member) in site.engine.roster(&channel("a")) {
        let here = node == site.node(0).id();
        let joined = Outcome::Joined {
            channel: channel("a"),
            member: RosterMember {
                node: (!here).then_some(node),
                ..member
            },
            ends: Vec::new(),
            others: None,
        };
        site.registry(0).replica().apply(None, joined);
    }
    site.settle();
    assert_eq!(copy(), before);
    assert!(near.lines().is_empty() && far.lines().is_empty());
    site.assert_copies();
}

fn names(site: &Site, node: usize) -> Vec<String> {
    let present = site.registry(node).participants(&channel("a"));
    present.into_iter().map(|who| who.user_id).collect()
}

/// The engine lost a join after some nodes had heard of it, and ran it again.
#[test]
fn a_join_that_ran_again_changes_the_order_on_every_node() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let far = site.seated(1, "far", "a");
    near.lines();
    site.engine.rerun(&user("near"));
    site.settle();
    assert_eq!(names(&site, 1), ["far", "near"]);
    site.node(0).compare();
    site.settle();
    site.assert_copies();
    assert!(near.lines().is_empty() && far.lines().is_empty());
    // The node of the seat would put it back under the same number.
    let version = site.engine.roster(&channel("a"))[1].1.version;
    assert_eq!(site.registry(0).replica().seats()[0].version, version);
}

/// The node lost nothing itself, so it compares nothing: what others put back is all that it hears.
#[test]
fn a_seat_that_is_put_back_brings_its_state() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let alice = site.seated(1, "alice", "a");
    near.lines();
    for (muted, told) in [(true, "state a alice(m)"), (false, "state a alice")] {
        for (node, member) in site.engine.roster(&channel("a")) {
            let joined = Outcome::Joined {
                channel: channel("a"),
                member: RosterMember {
                    node: (node != site.node(0).id()).then_some(node),
                    muted,
                    ..member
                },
                ends: Vec::new(),
                others: None,
            };
            site.registry(0).replica().apply(None, joined);
        }
        // What this node's own member said last counts here.
        assert_eq!(near.lines(), [told]);
    }
    site.settle();
    assert!(alice.lines().is_empty());
    site.assert_copies();
}

/// The node was slow to read its inbox, and its copies were compared with the engine before it had.
#[test]
fn a_roster_that_knows_a_move_before_the_inbox_leaves_no_ghost() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let beside = site.seated(0, "beside", "b");
    let mut alice = site.member(1, "alice");
    for channel in ["a", "b"] {
        alice.join(channel);
        while site.node(1).send_one() | site.node(1).receive_one() {}
        alice.entered().expect("joined");
    }
    near.lines();
    site.node(0).compare_early();
    assert_eq!(beside.lines(), ["joined b alice"]);
    site.settle();
    assert_eq!(near.lines(), ["joined a alice", "left a alice MOVED"]);
    assert!(beside.lines().is_empty());
    site.assert_copies();
}

/// What the engine told was lost with an inbox.
#[test]
fn a_roster_changes_the_order_of_members_that_the_copy_knows() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let _far = site.seated(1, "far", "a");
    let _further = site.seated(1, "further", "a");
    near.lines();
    let roster = |numbers: [u64; 3]| {
        let roster = site.engine.roster(&channel("a")).into_iter();
        let numbered = roster
            .zip(numbers)
            .map(|((node, member), version)| RosterMember {
                node: (node != site.node(0).id()).then_some(node),
                version,
                ..member
            });
        numbered.collect()
    };
    let replica = site.registry(0).replica();
    for (numbers, expected) in [
        ([12, 10, 11], ["far", "further", "near"]),
        ([12, 14, 13], ["near", "further", "far"]),
    ] {
        replica.install(&channel("a"), roster(numbers));
        assert_eq!(names(&site, 0), expected);
        assert_eq!(replica.seats()[0].version, 12);
    }
    assert!(near.lines().is_empty());
}

/// A seat that its node puts back late was there before the others.
#[test]
fn a_seat_that_comes_back_is_at_its_old_place() {
    let site = Site::new(3);
    let first = site.seated(0, "first", "a");
    let _second = site.seated(1, "second", "a");
    site.engine.forget(&user("first"));
    let third = site.seated(2, "third", "a");
    site.node(0).restore();
    site.settle();
    assert_eq!(third.lines(), ["joined a first"]);
    assert_eq!(names(&site, 2), ["first", "second", "third"]);
    assert!(first.client.connection.seat().is_some());
}

/// The roster shows that another connection of the user has the seat.
#[test]
fn a_roster_without_a_stay_of_this_node_takes_its_seat() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let alice = site.seated(0, "alice", "a");
    near.lines();
    let roster = site.engine.roster(&channel("a"));
    let roster = roster.into_iter().map(|(_, member)| match member {
        alice if alice.user.as_str() == "alice" => RosterMember {
            node: Some(site.node(1).id()),
            session: SessionId::from_u64(7),
            ..alice
        },
        near => near,
    });
    let replica = site.registry(0).replica();
    replica.install(&channel("a"), roster.collect());
    assert_eq!(alice.client.connection.seat(), None);
    assert_eq!(alice.lines(), ["error SESSION_REPLACED a"]);
    assert_eq!(near.lines(), ["left a alice REPLACED", "joined a alice"]);
    assert_eq!(site.registry(0).stats().participants, 1);
}

/// The target's user sits in the channel by another node meanwhile.
#[test]
fn a_message_for_a_stay_that_another_node_took_over_is_stale() {
    let site = Site::new(3);
    let bob = site.seated(1, "bob", "a");
    let _beside_bob = site.seated(1, "beside-bob", "a");
    let alice = site.seated(0, "alice", "a");
    let session = |member: &super::Member| member.client.connection.seat().expect("seated").1;
    let (sender, target) = (session(&alice), session(&bob));
    let _second = site.seated(2, "bob", "a");
    for (named, refused) in [
        (true, RelayFailure::StaleSession),
        (false, RelayFailure::TargetNotInChannel),
    ] {
        let message = Forward {
            sender: ForwardedBy {
                user: user("alice"),
                session: sender,
                connection: 0,
                request_id: "".into(),
            },
            target_user: user("bob"),
            target,
            named,
            channel: channel("a"),
            codec: Codec::Protobuf,
            frame: bytes::Bytes::new(),
        };
        let delivered = site.registry(1).replica().deliver(message);
        assert_eq!(delivered, Err(refused));
    }
}

/// The seat is that of a join whose answer never came, so that nobody has it. It ends later.
#[test]
fn a_stay_that_a_join_in_doubt_replaced_costs_the_connection() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let alice = site.seated(0, "alice", "a");
    near.lines();
    let roster = site.engine.roster(&channel("a")).into_iter();
    let roster = roster.map(|(_, member)| match member {
        alice if alice.user.as_str() == "alice" => RosterMember {
            session: SessionId::from_u64(7),
            ..alice
        },
        near => near,
    });
    let replica = site.registry(0).replica();
    assert_eq!(replica.install(&channel("a"), roster.collect()), 1);
    assert_eq!(alice.client.connection.seat(), None);
    assert!(alice.lines().is_empty(), "no other connection has the seat");
    let closed = alice.client.sink.close_reason();
    assert_eq!(closed, Some(CloseReason::SeatLost));
    assert_eq!(near.lines(), ["left a alice DISCONNECTED"]);
}
