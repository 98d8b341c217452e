//! Races of few threads, each under thousands of schedules that shuttle chooses: at random, and so
//! that few preemptions happen at the worst places (PCT). `scripts/check-races` runs them.
//!
//! A deadlock or a panic fails the test, and shuttle prints the schedule that led there. Tests with
//! threads of the operating system are in `stress.rs`.

use std::sync::{
    Arc, Mutex as StdMutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use shuttle::thread;

use super::{
    channel,
    client::{Client, empty_response, registry, roster},
    user,
    view::Replica,
};
use crate::{
    CloseReason, ConnectError, JoinError, Signal, SignalSink, SinkError, VoiceRoomRegistry,
    outbound_queue,
    proto::{voice::VoiceLeaveReason, ws::envelope::Payload},
    test_util::RecordingSink,
};

const SCHEDULES: usize = 1_500;

/// Runs `scenario` under schedules of both kinds.
fn under_all_schedules(scenario: fn()) {
    shuttle::check_random(scenario, SCHEDULES);
    shuttle::check_pct(scenario, SCHEDULES, 3);
}

type Work = Box<dyn FnOnce() + Send>;

fn work(does: impl FnOnce() + Send + 'static) -> Work {
    Box::new(does)
}

fn joins(client: &Arc<Client>, room: &'static str) -> Work {
    let client = Arc::clone(client);
    work(move || {
        client.join(room).expect("nothing refuses it");
    })
}

/// Runs each work on a thread of its own, and waits for all.
fn race(works: Vec<Work>) {
    let threads: Vec<_> = works.into_iter().map(thread::spawn).collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
}

/// The registry's roster of `name` equals what this client was told, and lists it.
fn assert_agrees(registry: &VoiceRoomRegistry, replica: &mut Replica, client: &Client, name: &str) {
    replica.apply_all(&client.take());
    replica.assert_equals(&registry.participants(&channel(name)));
    assert!(roster(registry, name).contains(&client.name));
}

/// A client in a channel, with a replica that has seen everything from its join on.
fn watcher(registry: &VoiceRoomRegistry, name: &str, room: &str) -> (Client, Replica) {
    let client = Client::new(registry, name);
    client.join(room).expect("joined");
    (client, Replica::new(name))
}

/// How often this client was told that `left` has left, and for which reasons.
fn leaves(client: &Client, left: &str) -> Vec<VoiceLeaveReason> {
    let events = client.take().into_iter().filter_map(|envelope| {
        let Some(Payload::VoiceLeaveEvent(event)) = envelope.payload else {
            return None;
        };
        (event.user_id == left).then(|| event.reason())
    });
    events.collect()
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

#[test]
fn a_join_against_the_removal_of_the_empty_room_loses_nobody() {
    under_all_schedules(|| {
        let registry = registry();
        let last = Client::joined(&registry, "last", "a");
        let first = Arc::new(Client::new(&registry, "first"));
        let second = Arc::new(Client::new(&registry, "second"));
        race(vec![
            work(move || last.connection.leave_channel("a", "").expect("left")),
            joins(&first, "a"),
            joins(&second, "a"),
        ]);
        for client in [&first, &second] {
            let mut replica = Replica::new(&client.name);
            assert_agrees(&registry, &mut replica, client, "a");
        }
        assert_eq!(registry.room_count(), 1);
        drop((first, second));
        assert_empty(&registry);
    });
}

#[test]
fn moves_in_opposite_directions_end_crosswise() {
    under_all_schedules(|| {
        let registry = registry();
        let (alice, mut alices) = watcher(&registry, "alice", "a");
        let (bob, mut bobs) = watcher(&registry, "bob", "b");
        let (alice, bob) = (Arc::new(alice), Arc::new(bob));
        race(vec![joins(&alice, "b"), joins(&bob, "a")]);
        assert_agrees(&registry, &mut alices, &alice, "b");
        assert_agrees(&registry, &mut bobs, &bob, "a");
        assert_eq!(registry.room_count(), 2);
    });
}

#[test]
fn a_late_close_takes_nothing_from_the_connection_that_replaced_it() {
    under_all_schedules(|| {
        let registry = registry();
        let (bob, mut bobs) = watcher(&registry, "bob", "a");
        let old = Client::joined(&registry, "alice", "a");
        let new = Arc::new(Client::new(&registry, "alice"));
        race(vec![work(move || drop(old)), joins(&new, "a")]);
        assert_agrees(&registry, &mut bobs, &bob, "a");
        assert_eq!(roster(&registry, "a"), ["bob", "alice"]);
        let (_, session) = new.connection.seat().expect("a seat");
        let listed = registry.participants(&channel("a"));
        assert_eq!(listed[1].session_id, session.to_string());
    });
}

#[test]
fn two_connections_of_a_user_that_join_at_once_have_one_seat() {
    under_all_schedules(|| {
        let registry = registry();
        let (bob, mut bobs) = watcher(&registry, "bob", "a");
        let clients = [(); 2].map(|()| Arc::new(Client::new(&registry, "alice")));
        let [one, two] = clients.clone();
        race(vec![joins(&one, "a"), joins(&two, "b")]);
        let seats = clients.iter().filter_map(|client| client.connection.seat());
        assert_eq!(seats.count(), 1);
        bobs.apply_all(&bob.take());
        bobs.assert_equals(&registry.participants(&channel("a")));
        let total = ["a", "b"].map(|name| registry.participant_count(&channel(name)));
        assert_eq!(total.iter().sum::<usize>(), 2, "bob and one alice");
    });
}

#[test]
fn a_leave_against_a_kick_is_told_once() {
    under_all_schedules(|| {
        let registry = registry();
        let (bob, _) = watcher(&registry, "bob", "a");
        let alice = Client::joined(&registry, "alice", "a");
        let kicking = registry.clone();
        race(vec![
            // Whichever comes second finds no seat.
            work(move || {
                let _ = alice.connection.leave_channel("a", "");
            }),
            work(move || {
                kicking.kick(&user("alice"));
            }),
        ]);
        let told = leaves(&bob, "alice");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(roster(&registry, "a"), ["bob"]);
    });
}

#[test]
fn a_kick_against_a_move_takes_the_user_out_of_one_channel() {
    under_all_schedules(|| {
        let registry = registry();
        let (bob, mut bobs) = watcher(&registry, "bob", "a");
        let (carol, mut carols) = watcher(&registry, "carol", "b");
        let alice = Arc::new(Client::joined(&registry, "alice", "a"));
        let kicking = registry.clone();
        race(vec![
            joins(&alice, "b"),
            work(move || {
                kicking.kick_from(&user("alice"), &channel("a"));
            }),
        ]);
        assert_agrees(&registry, &mut bobs, &bob, "a");
        assert_agrees(&registry, &mut carols, &carol, "b");
        assert_eq!(roster(&registry, "a"), ["bob"]);
        assert_eq!(roster(&registry, "b"), ["carol", "alice"]);
    });
}

#[test]
fn a_slow_member_is_evicted_once_while_others_broadcast() {
    under_all_schedules(|| {
        let registry = registry();
        let (bob, mut bobs) = watcher(&registry, "bob", "a");
        let (carol, mut carols) = watcher(&registry, "carol", "a");
        let slow = Client::slow(&registry, "slow", 0);
        slow.join("a").expect("joined");
        let slower = Client::slow(&registry, "slower", 0);
        // Its join is the first event that `slow` cannot take.
        slower.join("a").expect("joined");
        let (bob, carol) = (Arc::new(bob), Arc::new(carol));
        let (one, two) = (Arc::clone(&bob), Arc::clone(&carol));
        race(vec![
            work(move || {
                one.connection
                    .update_state("a", true, false, "")
                    .expect("told")
            }),
            work(move || two.connection.leave_channel("a", "").expect("left")),
            work(move || drop(slower)),
        ]);
        assert_eq!(slow.sink.close_reason(), Some(CloseReason::SlowConsumer));
        assert_eq!(slow.connection.seat(), None);
        let events = bob.take();
        let told = events.iter().filter(|envelope| {
            matches!(&envelope.payload, Some(Payload::VoiceLeaveEvent(event))
                if event.user_id == "slow" && event.reason() == VoiceLeaveReason::Evicted)
        });
        assert_eq!(told.count(), 1);
        bobs.apply_all(&events);
        bobs.assert_equals(&registry.participants(&channel("a")));
        carols.apply_all(&carol.take());
        assert_eq!(roster(&registry, "a"), ["bob"]);
    });
}

#[test]
fn no_connection_escapes_a_shutdown() {
    under_all_schedules(|| {
        let registry = registry();
        let sinks = [(); 2].map(|()| Arc::new(RecordingSink::default()));
        let [one, two] = sinks.clone();
        let results = Arc::new(StdMutex::new(Vec::new()));
        let connect = |sink: Arc<RecordingSink>, name: &'static str| {
            let (registry, results) = (registry.clone(), Arc::clone(&results));
            move || {
                let connected = registry.connect(&user(name), sink.clone());
                results.lock().expect("no panic").push((sink, connected));
            }
        };
        let ending = registry.clone();
        race(vec![
            work(connect(one, "alice")),
            work(connect(two, "alice")),
            work(move || ending.shutdown()),
        ]);
        for (sink, connected) in results.lock().expect("no panic").drain(..) {
            match connected {
                Ok(_) => assert_eq!(sink.close_reason(), Some(CloseReason::GoingAway)),
                Err(error) => assert_eq!(error, ConnectError::ShuttingDown),
            }
        }
        assert_empty(&registry);
    });
}

#[test]
fn a_connection_against_the_end_of_the_users_last_one_is_found() {
    under_all_schedules(|| {
        let registry = registry();
        let last = Client::joined(&registry, "alice", "a");
        let clients = Arc::new(StdMutex::new(Vec::new()));
        let connect = || {
            let (registry, clients) = (registry.clone(), Arc::clone(&clients));
            move || {
                let client = Client::new(&registry, "alice");
                client.join("a").expect("joined");
                clients.lock().expect("no panic").push(client);
            }
        };
        race(vec![
            work(move || drop(last)),
            work(connect()),
            work(connect()),
        ]);
        assert_eq!(roster(&registry, "a"), ["alice"]);
        assert_eq!(registry.stats().users, 1);
        assert!(registry.kick(&user("alice")), "the user is found");
        clients.lock().expect("no panic").clear();
        assert_empty(&registry);
    });
}

#[test]
fn joins_that_race_never_exceed_the_limit() {
    under_all_schedules(|| {
        let registry = registry();
        let present = Client::joined(&registry, "present", "a");
        let clients: Vec<_> = ["b", "c", "d"]
            .map(|name| Arc::new(Client::new(&registry, name)))
            .into();
        let join = |client: &Arc<Client>| -> Work {
            let client = Arc::clone(client);
            work(move || {
                let joined = client.join_limited("a", 2);
                assert!(joined.is_ok() || joined == Err(JoinError::ChannelFull));
            })
        };
        let mut works: Vec<Work> = clients.iter().map(join).collect();
        works.push(work(move || {
            present.connection.leave_channel("a", "").expect("left");
        }));
        race(works);
        let count = registry.participant_count(&channel("a"));
        assert!((1..=2).contains(&count), "{count} in a room of 2");
    });
}

/// Notes if it is told anything after the policy has changed.
#[derive(Default)]
struct Late {
    changed: AtomicBool,
    told: AtomicBool,
}

impl SignalSink for Late {
    fn deliver(&self, _: &Signal) -> Result<(), SinkError> {
        let late = self.changed.load(SeqCst);
        self.told.fetch_or(late, SeqCst);
        Ok(())
    }
}

#[test]
fn once_a_policy_change_has_returned_no_join_under_the_old_one_follows() {
    under_all_schedules(|| {
        let registry = registry();
        let sink = Arc::new(Late::default());
        let present = registry.connect(&user("present"), sink.clone());
        let present = present.expect("connected");
        let clients = ["alice", "bob"].map(|name| Arc::new(Client::new(&registry, name)));
        let (ticket, admission) = (clients[0].ticket(), clients[0].admission(0));
        present
            .join(&channel("a"), ticket, admission, |_| empty_response())
            .expect("joined");
        let join = |client: &Arc<Client>| {
            let (client, ticket) = (Arc::clone(client), client.ticket());
            work(move || {
                let joined = client.join_with(ticket, "a", 0);
                assert!(joined.is_ok() || joined == Err(JoinError::PolicyChanged));
            })
        };
        let mut works: Vec<Work> = clients.iter().map(join).collect();
        let (changing, noting) = (registry.clone(), Arc::clone(&sink));
        works.push(work(move || {
            changing.policy_changed(&channel("a"));
            noting.changed.store(true, SeqCst);
        }));
        race(works);
        assert!(!sink.told.load(SeqCst), "a join came after the change");
    });
}

#[test]
fn a_closed_channel_keeps_nobody_who_was_in_it() {
    under_all_schedules(|| {
        let registry = registry();
        let (alice, mut alices) = watcher(&registry, "alice", "a");
        let (bob, mut bobs) = watcher(&registry, "bob", "a");
        let (alice, bob) = (Arc::new(alice), Arc::new(bob));
        let closing = registry.clone();
        race(vec![
            work(move || {
                closing.close_channel(&channel("a"));
            }),
            joins(&bob, "b"),
        ]);
        assert_eq!(roster(&registry, "a"), Vec::<String>::new());
        assert_eq!(roster(&registry, "b"), ["bob"]);
        alices.apply_all(&alice.take());
        assert!(alices.room.is_none(), "alice knows that she is out");
        assert_agrees(&registry, &mut bobs, &bob, "b");
        assert_eq!(registry.room_count(), 1);
    });
}

#[test]
fn a_relay_against_a_move_arrives_or_is_refused() {
    under_all_schedules(|| {
        let registry = registry();
        let alice = Arc::new(Client::joined(&registry, "alice", "a"));
        let bob = Arc::new(Client::joined(&registry, "bob", "a"));
        let sending = Arc::clone(&alice);
        let delivered = Arc::new(StdMutex::new(0));
        let count = Arc::clone(&delivered);
        race(vec![
            work(move || {
                for number in ["1", "2"] {
                    let sent = sending.send("a", "bob", number);
                    *count.lock().expect("no panic") += usize::from(sent.is_ok());
                }
            }),
            joins(&bob, "b"),
        ]);
        let lines = bob.lines();
        let relayed = lines
            .iter()
            .take_while(|line| line.starts_with("candidate"));
        let relayed = relayed.count();
        assert_eq!(relayed, *delivered.lock().expect("no panic"), "{lines:?}");
        assert!(lines[relayed].starts_with("#join response b"), "{lines:?}");
        assert_eq!(
            lines.len(),
            relayed + 1,
            "nothing follows from the old channel"
        );
    });
}

/// The queue that ships, between a registry that delivers and a connection's task that reads.
#[test]
fn a_queue_loses_nothing_between_delivery_and_close() {
    under_all_schedules(|| {
        let registry = registry();
        let (sink, mut signals) = outbound_queue(4, 1 << 20);
        let sink: Arc<dyn SignalSink> = sink.into();
        let alice = registry.connect(&user("alice"), sink).expect("connected");
        let response = |_| empty_response();
        let bob = Client::new(&registry, "bob");
        alice
            .join(&channel("a"), bob.ticket(), bob.admission(0), response)
            .expect("joined");
        bob.join("a").expect("joined");
        let reading = thread::spawn(move || {
            let mut read = 0;
            while signals.close_reason().is_none() {
                read += usize::from(signals.pop().is_some());
                thread::yield_now();
            }
            assert!(signals.pop().is_none(), "nothing follows the close");
            read
        });
        let ending = registry.clone();
        race(vec![
            work(move || {
                bob.connection
                    .update_state("a", true, true, "")
                    .expect("told")
            }),
            work(move || ending.shutdown()),
        ]);
        let read = reading.join().expect("no panic");
        assert!(
            read <= 4,
            "{read}: a response, a joined, a state and a leave event"
        );
        drop(alice);
        assert_empty(&registry);
    });
}
