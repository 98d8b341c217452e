//! One connection of one user: all that a client can do.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::MutexGuard;
use united_voice_proto::{
    voice::{VoiceLeaveReason, VoiceParticipant},
    ws::envelope::Payload,
};

use crate::{
    ChannelId, Profile, SessionId, Signal, SinkError, Urgency, UserId, VoiceRoomRegistry,
    error::{JoinError, NotInChannel},
    rooms::fanout::Fanout,
    rooms::join::Join,
    rooms::registry::{Lease, PolicyEpoch, RegistryInner, Room, RoomCell},
    rooms::user::{Seat, User, UserCell},
};

/// One connection of one user.
///
/// Dropping it is the disconnect: a seat taken over it is given up and the others are told `DISCONNECTED`, unless the
/// seat has gone to another connection meanwhile. A user may have several; at most one of them has a seat.
///
/// Methods take a `request_id` where the client is answered: the answer goes through the connection's own sink, so that
/// it stands in order with the events.
pub struct VoiceConnection {
    pub(crate) registry: VoiceRoomRegistry,
    pub(crate) user: Arc<User>,
    pub(crate) connection: u64,
    ice_grants: AtomicU64,
    _lease: Lease,
}

/// What a join found: the material of the response.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinSnapshot {
    /// The others, in the order in which they joined.
    pub participants: Vec<VoiceParticipant>,
    /// More than [`SOFT_CAP`](crate::SOFT_CAP) are in the channel now.
    pub quality_warning: bool,
    /// The joiner's session.
    pub session: SessionId,
}

/// How a client wants to join.
#[derive(Debug, Clone)]
pub struct JoinTerms {
    /// The policy under which the directory was asked.
    pub policy: PolicyEpoch,
    /// How the others see the user. Ignored on a rejoin over the same connection.
    pub profile: Profile,
    /// The hard limit.
    pub max_participants: Option<NonZeroU32>,
}

impl VoiceConnection {
    pub(crate) fn new(registry: VoiceRoomRegistry, user: Arc<User>, connection: u64) -> Self {
        Self {
            _lease: registry.inner.lease(),
            registry,
            user,
            connection,
            ice_grants: AtomicU64::new(0),
        }
    }

    /// Whose connection it is.
    pub fn user(&self) -> &UserId {
        &self.user.id
    }

    /// The channel in which this connection has a seat, and the session's name.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn seat(&self) -> Option<(ChannelId, SessionId)> {
        let cell = self.user.state.lock();
        let seat = cell.connection(self.connection)?.seat.as_ref()?;
        Some((seat.room.id.clone(), seat.session))
    }

    /// Joins a channel, or moves there, or takes the seat over from another connection of the same user, or takes a
    /// fresh snapshot where this connection sits there already. One step: it is checked first, then changed, then told,
    /// and a join that is refused changes nothing.
    ///
    /// `respond` makes the response out of the snapshot; it is delivered before any event of the channel. It is called
    /// under locks and must be quick.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's or both rooms' by address; those of members that turn out to be too slow follow.
    pub fn join_channel(
        &self,
        channel: &ChannelId,
        terms: JoinTerms,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
    ) -> Result<SessionId, JoinError> {
        let mut fanout = Fanout::default();
        let result = self.join_under_lock(channel, terms, respond, &mut fanout);
        self.registry.evict_all(fanout);
        result
    }

    fn join_under_lock(
        &self,
        channel: &ChannelId,
        terms: JoinTerms,
        respond: impl FnOnce(JoinSnapshot) -> Signal,
        fanout: &mut Fanout,
    ) -> Result<SessionId, JoinError> {
        let mut user = self.user.state.lock();
        let mine = user.connection(self.connection);
        let sink = Arc::clone(&mine.ok_or(JoinError::SessionClosed)?.sink);
        let inner = &*self.registry.inner;
        loop {
            let room = inner.room_or_new(channel);
            let old_room = user.seat().map(|seat| Arc::clone(&seat.room));
            let (mut cell, mut old_cell) = lock_both(&room, old_room.as_ref());
            let RoomCell::Open(members) = &mut *cell else {
                drop((cell, old_cell));
                inner.remove_room(&room);
                continue;
            };
            let mut join = Join {
                session: self,
                room: &room,
                members,
                old_members: old_cell.as_deref_mut().map(RoomCell::seated),
                user: &mut user,
                fanout,
            };
            let result = join.run(&sink, terms, respond);
            let dead = RegistryInner::retire_if_empty(&mut cell);
            let old_dead = old_cell
                .as_deref_mut()
                .is_some_and(RegistryInner::retire_if_empty);
            drop((cell, old_cell));
            if dead {
                inner.remove_room(&room);
            }
            if let Some(old_room) = old_room.filter(|_| old_dead) {
                inner.remove_room(&old_room);
            }
            return result;
        }
    }

    /// Gives up the seat. The others get the leave event, this connection the same with `request_id`.
    ///
    /// # Errors
    ///
    /// [`NotInChannel`] where this connection has no seat in `channel`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's.
    pub fn leave_channel(&self, channel: &str, request_id: &str) -> Result<(), NotInChannel> {
        let mut fanout = Fanout::default();
        {
            let mut user = self.user.state.lock();
            let mine = user.connection_mut(self.connection);
            let seat = mine.and_then(|mine| mine.seat.take_if(|seat| seat.is_in(channel)));
            let seat = seat.ok_or(NotInChannel)?;
            let reason = VoiceLeaveReason::Left;
            let gone = self.registry.vacate(seat, reason, &mut fanout);
            gone.tell(&mut fanout, request_id, Urgency::Reply);
        }
        self.registry.evict_all(fanout);
        Ok(())
    }

    /// Answers a request of this connection.
    ///
    /// # Errors
    ///
    /// [`SinkError`] of the connection's sink; `Closed` also where the library closed the connection.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn reply(&self, request_id: &str, payload: Payload) -> Result<(), SinkError> {
        let signal = Signal::new(request_id, payload, Urgency::Reply);
        let user = self.user.state.lock();
        let mine = user.connection(self.connection);
        mine.ok_or(SinkError::Closed)?.sink.deliver_owned(signal)
    }

    /// Ends the connection as one that reads too slowly, for hosts whose own traffic found its queue full: the others are
    /// told `EVICTED`, and the sink is closed with [`CloseReason::SlowConsumer`](crate::CloseReason::SlowConsumer).
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn evict(&self) {
        self.registry.evict_connection(&self.user, self.connection);
    }

    /// Sends something unasked to this connection; one that can't take it is evicted.
    pub(crate) fn notify(&self, payload: Payload) {
        let signal = Signal::new("", payload, Urgency::Event);
        let mut fanout = Fanout::default();
        if let Some(mine) = self.user.state.lock().connection(self.connection) {
            fanout.deliver_owned(&self.user.id, &mine.sink, signal);
        }
        self.registry.evict_all(fanout);
    }

    /// How often this connection was given TURN credentials: when it changes, their clock starts anew.
    pub fn ice_grants(&self) -> u64 {
        self.ice_grants.load(Ordering::Relaxed)
    }

    pub(crate) fn granted_ice(&self) {
        self.ice_grants.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn registry(&self) -> &VoiceRoomRegistry {
        &self.registry
    }

    pub(crate) fn seat_in<'a>(
        &self,
        user: &'a MutexGuard<'_, UserCell>,
        channel: &str,
    ) -> Result<&'a Seat, NotInChannel> {
        let mine = user.connection(self.connection);
        let seat = mine.and_then(|mine| mine.seat.as_ref());
        seat.filter(|seat| seat.is_in(channel)).ok_or(NotInChannel)
    }
}

impl Drop for VoiceConnection {
    fn drop(&mut self) {
        let mut fanout = Fanout::default();
        {
            let mut user = self.user.state.lock();
            let mine = user.remove(|connection| connection.number == self.connection);
            if let Some(seat) = mine.and_then(|mine| mine.seat) {
                let reason = VoiceLeaveReason::Disconnected;
                self.registry.vacate(seat, reason, &mut fanout);
            }
        }
        self.registry.inner.forget_user_if_idle(&self.user);
        self.registry.inner.counters.disconnected();
        self.registry.evict_all(fanout);
    }
}

impl fmt::Debug for VoiceConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceConnection")
            .field("user", &self.user.id)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}

type RoomGuards<'a> = (MutexGuard<'a, RoomCell>, Option<MutexGuard<'a, RoomCell>>);

/// Locks the room to join and, where it is another, the room to leave: by address, so that two moves in opposite
/// directions can't wait for each other.
fn lock_both<'a>(room: &'a Arc<Room>, old: Option<&'a Arc<Room>>) -> RoomGuards<'a> {
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
