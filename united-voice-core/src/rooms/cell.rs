//! A room as connections share it: its state behind a lock, open or dead.

use std::sync::Arc;

use crate::{
    ChannelId, SignalSink,
    rooms::room::RoomState,
    sync::{Mutex, MutexGuard},
};

pub(crate) struct Room {
    pub(crate) id: ChannelId,
    pub(crate) state: Mutex<RoomCell>,
}

/// The members of a room, each with the sink of their connection.
pub(crate) type Members = RoomState<Arc<dyn SignalSink>>;

pub(crate) enum RoomCell {
    Open(Members),
    /// Removed from the map, or about to be. Nobody may join it: a newcomer would sit in a room
    /// that later joiners do not find.
    Dead,
}

impl Room {
    pub(crate) fn new(id: ChannelId) -> Self {
        Self {
            id,
            state: Mutex::new(RoomCell::Open(Members::default())),
        }
    }
}

impl RoomCell {
    /// `None` if the room is dead.
    pub(crate) fn open(&self) -> Option<&Members> {
        match self {
            Self::Open(members) => Some(members),
            Self::Dead => None,
        }
    }

    /// `None` if the room is dead.
    pub(crate) fn open_mut(&mut self) -> Option<&mut Members> {
        match self {
            Self::Open(members) => Some(members),
            Self::Dead => None,
        }
    }

    /// Marks a room dead if no member of it is connected to this process, and says whether it is
    /// dead. The caller then removes it from the map, after it has released this lock.
    pub(crate) fn retire_if_unattended(&mut self) -> bool {
        if self.open().is_some_and(Members::is_attended) {
            return false;
        }
        *self = Self::Dead;
        true
    }
}

type RoomGuards<'a> = (MutexGuard<'a, RoomCell>, Option<MutexGuard<'a, RoomCell>>);

/// Locks the room to join and, if it is another one, the room to leave. Always in the order of
/// their addresses, so that two moves in opposite directions cannot wait for each other.
pub(crate) fn lock_both<'a>(room: &'a Arc<Room>, old: Option<&'a Arc<Room>>) -> RoomGuards<'a> {
    match old {
        Some(old) if !Arc::ptr_eq(old, room) => {
            if Arc::as_ptr(old) < Arc::as_ptr(room) {
                let old = old.state.lock();
                (room.state.lock(), Some(old))
            } else {
                let room = room.state.lock();
                (room, Some(old.state.lock()))
            }
        }
        _ => (room.state.lock(), None),
    }
}
