//! What a host ended while the engine lacked something.

use united_voice_redis::{Nid, Operation, Reaped, Restored};

use crate::{
    cluster::{Cluster, KICKED, gone, left},
    loss::{flush, lose, reassert, seat},
};

fn kick(channel: Option<&str>, before: Option<u64>) -> Operation {
    Operation::Kick {
        user: "ann".into(),
        channel: channel.map(Into::into),
        reason: KICKED,
        before,
    }
}

fn clear(before: Option<u64>) -> Operation {
    Operation::Clear {
        channel: "hall".into(),
        reason: KICKED,
        before,
    }
}

/// The engine lacks the seat when the host ends it, and the node puts it back later.
#[test]
fn a_seat_that_a_host_ended_does_not_come_back() {
    for end in [kick(None, None), kick(Some("hall"), None), clear(None)] {
        let mut cluster = Cluster::new();
        let [mut a, mut b] = cluster.nodes();
        let ann = a.join(1, "ann", "hall").member;
        lose(&mut cluster, a.of.nid, "hall", "ann", 1);
        let bob = a.join(2, "bob", "yard").member;
        lose(&mut cluster, a.of.nid, "yard", "bob", 2);
        b.run(&end);
        let back = [seat("hall", &ann), seat("yard", &bob)];
        assert_eq!(
            reassert(&mut a, &[], &back),
            [Restored::ByHost(KICKED), Restored::Seated],
            "{end:?}"
        );
        assert!(cluster.users("hall").is_empty());
        // A kick is no ban.
        let again = a.join(3, "ann", "hall").member;
        lose(&mut cluster, a.of.nid, "hall", "ann", 3);
        assert_eq!(
            reassert(&mut a, &[], &[seat("hall", &again)]),
            [Restored::Seated]
        );
    }
}

/// The host's node finds it under the earlier registration, and its own node puts it back after that.
#[test]
fn a_seat_that_a_host_ended_before_it_moved_stays_away() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    let mut a2 = cluster.register(Nid::new(1, 2), true).expect("registered");
    assert_eq!(gone(&b.run(&kick(None, None)).record), [1]);
    assert_eq!(
        reassert(&mut a2, &[a.of.nid], &[seat("hall", &ann)]),
        [Restored::ByHost(KICKED)]
    );
    // Others were told that it left, and that it was no kick.
    let mut a3 = cluster.register(Nid::new(1, 3), true).expect("registered");
    let bea = a3.join(2, "bea", "hall").member;
    let now = cluster.time();
    cluster.lease_ends(a3.of.nid, now - 1);
    b.beat().expect("beaten");
    assert_eq!(b.reap(a3.of.nid).expect("reaped"), Reaped::Done(1));
    b.run(&clear(None));
    let mut a4 = cluster.register(Nid::new(1, 4), true).expect("registered");
    assert_eq!(
        reassert(&mut a4, &[a3.of.nid], &[seat("hall", &bea)]),
        [Restored::Reaped]
    );
}

#[test]
fn a_kick_somewhere_else_ends_nothing_that_comes_back() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    lose(&mut cluster, a.of.nid, "hall", "ann", 1);
    b.run(&kick(Some("yard"), None));
    assert_eq!(
        reassert(&mut a, &[], &[seat("hall", &ann)]),
        [Restored::Seated]
    );
}

/// The engine lost the kick itself. Whoever asked for it asks again.
#[test]
fn an_end_that_is_repeated_spares_those_who_came_after_it() {
    for end in [kick as fn(_, _) -> _, |_, before| clear(before)] {
        let mut cluster = Cluster::new();
        let [mut a, mut b] = cluster.nodes();
        let ann = a.join(1, "ann", "hall").member;
        let kicked = ann.version;
        a.join(2, "bob", "hall");
        assert_eq!(gone(&b.run(&end(None, Some(kicked))).record), [1]);
        assert_eq!(cluster.users("hall"), ["bob"]);
        a.join(3, "ann", "hall");
        assert_eq!(
            gone(&b.run(&end(Some("hall"), Some(kicked))).record),
            [0; 0]
        );
        assert_eq!(cluster.users("hall"), ["bob", "ann"]);
        assert_eq!(
            reassert(&mut a, &[], &[seat("hall", &ann)]),
            [Restored::ByHost(KICKED)]
        );
    }
}

#[test]
fn an_end_is_repeated_while_seats_may_be_missing() {
    let mut cluster = Cluster::new();
    let [mut a, b] = cluster.nodes();
    let ann = a.join(1, "ann", "hall").member;
    // The clock of the next engine is an hour behind.
    let kicked = ann.version + 3_600_000_000;
    flush(&mut cluster);
    let mut a2 = cluster.register(Nid::new(1, 2), true).expect("registered");
    let mut b2 = cluster.register(Nid::new(2, 2), false).expect("registered");
    assert_eq!(gone(&b2.run(&kick(None, Some(kicked))).record), [0; 0]);
    assert_eq!(
        reassert(&mut a2, &[a.of.nid], &[seat("hall", &ann)]),
        [Restored::ByHost(KICKED)]
    );
    reassert(&mut b2, &[b.of.nid], &[]);
    cluster.admit();
    assert!(a2.join(2, "ann", "hall").member.version > kicked);
}

#[test]
fn a_large_channel_is_ended_again_in_steps() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let mut last = 0;
    for session in 0..60 {
        last = a
            .join(session, &format!("user {session}"), "hall")
            .member
            .version;
    }
    a.join(60, "new", "hall");
    let first = a.run(&clear(Some(last))).record;
    assert!(left(&first).more && gone(&first).len() == 50);
    let second = a.run(&clear(Some(last))).record;
    assert!(!left(&second).more && gone(&second).len() == 10);
    assert_eq!(cluster.users("hall"), ["new"]);
}
