//! A node without its engine, a node that died, and seats that were lost.

use std::num::NonZeroU32;

use futures::FutureExt;

use super::Site;
use crate::{
    CloseReason, JoinError, RelayFailure, VoiceEvent, VoiceEvents,
    cluster::{Lost, RosterMember},
    rooms::tests::{channel, user},
};

#[test]
fn a_node_that_is_cut_off_goes_on_for_its_own_members() {
    let site = Site::new(2);
    let far = site.seated(1, "far", "a");
    let near = site.seated(0, "near", "a");
    let mut alice = site.seated(0, "alice", "a");
    let mut waiting = site.member(0, "waiting");
    waiting.join("a");
    for member in [&far, &near] {
        member.lines();
    }
    site.node(0).set_cut_off(true);

    assert_eq!(waiting.entered(), Err(JoinError::Undecided));
    waiting.join("b");
    assert_eq!(waiting.entered(), Err(JoinError::Undecided));
    // A rejoin needs nobody.
    alice.join("a");
    alice.entered().expect("it sits there");
    assert_eq!(alice.lines(), ["#join response a [far near]"]);

    let connection = &alice.client.connection;
    connection
        .update_state("a", true, false, "1")
        .expect("seated");
    assert_eq!(alice.lines(), ["#1 state a alice(m)"]);
    assert_eq!(near.lines(), ["state a alice(m)"]);
    alice.client.send("a", "near", "x").expect("on this node");
    assert_eq!(near.lines(), ["candidate alice x"]);
    let unreachable = alice
        .client
        .send("a", "far", "x")
        .map_err(|error| error.reason);
    assert_eq!(unreachable, Err(RelayFailure::Unreachable));
    connection.leave_channel("a", "2").expect("seated");
    assert_eq!(alice.lines(), ["#2 left a alice LEFT"]);
    assert_eq!(near.lines(), ["left a alice LEFT"]);
    site.settle();
    assert!(far.lines().is_empty(), "it cannot know yet");

    site.node(0).set_cut_off(false);
    site.settle();
    assert_eq!(far.lines(), ["state a alice(m)", "left a alice LEFT"]);
    assert!(
        near.lines().is_empty() && alice.lines().is_empty(),
        "nobody is told twice"
    );
    site.assert_copies();
    waiting.join("a");
    site.settle();
    waiting.entered().expect("joined");
}

#[test]
fn the_members_of_a_node_that_died_are_gone_for_the_others() {
    let site = Site::new(3);
    let bob = site.seated(1, "bob", "a");
    let carol = site.seated(2, "carol", "a");
    let _alice = site.seated(0, "alice", "a");
    for member in [&bob, &carol] {
        member.lines();
    }
    let mut hosts = [1, 2].map(|node| site.registry(node).events());
    site.node(0).die();
    site.settle();
    for member in [&bob, &carol] {
        assert_eq!(member.lines(), ["left a alice DISCONNECTED"]);
    }
    let heard = hosts.iter_mut().map(left).sum::<usize>();
    assert_eq!(heard, 1, "one host event, not one for each node");
}

fn left(events: &mut VoiceEvents) -> usize {
    let mut count = 0;
    while let Some(Some(event)) = events.recv().now_or_never() {
        count += usize::from(matches!(event, Ok(VoiceEvent::Left { .. })));
    }
    count
}

#[test]
fn a_lost_seat_is_told_to_its_connection_and_to_the_others() {
    for why in [Lost::Superseded, Lost::Gone] {
        let site = Site::new(2);
        let near = site.seated(0, "near", "a");
        let alice = site.seated(0, "alice", "a");
        near.lines();
        let (_, session) = alice.client.connection.seat().expect("seated");
        let replica = site.registry(0).replica();
        replica.lost(&user("alice"), &channel("a"), session, why, false);
        replica.lost(&user("alice"), &channel("a"), session, why, false);
        assert_eq!(alice.client.connection.seat(), None);
        let (told, others, closed) = match why {
            Lost::Superseded => (vec!["error SESSION_REPLACED a"], "REPLACED", None),
            Lost::Gone => (Vec::new(), "DISCONNECTED", Some(CloseReason::SeatLost)),
        };
        assert_eq!(alice.lines(), told);
        assert_eq!(alice.client.sink.close_reason(), closed);
        assert_eq!(near.lines(), [format!("left a alice {others}")]);
    }
}

#[test]
fn a_roster_is_installed_by_its_difference() {
    let site = Site::new(2);
    let near = site.seated(0, "near", "a");
    let _stays = site.seated(1, "stays", "a");
    let _goes = site.seated(1, "goes", "a");
    near.lines();
    let mut roster: Vec<RosterMember> = site
        .engine
        .roster(&channel("a"))
        .into_iter()
        .map(|(node, member)| RosterMember {
            node: (node != site.node(0).id()).then_some(node),
            ..member
        })
        .collect();
    roster.retain(|member| member.user.as_str() != "goes");
    let stays = &mut roster[1];
    stays.muted = true;
    let new = RosterMember {
        user: user("new"),
        session: crate::SessionId::from_u64(7),
        muted: false,
        // It joined before all others.
        version: 0,
        ..stays.clone()
    };
    roster.insert(0, new);
    let replica = site.registry(0).replica();
    replica.install(&channel("a"), roster.clone());
    let lines = near.lines();
    assert_eq!(
        lines,
        [
            "left a goes DISCONNECTED",
            "joined a new",
            "state a stays(m)"
        ]
    );
    let present = site.registry(0).participants(&channel("a"));
    let names: Vec<_> = present.iter().map(|who| who.user_id.as_str()).collect();
    assert_eq!(names, ["new", "near", "stays"]);
    replica.install(&channel("a"), roster);
    assert!(
        near.lines().is_empty(),
        "the same roster again says nothing"
    );
}

#[test]
fn a_node_knows_its_own_seats() {
    let site = Site::new(2);
    let _far = site.seated(1, "far", "a");
    let mut alice = site.member(0, "alice");
    alice.join_limited("a", 5);
    site.settle();
    let session = alice.entered().expect("joined");
    let connection = &alice.client.connection;
    connection
        .update_state("a", true, true, "")
        .expect("seated");
    site.settle();
    let seats = site.registry(0).replica().seats();
    let [seat] = seats.as_slice() else {
        panic!("one seat: {seats:?}");
    };
    assert_eq!((&seat.user, &seat.channel), (&user("alice"), &channel("a")));
    assert_eq!((seat.session, seat.limit), (session, NonZeroU32::new(5)));
    assert_eq!((seat.muted, seat.deafened, seat.version), (true, true, 2));
    assert_eq!(seat.profile.display_name(), "ALICE");
}
