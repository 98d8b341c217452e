//! Nothing else happens in a room while its critical section runs. A sink, or the function that
//! makes a response, holds the section open here, so that another thread would get in if it could.
//!
//! The invariant: all members see one order, because every event is delivered under the room's
//! lock. Once `policy_changed` has returned, no join under the old policy is still running.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::{
    channel,
    client::{Client, registry, roster},
    lines::line,
    user,
};
use crate::{
    Signal, SignalSink, SinkError, Urgency, VoiceConnection, VoiceRoomRegistry,
    proto::{voice::VoiceJoinResponse, ws::envelope::Payload},
    test_util::RecordingSink,
};
use parking_lot::Mutex;

/// How long a section is held open for a thread that must not get in.
const HELD: Duration = Duration::from_millis(50);

/// A sink that blocks one delivery, until the test releases it or `HELD` has passed.
#[derive(Default)]
struct Gate {
    recorded: RecordingSink,
    armed: Mutex<Option<Hold>>,
}

struct Hold {
    entered: mpsc::Sender<()>,
    let_go: mpsc::Receiver<()>,
}

impl Hold {
    fn wait(&self) -> bool {
        self.entered.send(()).expect("the test waits for it");
        self.let_go.recv_timeout(HELD).is_ok()
    }
}

fn hold() -> (Hold, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let (entered, has_entered) = mpsc::channel();
    let (go, let_go) = mpsc::channel();
    (Hold { entered, let_go }, has_entered, go)
}

impl SignalSink for Gate {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        let delivered = self.recorded.deliver(signal);
        let armed = self.armed.lock().take();
        if let Some(hold) = armed {
            hold.wait();
        }
        delivered
    }
}

fn connect(registry: &VoiceRoomRegistry, name: &str, gate: &Arc<Gate>) -> VoiceConnection {
    let sink = Arc::clone(gate);
    registry.connect(&user(name), sink).expect("connected")
}

/// Blocks the event of `first` after the first member got it and before the others do. Meanwhile
/// another member changes its state. Checks that the first and the last member saw both events in
/// the same order. `first` returns the connections that must stay open.
fn one_order(first: impl FnOnce(&VoiceRoomRegistry, Client) -> Vec<Client> + Send + 'static) {
    let registry = registry();
    let gate = Arc::new(Gate::default());
    let guard = connect(&registry, "guard", &gate);
    let other = Client::new(&registry, "guard");
    let respond = |_| {
        let response = VoiceJoinResponse::default();
        Signal::new("", Payload::VoiceJoinResponse(response), Urgency::Reply)
    };
    guard
        .join(&channel("a"), other.ticket(), other.admission(0), respond)
        .expect("joined");
    let witness = Client::joined(&registry, "witness", "a");
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::joined(&registry, "alice", "a");
    gate.recorded.take();
    witness.take();

    let (hold, has_entered, go) = hold();
    *gate.armed.lock() = Some(hold);
    let acting = thread::spawn(move || first(&registry, alice));
    has_entered.recv().expect("the first member gets the event");
    bob.connection
        .update_state("a", true, true, "")
        .expect("told");
    // If the lock kept bob out, the hold has timed out by now and nobody receives this.
    let _ = go.send(());
    let _connected = acting.join().expect("done");

    let guard_saw: Vec<String> = gate.recorded.take().iter().map(line).collect();
    let witness_saw = witness.lines();
    assert_eq!(guard_saw, witness_saw);
    assert_eq!(witness_saw.last().expect("told"), "state a bob(md)");
    assert!(witness_saw.len() >= 2);
}

#[test]
fn a_state_update_is_delivered_in_one_step() {
    one_order(|_, alice| {
        let told = alice.connection.update_state("a", true, false, "");
        told.expect("told");
        vec![alice]
    });
}

#[test]
fn speaking_is_delivered_in_one_step() {
    one_order(|_, alice| {
        alice.connection.speaking("a", true, "").expect("told");
        vec![alice]
    });
}

#[test]
fn a_leave_is_delivered_in_one_step() {
    one_order(|_, alice| {
        alice.connection.leave_channel("a", "").expect("left");
        vec![alice]
    });
}

#[test]
fn a_disconnect_is_delivered_in_one_step() {
    one_order(|_, alice| {
        drop(alice);
        Vec::new()
    });
}

#[test]
fn a_kick_is_delivered_in_one_step() {
    one_order(|registry, alice| {
        assert!(registry.kick(&user("alice")));
        vec![alice]
    });
}

#[test]
fn a_move_is_delivered_in_one_step() {
    one_order(|_, alice| {
        alice.join("b").expect("moved");
        vec![alice]
    });
}

#[test]
fn a_takeover_is_delivered_in_one_step() {
    one_order(|registry, alice| {
        let other = Client::new(registry, "alice");
        other.join("a").expect("taken over");
        vec![alice, other]
    });
}

#[test]
fn a_join_is_delivered_in_one_step() {
    one_order(|registry, alice| {
        let carol = Client::new(registry, "carol");
        carol.join("a").expect("joined");
        vec![alice, carol]
    });
}

/// Blocks a join after it was checked and runs `other` meanwhile. Returns whether `other` ended
/// before the join.
fn overtakes_a_join(other: impl FnOnce(&VoiceRoomRegistry) + Send + 'static) -> bool {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::new(&registry, "alice");
    let (ticket, admission) = (alice.ticket(), alice.admission(0));
    let (hold, has_entered, go) = hold();
    let other = thread::spawn(move || {
        has_entered.recv().expect("the join is under way");
        other(&registry);
        // If the join kept `other` out, the hold has timed out by now and nobody receives this.
        let _ = go.send(());
    });
    let mut overtaken = false;
    let joined = alice
        .connection
        .join(&channel("a"), ticket, admission, |_| {
            overtaken = hold.wait();
            let response = VoiceJoinResponse::default();
            Signal::new("", Payload::VoiceJoinResponse(response), Urgency::Reply)
        });
    joined.expect("it was checked before");
    other.join().expect("done");
    drop(bob);
    overtaken
}

#[test]
fn a_policy_change_waits_for_a_join_that_was_already_checked() {
    assert!(!overtakes_a_join(
        |registry| registry.policy_changed(&channel("a"))
    ));
}

#[test]
fn a_roster_is_not_read_in_the_middle_of_a_join() {
    let overtaken = overtakes_a_join(|registry| {
        assert_eq!(roster(registry, "a"), ["bob", "alice"]);
    });
    assert!(!overtaken);
}

#[test]
fn a_kick_waits_for_a_join() {
    let overtaken = overtakes_a_join(|registry| {
        assert!(
            registry.kick(&user("alice")),
            "the kick comes after the join"
        );
    });
    assert!(!overtaken);
}

/// Other rooms do not wait. Without this test, one lock for everything would pass the tests above.
#[test]
fn another_room_does_not_wait() {
    let overtaken = overtakes_a_join(|registry| {
        let carol = Client::joined(registry, "carol", "b");
        assert_eq!(registry.participant_count(&channel("b")), 1);
        drop(carol);
    });
    assert!(overtaken);
}
