//! Who gets a seat, and what the others hear.

use std::sync::Arc;

use united_voice_redis::{Arrived, Calls, Dialer, Operation, Reader, Record, Refusal};
use united_voice_redis_server::Engine;

use crate::cluster::{Cluster, muting, profile};

#[test]
fn a_join_is_told_to_the_nodes_of_the_room_and_brings_the_roster_once() {
    let mut cluster = Cluster::new();
    let [mut a, mut b, mut c] = cluster.nodes();
    let first = a.join(1, "ann", "hall");
    assert_eq!(first.others, Some(vec![]));
    let second = b.join(2, "ben", "hall");
    let others = second.others.expect("the room is new to this node");
    assert_eq!(others, [first.member]);
    assert_eq!(others[0].profile, profile("ann"));
    // The second member of a node that has a copy needs no roster.
    let third = b.join(3, "cid", "hall");
    assert_eq!(third.others, None);

    let heard = a.read();
    assert_eq!(heard.len(), 2);
    let Record::Joined(joined) = &heard[1].record else {
        panic!("{heard:?}");
    };
    assert_eq!((&joined.member, &joined.others), (&third.member, &None));
    assert!(c.read().is_empty(), "nobody of this node is in the room");
    assert_eq!(cluster.users("hall"), ["ann", "ben", "cid"]);
}

#[test]
fn a_limit_is_a_limit_over_all_nodes() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.try_join(1, "ann", "hall", 2).expect("free");
    b.try_join(2, "ben", "hall", 2).expect("free");
    let before = cluster.roster("hall");
    assert_eq!(a.try_join(3, "cid", "hall", 2), Err(Refusal::Full));
    assert_eq!(
        cluster.roster("hall"),
        before,
        "a refused join changes nothing"
    );
    // A lowered limit throws nobody out and lets nobody in.
    assert_eq!(a.try_join(3, "cid", "hall", 1), Err(Refusal::Full));
    assert_eq!(cluster.users("hall"), ["ann", "ben"]);
}

#[test]
fn the_own_seat_refuses_no_join() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.try_join(1, "ann", "hall", 2).expect("free");
    b.try_join(2, "ben", "hall", 2).expect("free");
    // Ann comes back through another node, into a room that is full with her.
    let joined = b
        .try_join(3, "ann", "hall", 1)
        .expect("it is her own place");
    assert_eq!(joined.replaces, [(1, "hall".into())]);
    assert_eq!(cluster.users("hall"), ["ben", "ann"], "she goes to the end");
    // The node that loses its last member of the room is told so.
    let heard = a.read();
    let Record::Joined(heard) = &heard.last().expect("an entry").record else {
        panic!("{heard:?}");
    };
    assert_eq!(heard.replaces, [(1, "hall".into())]);
}

#[test]
fn a_takeover_on_a_new_node_brings_the_roster_without_the_old_seat() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    a.join(2, "ben", "hall");
    a.run(&muting(1, "ann", true));
    let joined = b.join(3, "ann", "hall");
    let others = joined.others.expect("new here");
    assert_eq!(others.len(), 1);
    assert_eq!(others[0].user, "ben");
    assert!(!joined.member.flags.muted(), "a takeover starts unmuted");
}

#[test]
fn a_takeover_within_a_node_needs_no_roster() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    a.join(1, "ann", "hall");
    let joined = a.join(2, "ann", "hall");
    assert_eq!(joined.others, None);
    assert_eq!(cluster.roster("hall").members, [joined.member]);
}

#[test]
fn a_move_is_one_entry_for_the_nodes_of_both_rooms() {
    let mut cluster = Cluster::new();
    let [mut a, mut b, mut c] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    c.join(3, "cid", "yard");
    for node in [&mut a, &mut b, &mut c] {
        node.read();
    }
    let moved = a.join(4, "ann", "yard");
    assert_eq!(moved.replaces, [(1, "hall".into())]);
    assert_eq!(moved.others.expect("new here").len(), 1);
    for node in [&mut b, &mut c] {
        let heard = node.read();
        assert_eq!(heard.len(), 1);
        let Record::Joined(joined) = &heard[0].record else {
            panic!("{heard:?}");
        };
        assert_eq!((&joined.member, &*joined.channel), (&moved.member, "yard"));
        assert_eq!(joined.replaces, [(1, "hall".into())]);
    }
    assert_eq!(cluster.users("hall"), ["ben"]);
    assert_eq!(cluster.users("yard"), ["cid", "ann"]);
}

#[test]
fn a_refused_move_leaves_the_user_where_it_was() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.try_join(2, "ben", "yard", 1).expect("free");
    assert_eq!(a.try_join(3, "ann", "yard", 1), Err(Refusal::Full));
    assert_eq!(cluster.users("hall"), ["ann"]);
    assert_eq!(b.read().len(), 0, "a refusal is told to nobody else");
}

#[test]
fn a_session_id_in_use_is_refused() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    // By somebody else in the room.
    assert_eq!(b.try_join(1, "ben", "hall", 9), Err(Refusal::Stale));
    // By the same user, elsewhere.
    assert_eq!(b.try_join(1, "ann", "yard", 9), Err(Refusal::Stale));
    let members = cluster.roster("hall").members;
    assert_eq!((members.len(), &*members[0].user), (1, "ann"));
}

#[test]
fn a_join_decided_under_an_old_policy_is_refused_everywhere() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let command = a.scripts.policy(&a.of);
    let answer = command.query(&mut a.connection).expect("an answer");
    let epoch = united_voice_redis::parse_policy(answer).expect("an epoch");
    for node in [&mut a, &mut b] {
        assert_eq!(
            node.try_join(1, "ann", "hall", 9),
            Err(Refusal::Policy { epoch })
        );
        assert_eq!(node.beat().expect("beaten").epoch, epoch);
    }
    (a.epoch, b.epoch) = (epoch, epoch);
    a.try_join(1, "ann", "hall", 9).expect("asked again");
    // After a loss, the engine's epoch may be lower than what a node remembers. It learns it.
    b.epoch = epoch + 1;
    b.try_join(2, "ben", "hall", 9).expect("under a newer one");
    assert_eq!(
        a.try_join(3, "cat", "hall", 9),
        Err(Refusal::Policy { epoch: epoch + 1 })
    );
}

#[test]
fn rosters_have_the_version_of_the_last_change() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let version = a.join(1, "ann", "hall").member.version;
    let roster = cluster.roster("hall");
    assert_eq!((roster.version, roster.is_recovering), (version, false));
    let changed = a.run(&muting(1, "ann", true));
    assert_eq!(cluster.roster("hall").version, changed.version);
    let counts = cluster.keys().counts(["hall", "nowhere"]);
    let counts: Vec<usize> = counts.query(&mut cluster.connection).expect("counts");
    assert_eq!(counts, [1, 0]);
}

/// Entries should have 256 KiB at most. The roster for a node that is new in a channel is the
/// exception: it has all members.
#[tokio::test]
async fn a_node_may_be_new_in_a_channel_of_thousands_with_the_largest_profiles() {
    const MEMBERS: u64 = 3000;
    let engine = Engine::start();
    let mut cluster = Cluster::empty(&engine);
    let [mut a, mut b] = cluster.nodes();
    cluster.admit();
    let profile = vec![b'p'; 8 << 10];
    for session in 0..MEMBERS {
        let mut join = a.joining(session, &format!("user {session}"), "hall", 0);
        if let Operation::Join { profile: own, .. } = &mut join {
            own.clone_from(&profile);
        }
        a.propose(&join);
    }
    b.propose(&b.joining(MEMBERS, "newcomer", "hall", 0));
    // As a node reads it, with its time limits.
    let dialer = Dialer::new(&engine.url(), None, Arc::clone(&cluster.scripts)).expect("a URL");
    let calls = Calls::new(dialer.clone());
    let mut reader = Reader::new(dialer, b.of.nid);
    let reading = reader.read().await.expect("read");
    assert_eq!(reading.trouble, None);
    let Some(Arrived::Entry(entry)) = reading.arrived.into_iter().next() else {
        panic!("no outcome");
    };
    let Record::Joined(joined) = entry.record else {
        panic!("{:?}", entry.record);
    };
    let others = joined.others.expect("it had nobody there");
    assert!(others.iter().map(|other| other.session).eq(0..MEMBERS));
    assert!(others.iter().all(|other| other.profile == profile));
    let roster = calls.roster("hall").await.expect("a roster");
    assert_eq!(roster.members.len() as u64, MEMBERS + 1);
    // What was read goes, however large it was, when the next beat has come.
    b.beat().expect("beaten");
    reader.read().await.expect("read");
    let trim = cluster.keys().trim_inbox(b.of.nid, reader.read_to());
    trim.exec(&mut cluster.connection).expect("trimmed");
    let inbox = cluster.keys().inbox(b.of.nid);
    let bytes: usize = cluster.run(&["MEMORY", "USAGE", &inbox, "SAMPLES", "0"]);
    assert!(bytes < 1 << 20, "{bytes}");
}
