//! One user: their connections, and which of them has the user's seat.

use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::{SmallVec, smallvec};

use crate::{SessionId, SignalSink, UserId, rooms::registry::Room};

pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) state: Mutex<UserCell>,
}

impl User {
    /// A user begins with a connection, since one without any is dead.
    pub(crate) fn new(id: UserId, connection: ConnectionEntry) -> Self {
        let connections = smallvec![connection];
        Self {
            id,
            state: Mutex::new(UserCell { connections }),
        }
    }
}

pub(crate) struct UserCell {
    /// The open connections. One that was closed is not among them and can't join.
    pub(crate) connections: SmallVec<[ConnectionEntry; 1]>,
}

/// One way to the user. At most one of a user's connections has a seat, which goes where the connection goes.
pub(crate) struct ConnectionEntry {
    pub(crate) number: u64,
    pub(crate) sink: Arc<dyn SignalSink>,
    pub(crate) seat: Option<Seat>,
}

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
    /// Out of the map, or about to be: not to be connected to.
    pub(crate) fn is_dead(&self) -> bool {
        self.connections.is_empty()
    }

    pub(crate) fn connection(&self, number: u64) -> Option<&ConnectionEntry> {
        let mut connections = self.connections.iter();
        connections.find(|connection| connection.number == number)
    }

    pub(crate) fn connection_mut(&mut self, number: u64) -> Option<&mut ConnectionEntry> {
        let mut connections = self.connections.iter_mut();
        connections.find(|connection| connection.number == number)
    }

    /// Takes out the first connection that is `meant`.
    pub(crate) fn remove(
        &mut self,
        meant: impl Fn(&ConnectionEntry) -> bool,
    ) -> Option<ConnectionEntry> {
        let position = self.connections.iter().position(meant)?;
        Some(self.connections.remove(position))
    }

    /// The user's seat, whichever connection has it.
    pub(crate) fn seat(&self) -> Option<&Seat> {
        let mut connections = self.connections.iter();
        connections.find_map(|connection| connection.seat.as_ref())
    }

    /// Takes the user's seat from its connection where it is `meant`. Its room has the member still.
    pub(crate) fn take_seat(&mut self, meant: impl Fn(&Seat) -> bool) -> Option<Seat> {
        let mut connections = self.connections.iter_mut();
        connections.find_map(|connection| connection.seat.take_if(|seat| meant(seat)))
    }
}
