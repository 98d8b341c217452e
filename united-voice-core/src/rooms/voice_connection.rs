//! One connection of one user: the handle that a host keeps. What it can do stands in `join.rs`,
//! `leave.rs`, `relay.rs` and `state.rs`.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use united_voice_proto::{RelayKind, ws::envelope::Payload};

use crate::{
    ChannelId, ConnectError, NotInChannel, SessionId, Signal, SignalSink, SinkError, Urgency,
    UserId, VoiceRoomRegistry,
    rooms::{
        fanout::Fanout,
        registry::DrainGuard,
        user::{Seat, User, UserCell},
    },
};

/// One connection of one user.
///
/// Dropping it is the disconnect: it gives up its seat, and the others are told `DISCONNECTED`,
/// unless the seat has gone to another connection meanwhile. A user may have several connections;
/// at most one of them has a seat.
///
/// A method that answers the client takes a `request_id`. The answer goes through the connection's
/// own sink, so that it keeps its place among the events.
pub struct VoiceConnection {
    pub(super) registry: VoiceRoomRegistry,
    pub(super) user: Arc<User>,
    /// Names this connection among those of its user.
    pub(super) number: u64,
    ice_grants: AtomicU64,
    /// `VoiceRoomRegistry::drained` waits until it is dropped.
    _drain_guard: DrainGuard,
}

impl VoiceRoomRegistry {
    /// Registers a connection of `user`, whose signals go to `sink`. Dropping the connection is the
    /// disconnect.
    ///
    /// # Errors
    ///
    /// [`ConnectError::ShuttingDown`] after [`shutdown`](Self::shutdown),
    /// [`ConnectError::TooManyConnections`] if the user has as many as a user may have.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn connect(
        &self,
        user: &UserId,
        sink: Arc<dyn SignalSink>,
    ) -> Result<VoiceConnection, ConnectError> {
        // Made before the connection is entered. Otherwise the registry could count as drained
        // although a connection has just come in.
        let drain_guard = self.drain_guard();
        let number = self.inner.next_number();
        let entered = self.inner.enter(user, number, sink);
        let user = entered.inspect_err(|error| self.inner.counters.refused(error.label()))?;
        Ok(VoiceConnection {
            _drain_guard: drain_guard,
            registry: self.clone(),
            user,
            number,
            ice_grants: AtomicU64::new(0),
        })
    }
}

impl VoiceConnection {
    /// The user that this connection belongs to.
    pub fn user(&self) -> &UserId {
        &self.user.id
    }

    /// The channel in which this connection has a seat, and the session.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn seat(&self) -> Option<(ChannelId, SessionId)> {
        let connections = self.user.state.lock();
        let seat = connections.connection(self.number)?.seat.as_ref()?;
        Some((seat.room.id.clone(), seat.session))
    }

    /// Answers a request of this connection.
    ///
    /// # Errors
    ///
    /// [`SinkError`] of the connection's sink; `Closed` also if the library closed the connection.
    ///
    /// # Locking
    ///
    /// The user's lock.
    pub fn reply(&self, request_id: &str, payload: Payload) -> Result<(), SinkError> {
        let signal = Signal::new(request_id, payload, Urgency::Reply);
        let connections = self.user.state.lock();
        let mine = connections.connection(self.number);
        mine.ok_or(SinkError::Closed)?.sink.deliver_owned(signal)
    }

    /// Sends something unasked to this connection. If the sink cannot take it, the connection is
    /// evicted.
    pub(crate) fn notify(&self, payload: Payload) {
        let signal = Signal::new("", payload, Urgency::Event);
        let mut fanout = Fanout::default();
        if let Some(mine) = self.user.state.lock().connection(self.number) {
            fanout.deliver_only(&self.user.id, &mine.sink, signal);
        }
        self.registry.evict_all(fanout);
    }

    /// How often this connection was given TURN credentials. If the number has changed, the
    /// credentials are new and their lifetime has begun again.
    pub fn ice_grants(&self) -> u64 {
        self.ice_grants.load(Ordering::Relaxed)
    }

    pub(crate) fn granted_ice(&self) {
        self.ice_grants.fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn count_relay(&self, kind: RelayKind) {
        self.registry.inner.counters.relayed(kind, self.number);
    }

    pub(crate) fn registry(&self) -> &VoiceRoomRegistry {
        &self.registry
    }

    /// This connection's seat, if it is in `channel`.
    #[inline]
    pub(crate) fn seat_in<'a>(
        &self,
        connections: &'a UserCell,
        channel: &str,
    ) -> Result<&'a Seat, NotInChannel> {
        let mine = connections.connection(self.number);
        let seat = mine.and_then(|mine| mine.seat.as_ref());
        seat.filter(|seat| seat.is_in(channel)).ok_or(NotInChannel)
    }
}

impl fmt::Debug for VoiceConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceConnection")
            .field("user", &self.user.id)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
