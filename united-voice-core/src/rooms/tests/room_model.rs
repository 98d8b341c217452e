//! `RoomState` does the same as a plain list: one seat per user, joining order, no effect of a
//! stale session, and no new user beyond a limit.

use std::num::NonZeroU32;

use super::{ops::RoomOp, user};
use crate::{
    Profile, SessionId, UserId,
    rooms::room::{Member, MemberRef, RoomFull, RoomState},
};
use proptest::{collection::vec, prelude::*};

/// A member of the room: user, session, muted, deafened, handle.
type Row = (u8, SessionId, bool, bool, usize);

/// The obvious implementation.
#[derive(Default)]
struct Model {
    rows: Vec<Row>,
}

impl Model {
    fn contains(&self, user: u8) -> bool {
        self.rows.iter().any(|row| row.0 == user)
    }

    fn session(&self, user: u8) -> Option<SessionId> {
        self.rows.iter().find(|row| row.0 == user).map(|row| row.1)
    }

    fn may_sit(&self, user: u8, limit: u32) -> bool {
        limit == 0 || self.contains(user) || self.rows.len() < limit as usize
    }

    fn remove(&mut self, user: u8) -> Option<Row> {
        let position = self.rows.iter().position(|row| row.0 == user)?;
        Some(self.rows.remove(position))
    }
}

/// The room under test and its model.
struct Pair {
    room: RoomState<usize>,
    model: Model,
    sessions: Vec<SessionId>,
    next: usize,
}

fn id(number: u8) -> UserId {
    user(&format!("user-{number}"))
}

impl Pair {
    fn apply(&mut self, op: &RoomOp) {
        match *op {
            RoomOp::CheckSeat { user, limit } => {
                let checked = self
                    .room
                    .check_seat(id(user).as_str(), NonZeroU32::new(limit));
                let expected = self
                    .model
                    .may_sit(user, limit)
                    .then_some(())
                    .ok_or(RoomFull);
                assert_eq!(checked, expected);
            }
            RoomOp::Seat { user } => self.seat(user),
            RoomOp::Unseat { user, stale } => self.unseat(user, stale),
            RoomOp::SetState {
                user,
                stale,
                muted,
                deafened,
            } => {
                let session = self.session(user, stale);
                let position = self.room.position_of(session);
                if let Some(position) = position {
                    self.room.set_state(position, muted, deafened);
                }
                let row = self
                    .model
                    .rows
                    .iter_mut()
                    .find(|row| row.0 == user && row.1 == session);
                assert_eq!(position.is_some(), row.is_some());
                if let Some(row) = row {
                    (row.2, row.3) = (muted, deafened);
                }
            }
        }
        self.compare();
    }

    fn seat(&mut self, user: u8) {
        let session = self.sessions[self.next];
        let handle = self.next;
        self.next += 1;
        let profile = Profile::default();
        let member = Member::new(id(user), session, profile, handle);
        let replaced = self.room.seat(member).map(|member| member.handle);
        let expected = self.model.remove(user).map(|row| row.4);
        assert_eq!(replaced, expected);
        self.model.rows.push((user, session, false, false, handle));
    }

    fn unseat(&mut self, user: u8, stale: bool) {
        let session = self.session(user, stale);
        let gone = self.room.unseat(session);
        let is_meant = self.model.session(user) == Some(session);
        let expected = is_meant.then(|| self.model.remove(user)).flatten();
        assert_eq!(gone.map(|member| member.handle), expected.map(|row| row.4));
    }

    /// The user's present session, or another one if `stale`.
    fn session(&self, user: u8, stale: bool) -> SessionId {
        let unused = *self.sessions.last().expect("sessions");
        self.model
            .session(user)
            .filter(|_| !stale)
            .unwrap_or(unused)
    }

    fn compare(&self) {
        let rows = |member: MemberRef<'_, usize>| {
            (
                member.participant.user.clone(),
                member.session,
                member.participant.muted,
                member.participant.deafened,
                *member.handle,
            )
        };
        let members: Vec<_> = self.room.members().map(rows).collect();
        let expected = self.model.rows.iter();
        let expected: Vec<_> = expected
            .map(|row| (id(row.0), row.1, row.2, row.3, row.4))
            .collect();
        assert_eq!(members, expected);
        assert_eq!(self.room.len(), expected.len());
        assert_eq!(self.room.is_empty(), expected.is_empty());
        self.compare_views();
    }

    fn compare_views(&self) {
        for number in 0..8 {
            let name = id(number);
            let found = self.room.find(name.as_str());
            assert_eq!(
                found.map(|member| member.session),
                self.model.session(number)
            );
            let others = self.room.others(name.as_str());
            let others: Vec<String> = others.into_iter().map(|who| who.user_id).collect();
            let rows = self.model.rows.iter().filter(|row| row.0 != number);
            let expected: Vec<String> = rows.map(|row| id(row.0).to_string()).collect();
            assert_eq!(others, expected);
        }
    }
}

fn sessions(count: usize) -> Vec<SessionId> {
    (1..=count as u64).map(SessionId::new).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn does_the_same_as_a_list(ops in vec(RoomOp::any(8), 0..60)) {
        let mut pair = Pair {
            room: RoomState::default(),
            model: Model::default(),
            sessions: sessions(ops.len() + 1),
            next: 0,
        };
        for op in &ops {
            pair.apply(op);
        }
    }
}

/// A join and a leave allocate nothing, apart from their messages.
#[test]
fn taking_and_leaving_a_seat_allocates_nothing() {
    let mut room = RoomState::default();
    let sessions = sessions(2);
    let member = |number: u8, session| Member::new(id(number), session, Profile::default(), ());
    assert!(room.seat(member(1, sessions[0])).is_none());
    let mut visitor = Some(member(2, sessions[1]));
    let name = id(2);
    let mut visit = || {
        room.check_seat(name.as_str(), None).expect("no limit");
        let replaced = visitor.take().and_then(|visitor| room.seat(visitor));
        assert!(replaced.is_none());
        visitor = room.unseat(sessions[1]);
        assert!(visitor.is_some());
    };
    // The first visit grows the lists.
    visit();
    assert_eq!(allocation_counter::measure(visit).count_total, 0);
}
