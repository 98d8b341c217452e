//! The engine went back by its last second: it restarted from an older file, or a replica that was
//! behind took its place.

use redis::Connection;
use united_voice_redis::{
    Arrival, InboxNumbers, Nid, Operation, Ran, Reaped, Record, Restored, ScriptError, Seat,
};
use united_voice_redis_server::{Data, Engine};

use crate::cluster::{Cluster, Node, gone, leaving};

/// All keys of a test, as they were.
struct Snapshot(Vec<(Vec<u8>, Vec<u8>)>);

impl Snapshot {
    fn take(cluster: &mut Cluster) -> Self {
        let keys = cluster.all_keys();
        let dump = |key: Vec<u8>, connection: &mut Connection| {
            let value: Vec<u8> = redis::cmd("DUMP")
                .arg(&key)
                .query(connection)
                .expect("a dump");
            (key, value)
        };
        Self(
            keys.into_iter()
                .map(|key| dump(key, &mut cluster.connection))
                .collect(),
        )
    }

    fn rewind(&self, cluster: &mut Cluster) {
        let keys = cluster.all_keys();
        let mut pipeline = redis::pipe();
        pipeline.del(keys).ignore();
        for (key, value) in &self.0 {
            pipeline.cmd("RESTORE").arg(key).arg(0).arg(value).ignore();
        }
        pipeline.exec(&mut cluster.connection).expect("restored");
    }
}

#[test]
fn a_node_notices_the_loss_of_its_last_operation_by_a_gap() {
    let mut cluster = Cluster::new();
    let [mut a] = cluster.nodes();
    a.join(1, "ann", "hall");
    let snapshot = Snapshot::take(&mut cluster);
    a.leave(1, "ann");
    snapshot.rewind(&mut cluster);
    let next = a.joining(2, "ben", "hall", 0);
    assert_eq!(a.send(a.number + 1, &next).expect("an answer"), Ran::Gap);
    let beaten = a.beat().expect("beaten");
    assert_eq!((beaten.operation, beaten.inbox), (1, 1), "both are behind");
}

#[test]
fn a_node_notices_the_loss_of_what_another_one_did_by_the_next_tick() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.propose(&a.joining(1, "ann", "hall", 0));
    b.join(2, "ben", "hall");
    let snapshot = Snapshot::take(&mut cluster);
    b.leave(2, "ben");
    let mut numbers = InboxNumbers::new();
    for entry in a.deliveries() {
        numbers.entry(&entry);
    }
    assert_eq!(numbers.last(), 3);
    snapshot.rewind(&mut cluster);
    a.beat().expect("beaten");
    // The ids of the Stream went back too, so a node reads from the beginning.
    a.read_again();
    numbers.reread();
    let arrivals: Vec<_> = a
        .deliveries()
        .iter()
        .map(|entry| numbers.entry(entry))
        .collect();
    assert_eq!(
        arrivals,
        [Arrival::Old, Arrival::Old, Arrival::Old, Arrival::Behind]
    );
}

/// Registers again and puts back what the node knows of its own seats.
fn repair(cluster: &mut Cluster, node: &Node, seats: Vec<Seat>) -> (Node, Vec<Restored>) {
    let old = node.of.nid;
    let nid = Nid::new(old.node, old.registration + 1);
    let mut node = cluster.register(nid, true).expect("registered");
    let outcome = node.run(&Operation::Reassert {
        earlier: vec![old],
        last: true,
        seats,
    });
    let Record::Reasserted { results, .. } = outcome.record else {
        panic!("{outcome:?}");
    };
    node.beat().expect("beaten");
    while let Reaped::More(_) = node.reap(old).expect("reaped") {}
    (
        node,
        results.into_iter().map(|(_, result)| result).collect(),
    )
}

#[test]
fn a_lost_second_is_repaired_from_what_the_nodes_know() {
    let mut cluster = Cluster::new();
    let [mut a, mut b] = cluster.nodes();
    a.join(1, "ann", "hall");
    b.join(2, "ben", "hall");
    let snapshot = Snapshot::take(&mut cluster);
    a.leave(1, "ann");
    let cid = a.join(3, "cid", "hall").member;
    let ben = b.join(4, "ben", "yard").member;
    snapshot.rewind(&mut cluster);

    // The engine says: Ann and Ben in the hall. The nodes know: Cid in the hall, Ben in the yard.
    let seat = |channel: &str, member| Seat {
        channel: channel.into(),
        member,
    };
    let (mut a, results) = repair(&mut cluster, &a, vec![seat("hall", cid.clone())]);
    assert_eq!(results, [Restored::Seated]);
    let (_, results) = repair(&mut cluster, &b, vec![seat("yard", ben.clone())]);
    assert_eq!(results, [Restored::Seated]);

    let places = |cluster: &mut Cluster, channel: &str| -> Vec<_> {
        let members = cluster.roster(channel).members;
        members
            .into_iter()
            .map(|member| (member.session, member.version))
            .collect()
    };
    assert_eq!(places(&mut cluster, "hall"), [(3, cid.version)]);
    assert_eq!(places(&mut cluster, "yard"), [(4, ben.version)]);
    // Ann's seat ended with the old registration of her own node.
    let entries = a.read();
    assert!(
        entries
            .iter()
            .any(|entry| matches!(&entry.record, Record::Seats(_)))
    );
}

#[test]
fn after_a_restart_numbers_go_on_and_the_scripts_are_loaded_anew() {
    let mut engine = Engine::start();
    let mut cluster = Cluster::empty(&engine);
    let [mut a] = cluster.nodes();
    cluster.admit();
    let join = a.joining(1, "ann", "hall", 0);
    a.propose(&join);
    let mut numbers = InboxNumbers::new();
    for entry in a.deliveries() {
        numbers.entry(&entry);
    }
    engine.wait_until_written();
    engine.restart(Data::Kept);

    cluster.connection = cluster.dial();
    a.connection = cluster.dial();
    assert!(matches!(a.send(1, &join), Err(ScriptError::NotLoaded)));
    let load = cluster.scripts.load();
    load.exec(&mut cluster.connection)
        .expect("the scripts load");
    // The node does not know whether its last operation ran.
    assert_eq!(a.send(1, &join).expect("an answer"), Ran::Before);
    a.propose(&leaving(1, "ann"));
    a.beat().expect("beaten");
    // It reads from the beginning, and applies nothing twice.
    numbers.reread();
    a.read_again();
    let arrivals: Vec<_> = a
        .deliveries()
        .iter()
        .map(|entry| numbers.entry(entry))
        .collect();
    assert_eq!(
        arrivals,
        [Arrival::Old, Arrival::Old, Arrival::New, Arrival::New]
    );
    assert_eq!(numbers.last(), 2);
}

#[test]
fn after_an_empty_restart_every_node_starts_over() {
    let mut engine = Engine::start();
    let mut cluster = Cluster::empty(&engine);
    let [mut a] = cluster.nodes();
    cluster.admit();
    let ann = a.join(1, "ann", "hall").member;
    engine.restart(Data::Lost);

    cluster.connection = cluster.dial();
    a.connection = cluster.dial();
    let load = cluster.scripts.load();
    load.exec(&mut cluster.connection)
        .expect("the scripts load");
    assert!(matches!(
        a.send(2, &leaving(1, "ann")),
        Err(ScriptError::Reboot)
    ));
    let seat = Seat {
        channel: "hall".into(),
        member: ann,
    };
    let (mut a, results) = repair(&mut cluster, &a, vec![seat]);
    assert_eq!(results, [Restored::Seated]);
    assert_eq!(gone(&a.leave(1, "ann")), [1]);
}
