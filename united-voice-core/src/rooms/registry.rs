//! The registry: the maps of rooms and of users, and the order of their locks.
//!
//! # Locks and their order
//!
//! First a user's lock, then a room's (two rooms in the order of their addresses), then nothing but
//! the short locks of sinks. A user's seat changes only under the user's lock *and* the room's, so
//! "the user sits in room r" and "r lists the session" change together. No guard of a map is alive
//! while a lock is taken: get, clone the `Arc`, drop the guard. Nothing here waits; the registry is
//! synchronous.
//!
//! The code that empties a room marks it dead under its lock, and then removes it from the map if
//! the map still has that one. Code that finds a dead room does the same and tries again. Users are
//! treated alike: a user is dead once it has no connection.

use std::{
    hash::BuildHasher,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::{Notify, broadcast};
use united_voice_proto::voice::VoiceParticipant;

#[cfg(feature = "cluster")]
use crate::rooms::link::ClusterLink;
use crate::{
    ChannelId, CloseReason, ConnectError, SessionId, SignalSink, UserId,
    events::{VoiceEvent, VoiceEvents},
    rooms::{
        cell::{Members, Room, RoomCell},
        index::{ById, Identified, find, find_or_new, remove},
        room::MemberRef,
        user::{ConnectionEntry, User, UserCell},
    },
    stats::{Stats, counters::Counters},
    sync::{MutexGuard, interleave},
};

/// All voice channels of a server, and the users in each.
///
/// Cloning copies a pointer. Every method may be called from any thread. None waits for anything
/// but short locks. None may be called from inside a [`SignalSink`].
#[derive(Clone)]
pub struct VoiceRoomRegistry {
    pub(super) inner: Arc<RegistryInner>,
}

pub(crate) struct RegistryInner {
    rooms: ById<Room>,
    users: ById<User>,
    /// The number of the next session or connection. One counter serves both. That is safe because
    /// nothing ever compares a session with a connection: a number only has to differ from all
    /// others of its kind. It wraps around only after 2^64 of them.
    counter: AtomicU64,
    /// Rises with each change of the host's limits and bans: see `policy_changed`.
    policy: AtomicU64,
    shutting_down: AtomicBool,
    connections_per_user: usize,
    events: broadcast::Sender<VoiceEvent>,
    /// Set with the first listener, and never cleared. To ask the channel for its listeners would
    /// take a lock that all rooms share.
    observed: AtomicBool,
    pub(crate) counters: Counters,
    drain_guards: AtomicUsize,
    drained: Notify,
    /// What decides in the place of this process.
    #[cfg(feature = "cluster")]
    link: Option<ClusterLink>,
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

/// What `drained` waits for. Each `VoiceConnection` holds one, and so does a socket until its
/// closing handshake is over.
pub(crate) struct DrainGuard(Arc<RegistryInner>);

impl Drop for DrainGuard {
    fn drop(&mut self) {
        if self.0.drain_guards.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.drained.notify_waiters();
        }
    }
}

/// A state of the host's limits and bans: see [`VoiceRoomRegistry::policy_changed`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PolicyEpoch(u64);

impl PolicyEpoch {
    #[cfg(feature = "cluster")]
    pub(crate) const fn number(self) -> u64 {
        self.0
    }
}

impl VoiceRoomRegistry {
    /// An empty registry in which a user may have `connections_per_user` connections at the same
    /// time.
    pub fn new(connections_per_user: usize) -> Self {
        Self::linked(
            connections_per_user,
            #[cfg(feature = "cluster")]
            None,
        )
    }

    /// An empty registry for which the backend of a cluster decides, if there is one.
    pub(crate) fn linked(
        connections_per_user: usize,
        #[cfg(feature = "cluster")] link: Option<ClusterLink>,
    ) -> Self {
        let hasher = RandomState::default();
        // Random, so that a client cannot take a session id of a restarted server for an older one.
        let first = getrandom::u64().unwrap_or_else(|_| hasher.hash_one(0));
        Self {
            inner: Arc::new(RegistryInner {
                rooms: DashMap::with_hasher(hasher.clone()),
                users: DashMap::with_hasher(hasher),
                counter: AtomicU64::new(first),
                policy: AtomicU64::new(0),
                shutting_down: AtomicBool::new(false),
                connections_per_user,
                events: broadcast::Sender::new(VoiceEvents::CAPACITY),
                observed: AtomicBool::new(false),
                counters: Counters::default(),
                drain_guards: AtomicUsize::new(0),
                drained: Notify::new(),
                #[cfg(feature = "cluster")]
                link,
            }),
        }
    }

    /// The participants of a channel, in the order in which they joined. A channel that does not
    /// exist has none. In a cluster, neither has a channel in which this node has no member.
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
        members.members().map(MemberRef::to_proto).collect()
    }

    /// How many participants a channel has, as [`participants`](Self::participants) lists them.
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

    /// How many channels have participants.
    ///
    /// # Locking
    ///
    /// The lock of each shard of the map of rooms in turn.
    pub fn room_count(&self) -> usize {
        self.inner.rooms.len()
    }

    /// Notes that the limit of `channel`, or the permission to join it, has changed. Call it after
    /// the change was stored.
    ///
    /// When it returns, no join that asked the directory before can take a seat any more: it asks
    /// again. Present participants stay, even if they could not join any more.
    ///
    /// In a cluster it changes nothing: use `VoiceServer::policy_changed`.
    ///
    /// # Locking
    ///
    /// The room's lock.
    pub fn policy_changed(&self, channel: &ChannelId) {
        self.inner.policy.fetch_add(1, Ordering::SeqCst);
        // A join that had checked the epoch before holds the room's lock until it is over.
        if let Some(room) = self.inner.room(channel) {
            drop(room.state.lock());
        }
    }

    /// The events from now on, for the host's own logic.
    pub fn events(&self) -> VoiceEvents {
        let events = VoiceEvents::new(self.inner.events.subscribe());
        self.inner.observed.store(true, Ordering::SeqCst);
        events
    }

    /// Numbers for the host's metrics.
    ///
    /// # Locking
    ///
    /// The lock of each shard of the maps of rooms and users in turn. In a cluster also the lock of
    /// each room in turn.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        let mut stats = inner.counters.stats(inner.rooms.len(), inner.users.len());
        stats.remote_participants = inner.remote_participants();
        stats
    }

    /// How many connections there are.
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
        interleave();
        // The users are collected first. The iterator holds a guard of the map, and no guard may be
        // alive while a user's lock is taken.
        let users = self.inner.users.iter();
        let users: Vec<Arc<User>> = users.map(|entry| entry.key().get()).collect();
        for user in users {
            for connection in user.state.lock().connections() {
                connection.sink.close(CloseReason::GoingAway);
            }
        }
    }

    /// Waits until there is no connection left, and none whose closing handshake is under way.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn drained(&self) {
        loop {
            // Made before the count is read: if the last guard is dropped between the two, this
            // task is still woken.
            let notified = self.inner.drained.notified();
            if self.inner.drain_guards.load(Ordering::SeqCst) == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// What the rest of the crate asks of the registry.
impl VoiceRoomRegistry {
    pub(crate) fn drain_guard(&self) -> DrainGuard {
        self.inner.drain_guards.fetch_add(1, Ordering::SeqCst);
        DrainGuard(Arc::clone(&self.inner))
    }

    /// The cluster that decides in the place of this process, if there is one.
    #[cfg(feature = "cluster")]
    pub(crate) fn link(&self) -> Option<&ClusterLink> {
        self.inner.link()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.inner.counters
    }
}

impl RegistryInner {
    pub(crate) fn next_number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn next_session(&self) -> SessionId {
        SessionId::new(self.next_number())
    }

    pub(crate) fn policy_epoch(&self) -> PolicyEpoch {
        #[cfg(feature = "cluster")]
        if let Some(link) = &self.link {
            return PolicyEpoch(link.backend.policy_epoch());
        }
        PolicyEpoch(self.policy.load(Ordering::SeqCst))
    }

    /// Tells the host what happened. The event is made only if somebody listens.
    #[inline]
    pub(crate) fn publish(&self, event: impl FnOnce() -> VoiceEvent) {
        if self.observed.load(Ordering::Relaxed) {
            // It fails only if the last listener has just gone.
            let _ = self.events.send(event());
        }
    }

    pub(crate) fn room(&self, channel: &ChannelId) -> Option<Arc<Room>> {
        find(&self.rooms, channel.as_str())
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn link(&self) -> Option<&ClusterLink> {
        self.link.as_ref()
    }

    /// The rooms at present. No guard of the map is alive when it returns.
    #[cfg(feature = "cluster")]
    pub(crate) fn all_rooms(&self) -> Vec<Arc<Room>> {
        let rooms = self.rooms.iter();
        rooms.map(|entry| entry.key().get()).collect()
    }

    /// The members of other nodes in all rooms. They are counted when somebody asks, so that no
    /// change of a room has to keep a number right.
    #[cfg(feature = "cluster")]
    fn remote_participants(&self) -> u64 {
        if self.link().is_none() {
            return 0;
        }
        let rooms = self.all_rooms();
        let away = rooms.iter().map(|room| {
            let cell = room.state.lock();
            cell.open().map_or(0, |members| members.nodes().count())
        });
        away.sum::<usize>() as u64
    }

    #[cfg(not(feature = "cluster"))]
    const fn remote_participants(&self) -> u64 {
        0
    }

    pub(crate) fn room_or_new(&self, channel: &ChannelId) -> Arc<Room> {
        find_or_new(&self.rooms, channel.as_str(), || Room::new(channel.clone()))
    }

    /// Releases the rooms of a change. Nobody may be left in them: such a room is marked dead under
    /// its lock, so that nobody joins it, and removed when all locks of rooms are released.
    #[inline]
    pub(crate) fn release(
        &self,
        room: &Arc<Room>,
        mut cell: MutexGuard<'_, RoomCell>,
        old: Option<(&Arc<Room>, MutexGuard<'_, RoomCell>)>,
    ) {
        let dead = cell.retire_if_unattended();
        let old = old.and_then(|(old, mut cell)| cell.retire_if_unattended().then_some(old));
        drop(cell);
        if dead {
            self.remove_room(room);
        }
        if let Some(old) = old {
            self.remove_room(old);
        }
    }

    pub(crate) fn remove_room(&self, room: &Arc<Room>) {
        remove(&self.rooms, room);
    }

    pub(crate) fn user(&self, user: &UserId) -> Option<Arc<User>> {
        find(&self.users, user.as_str())
    }

    /// Enters connection `number` at its user.
    pub(crate) fn enter(
        &self,
        user: &UserId,
        number: u64,
        sink: Arc<dyn SignalSink>,
    ) -> Result<Arc<User>, ConnectError> {
        loop {
            let user = find_or_new(&self.users, user.as_str(), || {
                User::new(
                    user.clone(),
                    ConnectionEntry::new(number, Arc::clone(&sink)),
                )
            });
            let mut connections = user.state.lock();
            if connections.is_dead() {
                // The user's last connection ended between the look-up and the lock.
                drop(connections);
                self.remove_user(&user);
                continue;
            }
            // `find_or_new` may have made the user with this connection in it. It is taken out, so
            // that the limit counts only the others, and pushed again below.
            connections.remove(|present| present.number == number);
            if let Err(error) = self.may_connect(&connections) {
                drop(connections);
                // A user that was made for this connection alone has none now.
                self.forget_user_if_idle(&user);
                return Err(error);
            }
            connections.push(ConnectionEntry::new(number, sink));
            drop(connections);
            self.counters.connected();
            return Ok(user);
        }
    }

    /// Asked under the user's lock: `shutdown` visits every user after it has raised the flag, so
    /// no connection escapes both.
    fn may_connect(&self, connections: &UserCell) -> Result<(), ConnectError> {
        if self.shutting_down.load(Ordering::SeqCst) {
            Err(ConnectError::ShuttingDown)
        } else if connections.connections().len() >= self.connections_per_user {
            Err(ConnectError::TooManyConnections)
        } else {
            Ok(())
        }
    }

    /// Removes a user without connections from the map. The lock may be released before that:
    /// nobody connects to a dead user, so it cannot come to life again meanwhile.
    pub(crate) fn forget_user_if_idle(&self, user: &Arc<User>) {
        let is_dead = user.state.lock().is_dead();
        if is_dead {
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
