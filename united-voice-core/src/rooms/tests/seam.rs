//! The seam between deciding and applying: these tests apply changes without any request.
//!
//! The property test compares the result with a naive model. The other tests first remove a
//! connection, seat or member that a change names. The change must still do the rest.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};
use united_voice_proto::voice::VoiceLeaveReason;

use super::{
    channel,
    client::{Client, registry, roster},
    user,
};
use crate::{
    Profile, SessionId, VoiceRoomRegistry,
    rooms::{
        cell::{Room, RoomCell, lock_both},
        change::{Answer, Change, Locked},
        fanout::Fanout,
        user::User,
    },
};

const NOTHING: [&str; 0] = [];

/// Applies a change to `user` in `room` under the locks that a request would take.
fn apply(
    registry: &VoiceRoomRegistry,
    who: &Arc<User>,
    (room, old): (&Arc<Room>, Option<&Arc<Room>>),
    change: Change,
    answer: Answer<'_>,
) {
    let mut fanout = Fanout::default();
    {
        let mut connections = who.state.lock();
        let (mut cell, mut old_cell) = lock_both(room, old);
        let mut locked = Locked {
            registry: &registry.inner,
            user: &who.id,
            connections: Some(&mut connections),
            room,
            members: cell.open_mut().expect("a live room"),
            old: old
                .map(|old| &**old)
                .zip(old_cell.as_deref_mut().and_then(RoomCell::open_mut)),
        };
        locked.apply(change, answer, &mut fanout);
    }
    assert!(fanout.reached_all());
}

fn user_of(registry: &VoiceRoomRegistry, name: &str) -> Arc<User> {
    registry.inner.user(&user(name)).expect("connected")
}

fn room_of(registry: &VoiceRoomRegistry, name: &str) -> Arc<Room> {
    registry.inner.room(&channel(name)).expect("occupied")
}

fn session_of(client: &Client) -> SessionId {
    client.connection.seat().expect("seated").1
}

/// Removes a member from its room but keeps its seat, as only a fault could.
fn lose_member(room: &Room, session: SessionId) {
    let mut cell = room.state.lock();
    let lost = cell.open_mut().expect("live").unseat(session);
    assert!(lost.is_some());
}

#[test]
fn a_join_whose_connection_is_gone_seats_a_member_that_gets_no_messages() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::new(&registry, "alice");
    let (who, room) = (user_of(&registry, "alice"), room_of(&registry, "a"));
    let session = registry.inner.next_session();
    let change = Change::Join {
        session,
        connection: registry.inner.next_number(),
        profile: Profile::new("ALICE"),
        ends: None,
    };
    apply(&registry, &who, (&room, None), change, Answer::None);
    assert_eq!(roster(&registry, "a"), ["bob", "alice"]);
    assert_eq!(bob.lines(), ["joined a alice"]);
    assert_eq!(alice.connection.seat(), None);
    bob.connection
        .update_state("a", true, false, "")
        .expect("told");
    assert_eq!(
        alice.lines(),
        NOTHING,
        "the user's other connection is not the member"
    );
    bob.take();

    let reason = VoiceLeaveReason::Disconnected;
    let change = Change::Leave { session, reason };
    apply(&registry, &who, (&room, None), change, Answer::Event);
    assert_eq!(roster(&registry, "a"), ["bob"]);
    assert_eq!(bob.lines(), ["left a alice DISCONNECTED"]);
}

#[test]
fn a_leave_whose_member_is_gone_frees_the_connection_and_sends_nothing() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::joined(&registry, "alice", "a");
    bob.take();
    let (who, room) = (user_of(&registry, "alice"), room_of(&registry, "a"));
    let session = session_of(&alice);
    lose_member(&room, session);
    let leaves = registry.stats().leaves;
    alice
        .connection
        .leave_channel("a", "7")
        .expect("the seat was there");
    assert_eq!(alice.connection.seat(), None);
    assert_eq!((bob.lines(), alice.lines()), (vec![], vec![]));
    assert_eq!(registry.stats().leaves, leaves);

    // The same change again, now with neither seat nor member.
    let reason = VoiceLeaveReason::Kicked;
    let change = Change::Leave { session, reason };
    apply(&registry, &who, (&room, None), change, Answer::Event);
    assert_eq!(roster(&registry, "a"), ["bob"]);
    assert_eq!((bob.lines(), alice.lines()), (vec![], vec![]));
    alice.join("a").expect("joined again");
}

#[test]
fn a_move_whose_old_member_is_gone_still_succeeds() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let carol = Client::joined(&registry, "carol", "b");
    let alice = Client::joined(&registry, "alice", "a");
    bob.take();
    lose_member(&room_of(&registry, "a"), session_of(&alice));
    alice.join("b").expect("moved");
    assert_eq!(bob.lines(), NOTHING);
    assert_eq!(carol.lines(), ["joined b alice"]);
    assert_eq!(alice.lines(), ["#join response b [carol]"]);
    assert_eq!(roster(&registry, "a"), ["bob"]);
    assert_eq!(roster(&registry, "b"), ["carol", "alice"]);
}

#[test]
fn a_takeover_whose_old_member_is_gone_still_succeeds() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let old = Client::joined(&registry, "alice", "a");
    bob.take();
    lose_member(&room_of(&registry, "a"), session_of(&old));
    let new = Client::new(&registry, "alice");
    new.join("a").expect("taken over");
    assert_eq!((old.lines(), old.connection.seat()), (vec![], None));
    assert_eq!(bob.lines(), ["joined a alice"]);
    assert_eq!(roster(&registry, "a"), ["bob", "alice"]);
}

#[test]
fn a_change_of_a_session_that_is_gone_sends_nothing() {
    let registry = registry();
    let bob = Client::joined(&registry, "bob", "a");
    let alice = Client::joined(&registry, "alice", "a");
    bob.take();
    lose_member(&room_of(&registry, "a"), session_of(&alice));
    alice
        .connection
        .update_state("a", true, true, "1")
        .expect("the seat is there");
    alice
        .connection
        .speaking("a", true, "2")
        .expect("the seat is there");
    assert_eq!((bob.lines(), alice.lines()), (vec![], vec![]));
}

#[test]
fn a_dead_room_accepts_no_message() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let room = room_of(&registry, "a");
    *room.state.lock() = RoomCell::Dead;
    assert!(alice.connection.update_state("a", true, true, "1").is_err());
    assert!(alice.send("a", "bob", "x").is_err());
    alice
        .connection
        .leave_channel("a", "2")
        .expect("the seat was there");
    assert_eq!(alice.connection.seat(), None);
    assert_eq!(registry.room_count(), 0);
    alice.join("a").expect("joined a room that is alive");
    assert_eq!(roster(&registry, "a"), ["alice"]);
}

/// A change of one user. Users are small numbers.
#[derive(Debug, Clone)]
enum Step {
    /// By the user's connection, or by one that is gone.
    Join {
        user: usize,
        gone: bool,
    },
    /// Of the user's present session, or of another one.
    Leave {
        user: usize,
        stale: bool,
    },
    State {
        user: usize,
        stale: bool,
        muted: bool,
    },
    Speaking {
        user: usize,
        stale: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let user = 0..USERS;
    prop_oneof![
        4 => (user.clone(), any::<bool>()).prop_map(|(user, gone)| Step::Join { user, gone }),
        3 => (user.clone(), any::<bool>()).prop_map(|(user, stale)| Step::Leave { user, stale }),
        2 => (user.clone(), any::<[bool; 2]>())
            .prop_map(|(user, [stale, muted])| Step::State { user, stale, muted }),
        1 => (user, any::<bool>()).prop_map(|(user, stale)| Step::Speaking { user, stale }),
    ]
}

const USERS: usize = 4;

/// The members of the room in order, and the events that a permanent member gets.
#[derive(Default)]
struct Model {
    seats: Vec<(usize, SessionId)>,
    told: Vec<String>,
}

impl Model {
    fn session(&self, user: usize) -> Option<SessionId> {
        let mut seats = self.seats.iter();
        seats.find(|seat| seat.0 == user).map(|seat| seat.1)
    }

    fn leave(&mut self, user: usize, reason: &str) {
        self.seats.retain(|seat| seat.0 != user);
        self.told.push(format!("left a user-{user} {reason}"));
    }
}

struct Scene {
    registry: VoiceRoomRegistry,
    witness: Client,
    clients: Vec<Client>,
    model: Model,
}

impl Scene {
    fn new() -> Self {
        let registry = registry();
        let client = |number| Client::new(&registry, &format!("user-{number}"));
        Self {
            witness: Client::joined(&registry, "witness", "a"),
            clients: (0..USERS).map(client).collect(),
            registry,
            model: Model::default(),
        }
    }

    /// The user's present session, or an unused one if `stale`.
    fn session(&self, user: usize, stale: bool) -> SessionId {
        let present = self.model.session(user).filter(|_| !stale);
        present.unwrap_or_else(|| self.registry.inner.next_session())
    }

    fn run(&mut self, step: &Step) {
        let (user, change) = match *step {
            Step::Join { user, gone } => (user, self.join(user, gone)),
            Step::Leave { user, stale } => {
                let session = self.session(user, stale);
                if self.model.session(user) == Some(session) {
                    self.model.leave(user, "LEFT");
                }
                let reason = VoiceLeaveReason::Left;
                (user, Change::Leave { session, reason })
            }
            Step::State { user, stale, muted } => {
                let session = self.session(user, stale);
                if self.model.session(user) == Some(session) {
                    let flags = if muted { "(m)" } else { "" };
                    self.model.told.push(format!("state a user-{user}{flags}"));
                }
                let deafened = false;
                (
                    user,
                    Change::State {
                        session,
                        muted,
                        deafened,
                    },
                )
            }
            Step::Speaking { user, stale } => {
                let session = self.session(user, stale);
                if self.model.session(user) == Some(session) {
                    self.model.told.push(format!("speaking a user-{user} on"));
                }
                let speaking = true;
                (user, Change::Speaking { session, speaking })
            }
        };
        let who = user_of(&self.registry, &self.clients[user].name);
        let room = room_of(&self.registry, "a");
        apply(&self.registry, &who, (&room, None), change, Answer::None);
        self.compare();
    }

    fn join(&mut self, user: usize, gone: bool) -> Change {
        let ends = self.model.session(user);
        if ends.is_some() {
            self.model.leave(user, "REPLACED");
        }
        let session = self.registry.inner.next_session();
        self.model.seats.push((user, session));
        self.model.told.push(format!("joined a user-{user}"));
        let own = self.clients[user].connection.number;
        Change::Join {
            session,
            connection: if gone {
                self.registry.inner.next_number()
            } else {
                own
            },
            profile: Profile::default(),
            ends,
        }
    }

    fn compare(&mut self) {
        let seats = self.model.seats.iter();
        let expected = seats.map(|(user, session)| (format!("user-{user}"), session.to_string()));
        let present = self
            .registry
            .participants(&channel("a"))
            .into_iter()
            .skip(1);
        let present = present.map(|who| (who.user_id, who.session_id));
        assert_eq!(present.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        assert_eq!(self.witness.lines(), std::mem::take(&mut self.model.told));
        for (user, client) in self.clients.iter().enumerate() {
            if let Some((_, session)) = client.connection.seat() {
                assert_eq!(
                    Some(session),
                    self.model.session(user),
                    "a seat without a member"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn changes_do_the_same_as_a_list(steps in vec(step(), 0..40)) {
        let mut scene = Scene::new();
        for step in &steps {
            scene.run(step);
        }
    }
}
