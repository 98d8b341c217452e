//! Many joins at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use redis::Value;
use united_voice_redis::{Ran, Record, Refusal};

use crate::cluster::{Cluster, Node};

const LIMIT: u32 = 10;
const ROUNDS: u64 = 25;

/// Sends 16 joins at once and counts who got in.
fn storm(node: &mut Node, round: u64) -> usize {
    let room = format!("room {round}");
    let mut pipeline = redis::pipe();
    for place in 0..16 {
        node.number += 1;
        let session = round << 32 | u64::from(node.of.nid.node) << 16 | place;
        let user = format!("user {session}");
        let join = node.joining(session, &user, &room, LIMIT);
        pipeline.add_command(node.scripts.operation(&node.of, node.number, &join));
    }
    let answers: Vec<Value> = pipeline.query(&mut node.connection).expect("answers");
    for answer in answers {
        assert_eq!(Ran::parse(answer).expect("an answer"), Ran::Now);
    }
    let outcomes = node
        .read()
        .into_iter()
        .filter(|entry| entry.asked.is_some());
    outcomes
        .filter(|entry| match &entry.record {
            Record::Joined(_) => true,
            Record::Refused(Refusal::Full) => false,
            other => panic!("{other:?}"),
        })
        .count()
}

#[test]
fn sixty_four_joins_on_four_connections_never_exceed_the_limit() {
    let mut cluster = Cluster::new();
    let mut nodes: [Node; 4] = cluster.nodes();
    let over = Arc::new(AtomicBool::new(false));
    let sampler = {
        let (over, mut connection) = (Arc::clone(&over), cluster.dial());
        let rooms: Vec<_> = (0..ROUNDS).map(|round| format!("room {round}")).collect();
        let counts = cluster.keys().counts(rooms.iter().map(|room| &**room));
        thread::spawn(move || {
            let mut samples = 0;
            while !over.load(Relaxed) {
                let counts: Vec<u32> = counts.query(&mut connection).expect("counts");
                assert!(counts.iter().all(|count| *count <= LIMIT), "{counts:?}");
                samples += 1;
            }
            samples
        })
    };
    for round in 0..ROUNDS {
        let seated: usize = thread::scope(|scope| {
            let storms: Vec<_> = nodes
                .iter_mut()
                .map(|node| scope.spawn(move || storm(node, round)))
                .collect();
            storms
                .into_iter()
                .map(|storm| storm.join().expect("no panic"))
                .sum()
        });
        assert_eq!(seated, LIMIT as usize, "round {round}");
        assert_eq!(
            cluster.users(&format!("room {round}")).len(),
            LIMIT as usize
        );
    }
    over.store(true, Relaxed);
    assert!(sampler.join().expect("no sample over the limit") > 0);
}

#[test]
fn one_user_on_many_nodes_has_one_seat() {
    let mut cluster = Cluster::new();
    let mut nodes: [Node; 4] = cluster.nodes();
    thread::scope(|scope| {
        for node in &mut nodes {
            scope.spawn(move || {
                for round in 0..50_u64 {
                    let session = u64::from(node.of.nid.node) << 16 | round;
                    let room = format!("room {}", round % 3);
                    node.propose(&node.joining(session, "ann", &room, 1));
                }
                node.read();
            });
        }
    });
    let seats: usize = (0..3)
        .map(|room| cluster.users(&format!("room {room}")).len())
        .sum();
    assert_eq!(seats, 1);
}
