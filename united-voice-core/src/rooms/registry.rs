//! Who is where: rooms, the user index, their locks.
//!
//! # Locks and order
//!
//! A user's lock, then a room's (two rooms by address), then nothing. A user's seat changes only under the user's lock
//! *and* the room's, hence "the user sits in room r" and "r lists the session" are one fact. No guard of a map is alive
//! while a lock is taken: get, clone the `Arc`, drop the guard. Nothing here waits: the registry is synchronous.
//!
//! Whoever empties a room marks it dead under its lock and then removes it from the map if it is still that one; whoever
//! finds a dead one does likewise and tries again. So it is with users, who are dead once they have no connection.

use std::{
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use united_voice_proto::voice::VoiceParticipant;

use crate::{
    ChannelId, CloseReason, SessionId, SignalSink, UserId,
    error::ConnectError,
    events::{VoiceEvent, VoiceEvents},
    rooms::index::{ById, Identified, find, find_or_new, remove},
    rooms::room::RoomState,
    rooms::user::{ConnectionEntry, User, UserCell},
    rooms::voice_connection::VoiceConnection,
    stats::{Counters, Stats},
};

/// All voice channels of a server, and who is in which.
///
/// Cloning copies a pointer. Every method may be called from any thread, none waits for anything but short locks, and
/// none may be called from inside a [`SignalSink`].
#[derive(Clone)]
pub struct VoiceRoomRegistry {
    pub(crate) inner: Arc<RegistryInner>,
}

pub(crate) struct RegistryInner {
    rooms: ById<Room>,
    users: ById<User>,
    hasher: RandomState,
    /// The next session's and connection's number.
    counter: AtomicU64,
    policy: AtomicU64,
    shutting_down: AtomicBool,
    connections_per_user: usize,
    pub(crate) events: broadcast::Sender<VoiceEvent>,
    /// Somebody has ever listened. Asking the channel for its listeners takes a lock that all rooms would share.
    pub(crate) observed: AtomicBool,
    pub(crate) counters: Counters,
    leases: AtomicUsize,
    drained: Notify,
}

impl Identified for Room {
    fn id(&self) -> &str {
        self.id.as_str()
    }
}

impl Identified for User {
    fn id(&self) -> &str {
        self.id.as_str()
    }
}

/// What `drained` waits for: held by every session, and by a connection until its close is through.
pub(crate) struct Lease(Arc<RegistryInner>);

impl Drop for Lease {
    fn drop(&mut self) {
        if self.0.leases.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.drained.notify_waiters();
        }
    }
}

pub(crate) struct Room {
    pub(crate) id: ChannelId,
    pub(crate) state: Mutex<RoomCell>,
}

/// Those in a room, each with the sink of their connection.
pub(crate) type Members = RoomState<Arc<dyn SignalSink>>;

pub(crate) enum RoomCell {
    Open(Members),
    /// Out of the map, or about to be: not to be joined.
    Dead,
}

impl RoomCell {
    /// `None` where the room is dead.
    pub(crate) fn open(&self) -> Option<&Members> {
        match self {
            Self::Open(members) => Some(members),
            Self::Dead => None,
        }
    }

    /// The members of a room in which somebody sits: only an empty one dies.
    pub(crate) fn seated(&mut self) -> &mut Members {
        match self {
            Self::Open(members) => members,
            Self::Dead => unreachable!("somebody sits in a dead room"),
        }
    }
}

/// A state of the host's limits and bans: see [`VoiceRoomRegistry::policy_changed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyEpoch(u64);

impl VoiceRoomRegistry {
    /// An empty registry in which a user may have `connections_per_user` connections at the same time.
    pub fn new(connections_per_user: usize) -> Self {
        let hasher = RandomState::default();
        let first = getrandom::u64().unwrap_or_else(|_| hasher.hash_one(0));
        Self {
            inner: Arc::new(RegistryInner {
                rooms: DashMap::with_hasher(hasher.clone()),
                users: DashMap::with_hasher(hasher.clone()),
                hasher,
                counter: AtomicU64::new(first),
                policy: AtomicU64::new(0),
                shutting_down: AtomicBool::new(false),
                connections_per_user,
                events: broadcast::Sender::new(VoiceEvents::CAPACITY),
                observed: AtomicBool::new(false),
                counters: Counters::default(),
                leases: AtomicUsize::new(0),
                drained: Notify::new(),
            }),
        }
    }

    /// Registers a connection of `user`, whose signals go to `sink`. Dropping the session is the disconnect.
    ///
    /// # Errors
    ///
    /// [`ConnectError::ShuttingDown`] after [`shutdown`](Self::shutdown), [`ConnectError::TooManyConnections`] where the
    /// user has as many as one may.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn connect(
        &self,
        user: &UserId,
        sink: Arc<dyn SignalSink>,
    ) -> Result<VoiceConnection, ConnectError> {
        let number = self.inner.next_number();
        loop {
            let user = find_or_new(&self.inner.users, user.as_str(), || {
                User::new(
                    user.clone(),
                    ConnectionEntry::new(number, Arc::clone(&sink)),
                )
            });
            let mut cell = user.state.lock();
            if cell.is_dead() {
                drop(cell);
                self.inner.remove_user(&user);
                continue;
            }
            // A user who is new was made with it.
            cell.remove(|present| present.number == number);
            if let Err(error) = self.may_connect(&cell) {
                drop(cell);
                self.inner.forget_user_if_idle(&user);
                return Err(error);
            }
            cell.connections.push(ConnectionEntry::new(number, sink));
            drop(cell);
            self.inner.counters.connected();
            return Ok(VoiceConnection::new(self.clone(), user, number));
        }
    }

    /// Asked under the user's lock, since `shutdown` visits every user after it has raised the flag.
    fn may_connect(&self, cell: &UserCell) -> Result<(), ConnectError> {
        if self.inner.shutting_down.load(Ordering::SeqCst) {
            Err(ConnectError::ShuttingDown)
        } else if cell.connections.len() >= self.inner.connections_per_user {
            Err(ConnectError::TooManyConnections)
        } else {
            Ok(())
        }
    }

    /// Who is in a channel, in the order in which they joined. Nobody is in a channel that doesn't exist.
    ///
    /// # Locking
    ///
    /// The room's lock.
    pub fn participants(&self, channel: &ChannelId) -> Vec<VoiceParticipant> {
        let Some(room) = self.inner.room(channel) else {
            return Vec::new();
        };
        let cell = room.state.lock();
        let Some(members) = cell.open() else {
            return Vec::new();
        };
        let members = members.members();
        members.map(|member| member.to_proto()).collect()
    }

    /// How many are in a channel.
    ///
    /// # Locking
    ///
    /// The room's lock.
    pub fn participant_count(&self, channel: &ChannelId) -> usize {
        let Some(room) = self.inner.room(channel) else {
            return 0;
        };
        room.state.lock().open().map_or(0, Members::len)
    }

    /// How many channels somebody is in.
    ///
    /// # Locking
    ///
    /// Each shard of the map of rooms in turn.
    pub fn room_count(&self) -> usize {
        self.inner.rooms.len()
    }

    /// The present state of the host's limits and bans: take it before asking the directory, hand it to
    /// [`VoiceConnection::join_channel`] with the answer.
    pub fn policy_epoch(&self) -> PolicyEpoch {
        PolicyEpoch(self.inner.policy.load(Ordering::SeqCst))
    }

    /// Tells that the limit of `channel` or who may join it has changed, after the change was stored.
    ///
    /// When it returns, no join that asked the directory before can take a seat any more: it asks again. Nobody who is
    /// in the channel is removed.
    ///
    /// # Locking
    ///
    /// The room's lock.
    pub fn policy_changed(&self, channel: &ChannelId) {
        self.inner.policy.fetch_add(1, Ordering::SeqCst);
        // A join that has checked the epoch already is through when the room's lock is free.
        if let Some(room) = self.inner.room(channel) {
            drop(room.state.lock());
        }
    }

    pub(crate) fn is_current(&self, epoch: PolicyEpoch) -> bool {
        self.policy_epoch() == epoch
    }

    /// What happens from now on, for the host's own logic.
    pub fn events(&self) -> VoiceEvents {
        let events = VoiceEvents::new(self.inner.events.subscribe());
        self.inner.observed.store(true, Ordering::SeqCst);
        events
    }

    /// Waits until there is no session left, and no connection whose close is still under way.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        loop {
            let notified = self.inner.drained.notified();
            if self.inner.leases.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Numbers for the host's metrics.
    pub fn stats(&self) -> Stats {
        self.inner
            .counters
            .stats(self.inner.rooms.len(), self.inner.users.len())
    }

    /// How many sessions there are.
    pub fn connections(&self) -> usize {
        self.inner.counters.connections() as usize
    }

    /// Ends every connection ([`CloseReason::GoingAway`]) and lets no new one in.
    ///
    /// # Locking
    ///
    /// Each user's lock in turn.
    pub fn shutdown(&self) {
        self.inner.shutting_down.store(true, Ordering::SeqCst);
        let users: Vec<Arc<User>> = self
            .inner
            .users
            .iter()
            .map(|entry| entry.key().get())
            .collect();
        for user in users {
            for connection in &user.state.lock().connections {
                connection.sink.close(CloseReason::GoingAway);
            }
        }
    }
}

impl RegistryInner {
    pub(crate) fn lease(self: &Arc<Self>) -> Lease {
        self.leases.fetch_add(1, Ordering::SeqCst);
        Lease(Arc::clone(self))
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId::new(self.next_number())
    }

    /// What a room compares before it compares ids.
    pub(crate) fn hash(&self, user: &str) -> u16 {
        self.hasher.hash_one(user) as u16
    }

    pub(crate) fn room(&self, channel: &ChannelId) -> Option<Arc<Room>> {
        find(&self.rooms, channel.as_str())
    }

    pub(crate) fn room_or_new(&self, channel: &ChannelId) -> Arc<Room> {
        find_or_new(&self.rooms, channel.as_str(), || Room {
            id: channel.clone(),
            state: Mutex::new(RoomCell::Open(Members::default())),
        })
    }

    /// Marks an empty room dead, and says whether it is. The caller removes it from the map once its lock is free.
    pub(crate) fn retire_if_empty(cell: &mut RoomCell) -> bool {
        if cell.open().is_some_and(|members| !members.is_empty()) {
            return false;
        }
        *cell = RoomCell::Dead;
        true
    }

    pub(crate) fn remove_room(&self, room: &Arc<Room>) {
        remove(&self.rooms, room);
    }

    pub(crate) fn user(&self, user: &UserId) -> Option<Arc<User>> {
        find(&self.users, user.as_str())
    }

    pub(crate) fn forget_user_if_idle(&self, user: &Arc<User>) {
        let dead = user.state.lock().is_dead();
        if dead {
            self.remove_user(user);
        }
    }

    fn remove_user(&self, user: &Arc<User>) {
        remove(&self.users, user);
    }
}

impl std::fmt::Debug for VoiceRoomRegistry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VoiceRoomRegistry")
            .field("rooms", &self.inner.rooms.len())
            .field("users", &self.inner.users.len())
            .finish_non_exhaustive()
    }
}
