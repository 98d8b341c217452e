//! When a node is dead. The tests set the engine's own times, so they wait for nothing.

use united_voice_redis::{Nid, Reaped, ScriptError};

use crate::cluster::{Cluster, LEASE, leaving};

#[test]
fn a_beat_renews_the_lease_and_comes_out_of_the_inbox() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let now = cluster.time();
    cluster.lease_ends(a.of.nid, now + 1000);
    a.join(1, "ann", "hall");
    let beaten = a.beat().expect("beaten");
    assert_eq!((beaten.operation, beaten.inbox), (1, 1));
    // The entry that made the inbox, and the join.
    assert_eq!((beaten.has_inbox, beaten.inbox_length), (true, 2));
    assert!(cluster.lease_end(a.of.nid).expect("a lease") >= now + LEASE);
    assert_eq!(a.deliveries().len(), 1);
}

#[test]
fn a_node_that_is_silent_while_others_beat_is_found_and_fenced() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let now = cluster.time();
    cluster.lease_ends(b.of.nid, now - 1);
    assert_eq!(a.beat().expect("beaten").overdue, [b.of.nid]);
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(0));
    assert!(matches!(b.beat(), Err(ScriptError::Fenced)));
    assert!(matches!(
        b.send(1, &leaving(1, "ann")),
        Err(ScriptError::Fenced)
    ));
    assert!(matches!(b.reap(a.of.nid), Err(ScriptError::Fenced)));
    assert!(matches!(b.close(), Err(ScriptError::Fenced)));
    assert!(a.beat().expect("beaten").overdue.is_empty());
}

#[test]
fn an_engine_that_was_away_for_two_leases_fences_nobody() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let now = cluster.time();
    let gone_since = now - 2 * LEASE;
    cluster.set("heard", gone_since);
    for node in [&a, &b] {
        cluster.lease_ends(node.of.nid, gone_since + LEASE / 2);
    }
    // Nobody has beaten yet: the clock alone ends no lease.
    assert_eq!(a.reap(b.of.nid).expect("an answer"), Reaped::Alive);
    assert!(a.beat().expect("beaten").overdue.is_empty());
    assert_eq!(a.reap(b.of.nid).expect("an answer"), Reaped::Alive);
    let end = cluster.lease_end(b.of.nid).expect("a lease");
    assert!(end >= now + LEASE / 2, "the silence is added");
    b.beat().expect("beaten");
}

#[test]
fn a_clock_that_steps_back_moves_the_leases_with_it() {
    let mut cluster = Cluster::new();
    let [mut a, b] = cluster.nodes();
    let hour = 3_600_000_000;
    let before = cluster.time() + hour;
    cluster.set("heard", before);
    cluster.lease_ends(b.of.nid, before + LEASE / 2);
    a.beat().expect("beaten");
    let end = cluster.lease_end(b.of.nid).expect("a lease");
    let now = cluster.time();
    assert!(
        end <= now + LEASE / 2,
        "the hour is taken off: {end} at {now}"
    );
}

#[test]
fn no_lease_ends_later_than_a_lease_from_now() {
    let mut cluster = Cluster::new();
    let [mut a, b] = cluster.nodes();
    // The clock jumped an hour ahead after the beats.
    let before = cluster.time() - 3_600_000_000;
    cluster.set("heard", before);
    cluster.lease_ends(b.of.nid, before + 5 * LEASE);
    a.beat().expect("beaten");
    let end = cluster.lease_end(b.of.nid).expect("a lease");
    let now = cluster.time();
    assert!(end <= now + LEASE, "{end} at {now}");
}

#[test]
fn a_beat_renews_a_lease_that_is_over_but_not_reaped() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let now = cluster.time();
    cluster.lease_ends(b.of.nid, now - 1);
    b.beat().expect("beaten");
    assert!(a.beat().expect("beaten").overdue.is_empty());
    assert_eq!(a.reap(b.of.nid).expect("an answer"), Reaped::Alive);
}

#[test]
fn no_node_reaps_itself() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    b.beat().expect("beaten");
    let now = cluster.time();
    cluster.lease_ends(a.of.nid, now - 1_000_000);
    cluster.set("heard", now);
    assert_eq!(a.reap(a.of.nid).expect("an answer"), Reaped::Alive);
    a.beat().expect("beaten");
}

#[test]
fn the_first_reap_marks_the_node_and_no_lease_brings_it_back() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    for session in 1..=40 {
        b.join(session, &format!("user {session}"), "hall");
    }
    let now = cluster.time();
    cluster.lease_ends(b.of.nid, now - 1);
    a.beat().expect("beaten");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::More(32));
    cluster.lease_ends(b.of.nid, now + LEASE);
    assert!(matches!(b.beat(), Err(ScriptError::Fenced)));
    let number = b.number + 1;
    assert!(matches!(
        b.send(number, &leaving(40, "user 40")),
        Err(ScriptError::Fenced)
    ));
    // Whoever beats next is told to go on.
    assert!(a.beat().expect("beaten").overdue.contains(&b.of.nid));
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(8));
}

#[test]
fn a_beat_names_eight_dead_nodes_at_most() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    for node in 100..112 {
        let silent = cluster.node(node);
        let now = cluster.time();
        cluster.lease_ends(silent.of.nid, now - 1);
    }
    assert_eq!(a.beat().expect("beaten").overdue.len(), 8);
}

#[test]
fn a_node_keeps_its_earlier_registration_alive_while_it_moves_its_seats() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let earlier = cluster.node(7).of.nid;
    let mut later = cluster.register(Nid::new(7, 2), true).expect("registered");
    let now = cluster.time();
    cluster.lease_ends(earlier, now - 1);
    later.beat_with(&[earlier]).expect("beaten");
    assert!(a.beat().expect("beaten").overdue.is_empty());
    assert_eq!(a.reap(earlier).expect("an answer"), Reaped::Alive);
}

#[test]
fn an_unknown_node_is_fenced() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    a.of.nid = Nid::new(1, 99);
    assert!(matches!(a.beat(), Err(ScriptError::Fenced)));
    assert!(matches!(
        a.send(1, &leaving(1, "ann")),
        Err(ScriptError::Fenced)
    ));
}

#[test]
fn a_node_that_closes_is_reaped_at_the_next_beat() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    b.join(1, "ann", "hall");
    b.close().expect("closed");
    assert!(matches!(b.beat(), Err(ScriptError::Fenced)));
    assert_eq!(a.beat().expect("beaten").overdue, [b.of.nid]);
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(1));
    assert!(cluster.users("hall").is_empty());
}

#[test]
fn a_node_without_seats_closes_and_is_gone() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    b.close().expect("closed");
    assert!(a.beat().expect("beaten").overdue.is_empty());
    let inbox = cluster.keys().inbox(b.of.nid);
    let found: u64 = cluster.run(&["EXISTS", &inbox]);
    assert_eq!(found, 0);
}
