//! Many at once, over three nodes.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use super::{Member, Site};
use crate::{
    JoinError,
    rooms::tests::{channel, client::Client},
};

/// 64 users on three nodes want one channel for ten. Exactly ten get in. Each is answered from the
/// room as it was then: 0, 1, … 9 others.
#[test]
fn a_limit_is_exact_for_joins_from_all_nodes_at_once() {
    for seed in 0..20 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let site = Site::new(3);
        let mut crowd: Vec<Member> = (0..64)
            .map(|number| site.member(number, &format!("user-{number}")))
            .collect();
        for member in &mut crowd {
            member.join_limited("room", 10);
            site.step(rng.usize(..6));
            let present = site.engine.roster(&channel("room")).len();
            assert!(present <= 10, "seed {seed}");
        }
        site.settle();
        site.assert_copies();
        let mut found = Vec::new();
        for member in &mut crowd {
            match member.entered() {
                Ok(_) => found.push(others_found(&member.client)),
                Err(error) => assert_eq!(error, JoinError::ChannelFull),
            }
        }
        found.sort_unstable();
        assert_eq!(found, (0..10).collect::<Vec<_>>(), "seed {seed}");
    }
}

/// How many others the response to a join named.
fn others_found(client: &Client) -> usize {
    let lines = client.lines();
    let response = lines[0].strip_prefix("#join response room [");
    let others = response.and_then(|rest| rest.split(']').next());
    let others = others.unwrap_or_else(|| panic!("no response: {lines:?}"));
    others.split_whitespace().count()
}

/// Users on several connections join and leave on threads of their own, while other threads move
/// the messages of each node. In the end the engine, the copies and the connections agree.
#[test]
fn threads_agree_in_the_end() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 400;
    let site = Site::new(3);
    let over = AtomicBool::new(false);
    let seats: usize = thread::scope(|scope| {
        for (node, _) in &site.nodes {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    if !(node.send_one() | node.receive_one()) {
                        thread::yield_now();
                    }
                }
            });
        }
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let site = &site;
                scope.spawn(move || live(site, thread, ROUNDS))
            })
            .collect();
        let lives: Vec<Vec<Member>> = threads
            .into_iter()
            .map(|thread| thread.join().expect("no thread panicked"))
            .collect();
        over.store(true, Ordering::Relaxed);
        let members: Vec<Member> = lives.into_iter().flatten().collect();
        site.settle();
        site.assert_copies();
        let seated = |member: &&Member| member.client.connection.seat().is_some();
        members.iter().filter(seated).count()
    });
    assert!(site.engine.log().len() > ROUNDS, "too little happened");
    let listed: usize = {
        let channels = site.engine.channels();
        channels
            .iter()
            .map(|channel| site.engine.roster(channel).len())
            .sum()
    };
    // The members are gone by now, and their leaves still wait.
    assert_eq!(seats, listed);
    site.settle();
    assert!(site.engine.channels().is_empty());
}

fn live(site: &Site, thread: usize, rounds: usize) -> Vec<Member> {
    let mut rng = fastrand::Rng::with_seed(thread as u64);
    // Each user has connections on several threads.
    let mut members: Vec<Member> = (0..4)
        .map(|number| site.member(thread + number, &format!("user-{number}")))
        .collect();
    for _ in 0..rounds {
        let number = rng.usize(..4);
        let member = &mut members[number];
        let room = format!("room-{}", rng.u8(..3));
        match rng.u8(..10) {
            0..=4 => {
                member.join_limited(&room, 3);
                while rng.u8(..8) > 0 && member.is_waiting() {
                    thread::yield_now();
                }
                // Some joins are given up.
                member.pending = None;
            }
            5 | 6 => {
                let _ = member.client.connection.leave_channel(&room, "leave");
            }
            7 | 8 => {
                let _ = member.client.send(&room, "user-0", "x");
            }
            _ => *member = site.member(thread + number, &format!("user-{number}")),
        }
    }
    members
}
