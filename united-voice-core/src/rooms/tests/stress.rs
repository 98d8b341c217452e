//! Races between many threads. Tests that need only one thread are in `membership.rs` and
//! `replica.rs`.
//!
//! The invariants: a room never exceeds its hard limit, moves in opposite directions do not
//! deadlock, a join that races with the removal of an empty room loses nobody, a disconnect frees
//! the seat, and all members see one order throughout.

use std::{
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{
    channel,
    client::{Client, registry},
    ops::VoiceOp,
    order::Order,
    party::{Guest, check_all, user_name},
    view::Replica,
};
use crate::{JoinError, VoiceRoomRegistry};

/// Far longer than any of these tests takes.
const WATCHDOG: Duration = Duration::from_secs(30);

/// Runs `work` once on each thread and returns the results. A deadlock makes the test fail instead
/// of hang.
fn on_threads<T: Send + 'static>(
    threads: usize,
    work: impl Fn(usize) -> T + Send + Sync + 'static,
) -> Vec<T> {
    let work = Arc::new(work);
    let (done, results) = mpsc::channel();
    for number in 0..threads {
        let (work, done) = (Arc::clone(&work), done.clone());
        thread::spawn(move || done.send((number, work(number))));
    }
    drop(done);
    let next = |_| {
        results
            .recv_timeout(WATCHDOG)
            .expect("a thread hangs or panicked")
    };
    let mut results: Vec<(usize, T)> = (0..threads).map(next).collect();
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

fn assert_empty(registry: &VoiceRoomRegistry) {
    let stats = registry.stats();
    let left = [
        stats.rooms,
        stats.users,
        stats.connections,
        stats.participants,
    ];
    assert_eq!(left, [0; 4]);
}

const USERS: u8 = 6;
const CHANNELS: u8 = 3;
const THREADS: usize = 4;
const GUESTS_PER_THREAD: usize = 4;
const OPS_PER_THREAD: usize = 4_000;

/// The work of one thread. It has its own connections, but shares the users with the other threads.
fn act_at_random(registry: &VoiceRoomRegistry, order: &Mutex<Order>, thread: usize) -> Vec<Guest> {
    let mut rng = fastrand::Rng::with_seed(thread as u64);
    let mut guests: Vec<Guest> = (0..GUESTS_PER_THREAD)
        .map(|number| {
            let user = (thread + number) as u8 % USERS;
            // One of them reads too slowly.
            let capacity = if number == 0 { 30 } else { 1_000_000 };
            Guest::new(registry, &user_name(user), capacity)
        })
        .collect();
    for _ in 0..OPS_PER_THREAD {
        let op = VoiceOp::random(&mut rng, GUESTS_PER_THREAD as u8, USERS, CHANNELS);
        guests[rng.usize(..GUESTS_PER_THREAD)].apply(&op);
        order.lock().expect("no panic").note();
    }
    guests
}

#[test]
fn all_replicas_are_right_after_many_threads_acted_at_random() {
    let registry = registry();
    let order = Arc::new(Mutex::new(Order::new(&registry)));
    let (shared, noted) = (registry.clone(), Arc::clone(&order));
    let guests = on_threads(THREADS, move |thread| {
        act_at_random(&shared, &noted, thread)
    });
    let mut guests: Vec<Guest> = guests.into_iter().flatten().collect();
    guests.iter_mut().for_each(Guest::settle);
    check_all(&registry, CHANNELS, guests.iter());
    let order = order.lock().expect("no panic");
    for guest in &guests {
        guest.check_order(&order);
    }
    assert!(order.len() > OPS_PER_THREAD, "too few events happened");
    assert!(
        guests.iter().map(Guest::cuts).sum::<usize>() > 0,
        "nobody was evicted"
    );
    on_threads(1, {
        let guests = Mutex::new(guests);
        move |_| guests.lock().expect("no panic").clear()
    });
    assert_empty(&registry);
}

#[test]
fn exactly_8_of_64_racing_users_get_one_of_8_seats() {
    const JOINERS: usize = 64;
    const ROUNDS: usize = 1_000;
    let registry = registry();
    let barrier = Arc::new(Barrier::new(JOINERS));
    let seated = Arc::new(AtomicUsize::new(0));
    let shared = registry.clone();
    on_threads(JOINERS, move |number| {
        let client = Client::new(&shared, &format!("user-{number}"));
        for round in 0..ROUNDS {
            barrier.wait();
            let joined = client.join_limited("a", 8);
            assert!(joined.is_ok() || joined == Err(JoinError::ChannelFull));
            assert!(shared.participant_count(&channel("a")) <= 8);
            seated.fetch_add(usize::from(joined.is_ok()), Ordering::SeqCst);
            barrier.wait();
            assert_eq!(seated.load(Ordering::SeqCst), 8 * (round + 1));
            assert_eq!(shared.participant_count(&channel("a")), 8);
            barrier.wait();
            client.sink.take_signals();
            if joined.is_ok() {
                client.connection.leave_channel("a", "").expect("left");
            }
        }
    });
    assert_eq!(registry.room_count(), 0);
}

#[test]
fn moves_in_opposite_directions_do_not_deadlock() {
    const MOVES: usize = 5_000;
    let registry = registry();
    on_threads(4, move |number| {
        let client = Client::new(&registry, &format!("user-{number}"));
        for step in 0..MOVES {
            let name = if (step + number) % 2 == 0 { "a" } else { "b" };
            client.join(name).expect("moved");
            if step % 64 == 0 {
                client.sink.take_signals();
            }
        }
        client.sink.take_signals();
    });
}

#[test]
fn a_join_that_races_with_the_removal_of_the_room_is_not_lost() {
    const ROUNDS: usize = 10_000;
    let registry = registry();
    let shared = registry.clone();
    on_threads(4, move |number| {
        let name = format!("user-{number}");
        let client = Client::new(&shared, &name);
        let room = channel("a");
        for _ in 0..ROUNDS {
            client.join("a").expect("joined");
            let listed = shared
                .participants(&room)
                .iter()
                .any(|who| who.user_id == name);
            assert!(listed, "joined a room that nobody can find");
            client.connection.leave_channel("a", "").expect("left");
            client.sink.take_signals();
        }
    });
    assert_eq!(registry.room_count(), 0);
}

/// The same for the entry of a user whose last connection ends while another begins. Two entries of
/// one user would be two seats, and the room could not tell them apart.
#[test]
fn a_connection_that_races_with_the_removal_of_the_user_is_not_lost() {
    const ROUNDS: usize = 10_000;
    let registry = registry();
    let shared = registry.clone();
    on_threads(4, move |_| {
        for _ in 0..ROUNDS {
            let client = Client::new(&shared, "alice");
            client.join("a").expect("joined");
            assert!(shared.participant_count(&channel("a")) <= 1);
        }
    });
    assert_empty(&registry);
}

#[test]
fn users_that_join_at_once_all_learn_of_each_other() {
    const JOINERS: usize = 8;
    const ROUNDS: usize = 300;
    let registry = registry();
    let barrier = Arc::new(Barrier::new(JOINERS));
    on_threads(JOINERS, move |number| {
        let name = format!("user-{number}");
        for round in 0..ROUNDS {
            let room = format!("room-{round}");
            let client = Client::new(&registry, &name);
            barrier.wait();
            client.join(&room).expect("joined");
            barrier.wait();
            let mut replica = Replica::new(&name);
            replica.apply_all(&client.take());
            replica.assert_equals(&registry.participants(&channel(&room)));
            assert_eq!(registry.participant_count(&channel(&room)), JOINERS);
            barrier.wait();
        }
    });
}

/// Once `policy_changed` has returned, no join with an earlier admission takes a seat.
#[test]
fn no_join_under_an_old_policy_comes_after_the_change() {
    const ROUNDS: usize = 3_000;
    let registry = registry();
    let barrier = Arc::new(Barrier::new(4));
    let changed = Arc::new(AtomicBool::new(false));
    on_threads(4, move |number| {
        let client = Client::new(&registry, &format!("user-{number}"));
        for _ in 0..ROUNDS {
            let ticket = client.ticket();
            barrier.wait();
            if number == 0 {
                registry.policy_changed(&channel("a"));
                let count = registry.participant_count(&channel("a"));
                changed.store(true, Ordering::SeqCst);
                barrier.wait();
                assert_eq!(registry.participant_count(&channel("a")), count);
                changed.store(false, Ordering::SeqCst);
            } else {
                let after = changed.load(Ordering::SeqCst);
                let joined = client.join_with(ticket, "a", 0);
                assert!(!(after && joined.is_ok()), "joined under the old policy");
                barrier.wait();
            }
            barrier.wait();
            let _ = client.connection.leave_channel("a", "");
            client.sink.take_signals();
        }
    });
}

#[test]
fn messages_keep_their_order_while_the_room_is_busy() {
    const COUNT: usize = 5_000;
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    on_threads(3, move |number| {
        let name = format!("user-{number}");
        let client = Client::new(&registry, &name);
        client.join("a").expect("joined");
        for message in 0..COUNT {
            if number == 2 {
                client.connection.speaking("a", true, "").expect("told");
            } else {
                client
                    .send("a", "bob", &message.to_string())
                    .expect("relayed");
            }
            if message % 64 == 0 {
                client.sink.take_signals();
            }
        }
    });
    let lines = bob.lines();
    for sender in ["user-0", "user-1"] {
        let prefix = format!("candidate {sender} ");
        let numbers = lines.iter().filter_map(|line| line.strip_prefix(&prefix));
        let numbers: Vec<usize> = numbers
            .map(|text| text.parse().expect("a number"))
            .collect();
        assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    }
}
