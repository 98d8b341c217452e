//! The participants of the channel, kept up to date by the events.

use crate::{
    event::{Event, Peer},
    wire::Participant,
};

/// The other participants of the channel: the snapshot, and what events have changed since.
///
/// Feed it every event. After each event it equals the server's list at that point of the
/// connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Roster {
    participants: Vec<Participant>,
}

impl Roster {
    /// An empty roster, as before the first join.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            participants: Vec::new(),
        }
    }

    /// Applies an event, and returns whether it changed the roster.
    pub fn apply(&mut self, event: &Event) -> bool {
        let before = self.participants.len();
        match event {
            Event::Entered { snapshot, .. } => self.participants.clone_from(&snapshot.participants),
            Event::Exited { .. } | Event::Stopped(_) => self.participants.clear(),
            Event::Joined { participant, .. } => self.join(participant),
            Event::Left { peer, .. } => {
                self.participants.retain(|seated| !is(seated, peer));
                return self.participants.len() != before;
            }
            Event::State {
                user_id,
                muted,
                deafened,
            } => return self.set_state(user_id, *muted, *deafened),
            _ => return false,
        }
        true
    }

    /// The other participants, in the order in which they joined.
    #[must_use]
    pub fn participants(&self) -> &[Participant] {
        &self.participants
    }

    /// The participant with this user id, if there is one.
    #[must_use]
    pub fn get(&self, user_id: &str) -> Option<&Participant> {
        self.participants
            .iter()
            .find(|participant| participant.user_id == user_id)
    }

    fn join(&mut self, participant: &Participant) {
        self.participants
            .retain(|seated| seated.user_id != participant.user_id);
        self.participants.push(participant.clone());
    }

    fn set_state(&mut self, user_id: &str, muted: bool, deafened: bool) -> bool {
        let seated = self
            .participants
            .iter_mut()
            .find(|seated| seated.user_id == user_id);
        let Some(seated) = seated else { return false };
        let changed = (seated.muted, seated.deafened) != (muted, deafened);
        (seated.muted, seated.deafened) = (muted, deafened);
        changed
    }
}

/// Whether the leave is of this participant. A user may be back in a newer session, and then a
/// leave of the older session does not count.
fn is(seated: &Participant, left: &Peer) -> bool {
    seated.user_id == left.user_id
        && (left.session_id.is_empty() || seated.session_id == left.session_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::LeaveReason;

    fn participant(user_id: &str, session_id: &str) -> Participant {
        Participant {
            user_id: user_id.into(),
            session_id: session_id.into(),
            ..Participant::default()
        }
    }

    fn joined(user_id: &str, session_id: &str) -> Event {
        Event::Joined {
            channel_id: "general".into(),
            participant: participant(user_id, session_id),
        }
    }

    fn left(user_id: &str, session_id: &str) -> Event {
        Event::Left {
            channel_id: "general".into(),
            peer: Peer::from(&participant(user_id, session_id)),
            display_name: String::new(),
            reason: LeaveReason::Left,
        }
    }

    #[test]
    fn a_user_in_a_new_session_moves_to_the_end() {
        let mut roster = Roster::new();
        for event in [
            joined("a", "1"),
            joined("b", "2"),
            left("a", "1"),
            joined("a", "3"),
        ] {
            assert!(roster.apply(&event));
        }
        let ids: Vec<_> = roster.participants().iter().map(Peer::from).collect();
        let expected = [participant("b", "2"), participant("a", "3")];
        assert_eq!(ids, expected.iter().map(Peer::from).collect::<Vec<_>>());
    }

    #[test]
    fn a_leave_of_an_older_session_changes_nothing() {
        let mut roster = Roster::new();
        roster.apply(&joined("a", "2"));
        assert!(!roster.apply(&left("a", "1")));
        assert!(roster.get("a").is_some());
        assert!(roster.apply(&left("a", "2")));
        assert_eq!(roster, Roster::new());
    }

    #[test]
    fn state_is_kept() {
        let mut roster = Roster::new();
        roster.apply(&joined("a", "1"));
        let muted = Event::State {
            user_id: "a".into(),
            muted: true,
            deafened: false,
        };
        assert!(roster.apply(&muted));
        assert!(!roster.apply(&muted), "nothing new");
        assert!(roster.get("a").is_some_and(|a| a.muted && !a.deafened));
    }
}
