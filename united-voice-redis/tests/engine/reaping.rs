//! How the seats of a dead node end.

use united_voice_redis::{Nid, Reaped, Record, ScriptError};

use crate::cluster::{Cluster, DISCONNECTED, gone, left};

/// Makes a node dead, as if it had been silent for a lease.
fn die(cluster: &mut Cluster, nid: Nid) {
    let now = cluster.time();
    cluster.lease_ends(nid, now - 1);
}

#[test]
fn seats_are_reaped_in_chunks_and_each_is_told_once() {
    let mut cluster = Cluster::new();
    let [mut a, mut b, mut c] = cluster.nodes();
    b.join(1000, "watcher", "room 0");
    let before = cluster.all_keys();
    for session in 0..80 {
        c.join(
            session,
            &format!("user {session}"),
            &format!("room {}", session % 4),
        );
    }
    b.read();
    die(&mut cluster, c.of.nid);
    a.beat().expect("beaten");
    let steps: Vec<_> = (0..3).map(|_| a.reap(c.of.nid).expect("reaped")).collect();
    assert_eq!(
        steps,
        [Reaped::More(32), Reaped::More(32), Reaped::Done(16)]
    );

    // The reaper has no member there, and gets all of them, since it tells its host.
    let mut reaped = Vec::new();
    for entry in a.read() {
        assert!(left(&entry.record).reaped);
        assert_eq!(
            (left(&entry.record).reason, entry.asked),
            (DISCONNECTED, None)
        );
        reaped.extend(gone(&entry.record));
    }
    reaped.sort_unstable();
    assert!(reaped.into_iter().eq(0..80));
    let mut heard = Vec::new();
    for entry in b.read() {
        assert!(!left(&entry.record).reaped);
        assert!(
            left(&entry.record)
                .seats
                .iter()
                .all(|seat| seat.channel == "room 0")
        );
        heard.extend(gone(&entry.record));
    }
    assert_eq!(heard.len(), 20);
    assert_eq!(cluster.users("room 0"), ["watcher"]);
    // Of the dead node only its mark is left for a week, and which of its seats were ended for an hour.
    let mark = cluster.key(&format!("n:{}", c.of.nid));
    let ended = cluster.key(&format!("reaped:{}", c.of.nid));
    let hour = 3600;
    for (key, kept) in [(&mark, 7 * 24 * hour), (&ended, hour)] {
        let seconds: u64 = cluster.run(&["TTL", key]);
        assert!((kept - 100..=kept).contains(&seconds), "{seconds}");
    }
    let mut after = cluster.all_keys();
    after.retain(|key| key != mark.as_bytes() && key != ended.as_bytes());
    let inbox = cluster.keys().inbox(c.of.nid);
    let mut before = before;
    before.retain(|key| key != mark.as_bytes() && key != inbox.as_bytes());
    assert_eq!(after, before);
}

#[test]
fn a_seat_that_was_taken_over_is_not_reaped() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    b.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    die(&mut cluster, b.of.nid);
    // Ann comes back before anybody has noticed.
    assert_eq!(a.join(3, "ann", "hall").replaces, [(1, "hall".into())]);
    a.beat().expect("beaten");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(1));
    let heard = a.read().pop().expect("an entry");
    assert_eq!(gone(&heard.record), [2]);
    let members = cluster.roster("hall").members;
    assert_eq!((members.len(), members[0].session), (1, 3));
}

#[test]
fn a_seat_taken_over_between_two_chunks_stays() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    for session in 0..40 {
        b.join(session, &format!("user {session}"), "hall");
    }
    die(&mut cluster, b.of.nid);
    a.beat().expect("beaten");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::More(32));
    let user = cluster.users("hall").remove(0);
    a.join(100, &user, "hall");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(7));
    assert_eq!(cluster.users("hall"), [user]);
}

#[test]
fn a_stray_record_of_a_seat_ends_nobody() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    // As if the dead node had once had this very session.
    let seats = cluster.key(&format!("ns:{}", b.of.nid));
    redis::cmd("SADD")
        .arg(seats)
        .arg([&1_u64.to_be_bytes()[..], b"ann"].concat())
        .exec(&mut cluster.connection)
        .expect("added");
    b.close().expect("closed");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(0));
    assert_eq!(cluster.users("hall"), ["ann"]);
    assert!(a.read().is_empty(), "nothing happened to anybody");
}

#[test]
fn a_lost_answer_costs_nothing() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    b.join(1, "ann", "hall");
    die(&mut cluster, b.of.nid);
    a.beat().expect("beaten");
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(1));
    assert_eq!(a.reap(b.of.nid).expect("reaped"), Reaped::Done(0));
    assert_eq!(a.read().len(), 1);
}

#[test]
fn two_reapers_end_each_seat_once() {
    let mut cluster = Cluster::new();
    let [mut a, mut b, mut c] = cluster.nodes();
    for session in 0..100 {
        c.join(session, &format!("user {session}"), "hall");
    }
    die(&mut cluster, c.of.nid);
    a.beat().expect("beaten");
    loop {
        let first = a.reap(c.of.nid).expect("reaped");
        let second = b.reap(c.of.nid).expect("reaped");
        if matches!((first, second), (Reaped::Done(_), Reaped::Done(_))) {
            break;
        }
    }
    let entries = a.read().into_iter().chain(b.read());
    let mut ended: Vec<_> = entries.flat_map(|entry| gone(&entry.record)).collect();
    ended.sort_unstable();
    assert!(ended.into_iter().eq(0..100));
}

#[test]
fn only_an_earlier_registration_of_the_same_process_is_reaped_early() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let mut first = cluster.register(Nid::new(7, 1), false).expect("registered");
    let mut second = cluster.register(Nid::new(7, 2), false).expect("registered");
    let mut stranger = cluster.register(Nid::new(8, 5), false).expect("registered");
    assert_eq!(
        stranger.reap(first.of.nid).expect("an answer"),
        Reaped::Alive
    );
    assert_eq!(a.reap(first.of.nid).expect("an answer"), Reaped::Alive);
    assert_eq!(first.reap(second.of.nid).expect("an answer"), Reaped::Alive);
    assert_eq!(
        second.reap(second.of.nid).expect("an answer"),
        Reaped::Alive
    );
    assert_eq!(
        second.reap(first.of.nid).expect("an answer"),
        Reaped::Done(0)
    );
    assert!(matches!(first.beat(), Err(ScriptError::Fenced)));
}

#[test]
fn a_dead_node_is_told_nothing_once_its_seats_are_gone() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    b.close().expect("closed");
    a.reap(b.of.nid).expect("reaped");
    a.join(3, "cid", "hall");
    let inbox = cluster.keys().inbox(b.of.nid);
    let found: u64 = cluster.run(&["EXISTS", &inbox]);
    assert_eq!(found, 0);
    let heard = a.read();
    assert!(
        !heard
            .iter()
            .any(|entry| matches!(entry.record, Record::Refused(_)))
    );
}

#[test]
fn what_a_process_reaps_of_itself_is_no_news_for_a_host_even_if_others_help() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    let mut first = cluster.register(Nid::new(7, 1), false).expect("registered");
    for session in 0..40 {
        first.join(session, &format!("user {session}"), "hall");
    }
    let mut second = cluster.register(Nid::new(7, 2), true).expect("registered");
    assert_eq!(second.reap(first.of.nid).expect("reaped"), Reaped::More(32));
    assert_eq!(a.reap(first.of.nid).expect("reaped"), Reaped::Done(8));
    for (reaper, ended) in [(&mut second, 32), (&mut a, 8)] {
        let heard = reaper.read().pop().expect("an entry");
        assert_eq!(gone(&heard.record).len(), ended);
        assert!(!left(&heard.record).reaped);
    }
    let ended = cluster.key(&format!("reaped:{}", first.of.nid));
    let found: u64 = cluster.run(&["EXISTS", &ended]);
    assert_eq!(found, 0, "nothing that another host has heard of");
}
