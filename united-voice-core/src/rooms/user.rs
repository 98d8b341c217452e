//! One user: their connections, and which of them has the user's seat.

use std::{mem, sync::Arc};

use crate::{SessionId, SignalSink, UserId, rooms::cell::Room, sync::Mutex};

pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) state: Mutex<UserCell>,
}

impl User {
    /// A user begins with a connection, since a user without one is dead.
    pub(crate) fn new(id: UserId, connection: ConnectionEntry) -> Self {
        Self {
            id,
            state: Mutex::new(UserCell::One(connection)),
        }
    }
}

/// The open connections of a user. A connection that was closed is not among them and cannot join.
///
/// Nearly every user has one connection. It needs no list, and that saves 16 bytes for each user.
pub(crate) enum UserCell {
    One(ConnectionEntry),
    /// No connection, several, or one that is left of several.
    List(Vec<ConnectionEntry>),
}

/// An open connection. At most one of a user's connections has a seat.
pub(crate) struct ConnectionEntry {
    pub(crate) number: u64,
    pub(crate) sink: Arc<dyn SignalSink>,
    pub(crate) seat: Option<Seat>,
}

/// The fact that a connection sits in a room.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) room: Arc<Room>,
    pub(crate) session: SessionId,
}

impl Seat {
    pub(crate) fn is_in(&self, channel: &str) -> bool {
        self.room.id.as_str() == channel
    }
}

impl ConnectionEntry {
    pub(crate) fn new(number: u64, sink: Arc<dyn SignalSink>) -> Self {
        Self {
            number,
            sink,
            seat: None,
        }
    }
}

impl UserCell {
    pub(crate) fn connections(&self) -> &[ConnectionEntry] {
        match self {
            Self::One(connection) => std::slice::from_ref(connection),
            Self::List(connections) => connections,
        }
    }

    fn connections_mut(&mut self) -> &mut [ConnectionEntry] {
        match self {
            Self::One(connection) => std::slice::from_mut(connection),
            Self::List(connections) => connections,
        }
    }

    /// A user without connections is removed from the map, or about to be. Nobody may connect to
    /// it.
    pub(crate) fn is_dead(&self) -> bool {
        self.connections().is_empty()
    }

    pub(crate) fn connection(&self, number: u64) -> Option<&ConnectionEntry> {
        let mut connections = self.connections().iter();
        connections.find(|connection| connection.number == number)
    }

    pub(crate) fn connection_mut(&mut self, number: u64) -> Option<&mut ConnectionEntry> {
        let mut connections = self.connections_mut().iter_mut();
        connections.find(|connection| connection.number == number)
    }

    pub(crate) fn push(&mut self, connection: ConnectionEntry) {
        *self = match mem::replace(self, Self::List(Vec::new())) {
            Self::One(first) => Self::List(vec![first, connection]),
            Self::List(connections) if connections.is_empty() => Self::One(connection),
            Self::List(mut connections) => {
                connections.push(connection);
                Self::List(connections)
            }
        };
    }

    /// Takes out the first connection that `is_meant`.
    pub(crate) fn remove(
        &mut self,
        is_meant: impl Fn(&ConnectionEntry) -> bool,
    ) -> Option<ConnectionEntry> {
        let position = self.connections().iter().position(is_meant)?;
        match mem::replace(self, Self::List(Vec::new())) {
            Self::One(connection) => Some(connection),
            Self::List(mut connections) => {
                let removed = connections.remove(position);
                *self = Self::List(connections);
                Some(removed)
            }
        }
    }

    /// The user's seat and the connection that has it.
    pub(crate) fn seat(&self) -> Option<(&ConnectionEntry, &Seat)> {
        let mut connections = self.connections().iter();
        connections.find_map(|connection| Some((connection, connection.seat.as_ref()?)))
    }

    /// Takes the seat of this session from its connection. Its room still lists the member.
    pub(crate) fn take_seat(&mut self, session: SessionId) -> Option<Seat> {
        let mut connections = self.connections_mut().iter_mut();
        let is_meant = |seat: &mut Seat| seat.session == session;
        connections.find_map(|connection| connection.seat.take_if(is_meant))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::RecordingSink;

    fn entry(number: u64) -> ConnectionEntry {
        ConnectionEntry::new(number, Arc::new(RecordingSink::default()))
    }

    fn numbers(cell: &UserCell) -> Vec<u64> {
        let connections = cell.connections().iter();
        connections.map(|connection| connection.number).collect()
    }

    #[test]
    fn connections_come_and_go_in_order() {
        let mut cell = UserCell::One(entry(1));
        cell.push(entry(2));
        cell.push(entry(3));
        assert_eq!(numbers(&cell), [1, 2, 3]);
        let removed = cell.remove(|entry| entry.number == 2).expect("it is there");
        assert_eq!(removed.number, 2);
        assert!(cell.remove(|entry| entry.number == 2).is_none());
        assert_eq!(numbers(&cell), [1, 3]);
        assert!(cell.connection_mut(3).is_some() && cell.connection(2).is_none());
        cell.remove(|_| true);
        cell.remove(|_| true);
        assert!(cell.is_dead() && cell.remove(|_| true).is_none());
        cell.push(entry(4));
        assert_eq!(numbers(&cell), [4]);
    }

    /// The memory of a participant depends on it: docs/benchmarks.md.
    #[test]
    fn a_user_is_small() {
        let counts_of_the_arc = 2 * size_of::<usize>();
        assert!(size_of::<User>() + counts_of_the_arc <= 72);
    }
}
