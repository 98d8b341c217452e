//! Operations and entries are numbered, so that copies do nothing and losses show.

use united_voice_redis::{Arrival, InboxNumbers, Ran, Record, Refusal};

use crate::cluster::{Cluster, leaving, muting};

#[test]
fn an_operation_sent_twice_runs_once() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    let join = node.joining(1, "ann", "hall", 0);
    assert_eq!(node.send(1, &join).expect("sent"), Ran::Now);
    assert_eq!(node.send(1, &join).expect("sent"), Ran::Before);
    assert_eq!(node.read().len(), 1);
    assert_eq!(cluster.users("hall"), ["ann"]);
}

#[test]
fn an_operation_after_a_gap_does_not_run() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    let join = node.joining(1, "ann", "hall", 0);
    assert_eq!(node.send(2, &join).expect("sent"), Ran::Gap);
    assert_eq!(node.send(0, &join).expect("sent"), Ran::Before);
    assert!(node.read().is_empty());
    assert!(cluster.users("hall").is_empty());
}

#[test]
fn a_join_that_arrives_late_takes_no_seat() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    let join = node.joining(1, "ann", "hall", 0);
    node.run(&join);
    node.leave(1, "ann");
    let mut other_connection = cluster.dial();
    let copy = node.scripts.operation(&node.of, 1, &join);
    let answer = Ran::parse(copy.query(&mut other_connection).expect("sent"));
    assert_eq!(answer.expect("an answer"), Ran::Before);
    assert!(cluster.users("hall").is_empty());
    assert!(node.read().is_empty());
}

#[test]
fn a_join_sent_again_does_not_throw_out_a_newer_session() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    let join = a.joining(1, "ann", "hall", 0);
    a.run(&join);
    b.join(2, "ann", "hall");
    assert_eq!(a.send(1, &join).expect("sent"), Ran::Before);
    let members = cluster.roster("hall").members;
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].session, 2);
}

#[test]
fn every_operation_has_one_outcome_in_the_inbox_of_its_node() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    a.read();
    let operations = [
        muting(1, "ann", true),
        muting(77, "ann", true),
        leaving(1, "ann"),
        leaving(1, "ann"),
        united_voice_redis::Operation::Skip,
    ];
    let numbers: Vec<_> = operations
        .iter()
        .map(|operation| a.propose(operation))
        .collect();
    let outcomes = a.read();
    let asked: Vec<_> = outcomes.iter().filter_map(|entry| entry.asked).collect();
    assert_eq!(asked, numbers);
    assert!(matches!(
        outcomes[1].record,
        Record::Refused(Refusal::Stale)
    ));
    assert!(matches!(
        outcomes[3].record,
        Record::Refused(Refusal::Stale)
    ));
    // Ben's node asked for none of them and hears of the two changes.
    let heard = b.read();
    assert_eq!(heard.len(), 2);
    assert!(heard.iter().all(|entry| entry.asked.is_none()));
}

#[test]
fn versions_grow_even_if_the_clock_of_the_engine_is_behind() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    let ahead = cluster.time() + 3_600_000_000;
    cluster.set("ver", ahead);
    let first = node.join(1, "ann", "hall").member.version;
    let second = node.join(2, "ben", "hall").member.version;
    assert_eq!((first, second), (ahead + 1, ahead + 2));
}

#[test]
fn versions_do_not_come_twice_after_the_data_went_back() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    let before = node.join(1, "ann", "hall").member.version;
    let lost = node.join(2, "ben", "hall").member.version;
    cluster.set("ver", before);
    let after = node.join(3, "cid", "hall").member.version;
    assert!(after > lost, "{after} after {lost}");
}

#[test]
fn a_tick_shows_what_the_inbox_has_lost() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    node.propose(&node.joining(1, "ann", "hall", 0));
    node.beat().expect("beaten");
    let mut numbers = InboxNumbers::new();
    let entries = node.deliveries();
    let arrivals: Vec<_> = entries.iter().map(|entry| numbers.entry(entry)).collect();
    assert_eq!(arrivals, [Arrival::Old, Arrival::New, Arrival::New]);

    // The room's last change is cut from the end of the inbox, as a loss would do.
    node.propose(&leaving(1, "ann"));
    let inbox = cluster.keys().inbox(node.of.nid);
    let last: Vec<(String, Vec<Vec<u8>>)> =
        cluster.run(&["XREVRANGE", &inbox, "+", "-", "COUNT", "1"]);
    let _: u64 = cluster.run(&["XDEL", &inbox, &last[0].0]);
    node.beat().expect("beaten");
    let entries = node.deliveries();
    assert_eq!(entries.len(), 1);
    assert_eq!(numbers.entry(&entries[0]), Arrival::Lost);
}

#[test]
fn an_inbox_is_limited_and_goes_an_hour_after_the_last_beat() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    let inbox = cluster.keys().inbox(node.of.nid);
    let seconds: u64 = cluster.run(&["TTL", &inbox]);
    assert!((3500..=3600).contains(&seconds), "{seconds}");
    let _: u64 = cluster.run(&["EXPIRE", &inbox, "100"]);
    assert!(node.beat().expect("beaten").has_inbox);
    let seconds: u64 = cluster.run(&["TTL", &inbox]);
    assert!((3500..=3600).contains(&seconds), "{seconds}");

    // It has 100 000 entries already; the next one drops some.
    let fill = "for i = 1, 100500 do redis.call('XADD', KEYS[1], '*', 'x', i) end";
    cluster.run::<()>(&["EVAL", fill, "1", &inbox]);
    node.propose(&node.joining(1, "ann", "hall", 0));
    let length: u64 = cluster.run(&["XLEN", &inbox]);
    assert!(length < 100_200, "{length}");
}

#[test]
fn a_beat_says_that_the_inbox_is_gone_and_nothing_makes_it_anew() {
    let mut cluster = Cluster::new();
    let [mut node] = cluster.nodes();
    node.join(1, "ann", "hall");
    let inbox = cluster.keys().inbox(node.of.nid);
    let _: u64 = cluster.run(&["DEL", &inbox]);
    assert!(!node.beat().expect("beaten").has_inbox);
    node.propose(&leaving(1, "ann"));
    let found: u64 = cluster.run(&["EXISTS", &inbox]);
    assert_eq!(found, 0);
}
