//! What the engine of a cluster decided: applied to this node's copies and told to its members.

mod copy;
mod joining;

use std::{
    fmt,
    sync::{Arc, Weak, atomic::Ordering},
};

use united_voice_proto::{decode, voice::VoiceError, ws::envelope::Payload};

use self::{
    copy::{install, lose, own_seats},
    joining::Joining,
};
use crate::{
    ChannelId, Codec, JoinError, NotInChannel, RelayError, RelayFailure, RequestError, SessionId,
    Signal, SinkError, Urgency, UserId, VoiceRoomRegistry,
    cluster::{
        Asked, AskedBy, Forward, ForwardedBy, Lost, Outcome, OwnSeat, Refusal, RosterMember, Said,
    },
    events::VoiceEvent,
    proto::voice::VoiceLeaveReason,
    rooms::{
        change::{Answer, Change, Locked},
        fanout::Fanout,
        registry::RegistryInner,
    },
};

/// The copies that a node has of the channels of its cluster. The backend tells it what the engine
/// decided, and what other nodes send.
///
/// Cloning copies a pointer. It does not keep the server alive: once the server is gone, its methods
/// do nothing.
///
/// # Order
///
/// The backend calls [`apply`](Self::apply), [`deliver`](Self::deliver) and [`said`](Self::said)
/// from one task, in the order of the node's inbox.
///
/// # Locking
///
/// Every method takes a user's lock, a room's lock, or both, and waits for nothing else. None may
/// be called from inside a method of [`Cluster`](crate::cluster::Cluster) that core calls under
/// locks.
#[derive(Clone)]
pub struct Replica(Weak<RegistryInner>);

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").finish_non_exhaustive()
    }
}

impl VoiceRoomRegistry {
    /// The way in for the backend of the registry's cluster.
    pub(crate) fn replica(&self) -> Replica {
        Replica(Arc::downgrade(&self.inner))
    }
}

impl Replica {
    fn registry(&self) -> Option<VoiceRoomRegistry> {
        let inner = self.0.upgrade()?;
        Some(VoiceRoomRegistry { inner })
    }

    /// Applies what the engine decided, and tells this node's members. `asked` is what came with
    /// the operation if this node proposed it, and nothing otherwise.
    pub fn apply(&self, asked: Option<Asked>, outcome: Outcome) {
        let Some(registry) = self.registry() else {
            return;
        };
        let asked = asked.unwrap_or_default().0;
        match outcome {
            Outcome::Joined {
                channel,
                member,
                ends,
                others,
            } => {
                let asked = match asked {
                    AskedBy::Join(asked) => Some(*asked),
                    _ => None,
                };
                Joining {
                    registry: &registry,
                    channel: &channel,
                    member,
                    ends: &ends,
                }
                .apply(asked, others);
            }
            Outcome::Left {
                channel,
                user,
                session,
                reason,
                reaped,
            } => {
                let left = registry.left(&asked, &channel, &user, session, reason);
                if reaped && left {
                    registry.inner.publish(|| VoiceEvent::Left {
                        channel,
                        user,
                        session,
                        reason,
                    });
                }
            }
            Outcome::State {
                channel,
                session,
                muted,
                deafened,
            } => {
                let change = Change::State {
                    session,
                    muted,
                    deafened,
                };
                if let Some(answer) = answer_to(&asked) {
                    registry.said(&channel, session, change, answer);
                }
            }
            Outcome::Refused(refusal) => registry.refused(asked, refusal),
        }
    }

    /// Delivers a message from a member on another node.
    ///
    /// # Errors
    ///
    /// [`RelayFailure`]: it was not delivered. The backend takes the failure back to the sender's
    /// node, which calls [`bounced`](Self::bounced).
    pub fn deliver(&self, message: Forward) -> Result<(), RelayFailure> {
        let registry = self.registry().ok_or(RelayFailure::TargetNotInChannel)?;
        let room = registry.inner.room(&message.channel);
        let room = room.ok_or(RelayFailure::TargetNotInChannel)?;
        let mut fanout = Fanout::default();
        let delivered = {
            let cell = room.state.lock();
            let members = cell.open().ok_or(RelayFailure::TargetNotInChannel)?;
            if members.position_of(message.sender.session).is_none() {
                return Err(RelayFailure::NotInChannel);
            }
            let target = members.find(message.target_user.as_str());
            let target = target.filter(|target| target.participant.is_here());
            let target = target.ok_or(RelayFailure::TargetNotInChannel)?;
            if target.session != message.target {
                return Err(if message.named {
                    RelayFailure::StaleSession
                } else {
                    RelayFailure::TargetNotInChannel
                });
            }
            let signal = relayed_signal(message.codec, message.frame)?;
            fanout.try_deliver_only(&target.participant.user, target.handle, signal)
        };
        registry.evict_all(fanout);
        delivered.map_err(|error| match error {
            SinkError::Busy => RelayFailure::TargetBusy,
            SinkError::Full | SinkError::Closed => RelayFailure::TargetNotInChannel,
        })
    }

    /// Tells a member of this node that its message could not be delivered. If the connection is
    /// gone, nothing happens.
    pub fn bounced(&self, sender: &ForwardedBy, channel: &ChannelId, why: RelayFailure) {
        if let Some(registry) = self.registry() {
            let error = RequestError::from(RelayError::new(why, channel.as_str()));
            let to = (&sender.user, sender.connection);
            registry.answer(to, &sender.request_id, channel, &error);
        }
    }

    /// Tells this node's members that a member on another node began or stopped speaking.
    pub fn said(&self, said: &Said) {
        if let Some(registry) = self.registry() {
            let change = Change::Speaking {
                session: said.session,
                speaking: said.speaking,
            };
            registry.said(&said.channel, said.session, change, Answer::None);
        }
    }

    /// Puts the engine's roster in the place of this node's copy, and tells its members the
    /// difference. Members of this node stay as they are: see [`lost`](Self::lost). Nothing happens
    /// if this node has no copy.
    pub fn install(&self, channel: &ChannelId, roster: Vec<RosterMember>) {
        let Some(registry) = self.registry() else {
            return;
        };
        let inner = &registry.inner;
        let (Some(link), Some(room)) = (inner.link(), inner.room(channel)) else {
            return;
        };
        let mut fanout = Fanout::default();
        {
            let mut cell = room.state.lock();
            if let Some(members) = cell.open_mut() {
                install(inner, link, &room, members, roster, &mut fanout);
            }
        }
        registry.evict_all(fanout);
    }

    /// The seats of this node's connections.
    ///
    /// # Locking
    ///
    /// The lock of each shard of the map of rooms, then the lock of each room, in turn. A seat may
    /// have changed when it is returned.
    pub fn seats(&self) -> Vec<OwnSeat> {
        let Some(registry) = self.registry() else {
            return Vec::new();
        };
        let rooms = registry.inner.all_rooms();
        rooms.iter().flat_map(|room| own_seats(room)).collect()
    }

    /// Takes a seat from a connection of this node: the engine has given it to another, or has lost
    /// it. The other members of this node are told.
    pub fn lost(&self, user: &UserId, channel: &ChannelId, session: SessionId, why: Lost) {
        let Some(registry) = self.registry() else {
            return;
        };
        let inner = &registry.inner;
        let who = inner.user(user);
        let mut connections = who.as_ref().map(|who| who.state.lock());
        if let Some(connections) = &mut connections {
            connections.take_seat(session);
        }
        let Some(room) = inner.room(channel) else {
            return;
        };
        let mut fanout = Fanout::default();
        let mut cell = room.state.lock();
        if let Some(members) = cell.open_mut() {
            lose(inner, &room, members, session, why, &mut fanout);
        }
        let dead = cell.retire_if_unattended();
        drop(cell);
        drop(connections);
        if dead {
            inner.remove_room(&room);
        }
        registry.evict_all(fanout);
    }

    /// Says whether the engine answers. While it does not, this node tells its own members of
    /// leaves and states at once. The backend keeps the operations, and sends them later.
    ///
    /// Operations that wait when this is called with `true` stay untold. The backend applies those
    /// leaves and states itself, by [`apply`](Self::apply), and drops the joins.
    pub fn set_cut_off(&self, cut_off: bool) {
        if let Some(registry) = self.registry()
            && let Some(link) = registry.inner.link()
        {
            link.cut_off.store(cut_off, Ordering::SeqCst);
        }
    }
}

impl VoiceRoomRegistry {
    /// Tells a connection of this node that its request was refused. If the connection is gone,
    /// nothing happens.
    fn answer(
        &self,
        (user, connection): (&UserId, u64),
        request_id: &str,
        channel: &ChannelId,
        error: &RequestError,
    ) {
        let Some(who) = self.inner.user(user) else {
            return;
        };
        self.inner.counters.error(error.code());
        let payload = Payload::VoiceError(VoiceError {
            code: error.code().into(),
            message: error.message().into(),
            channel_id: channel.as_str().into(),
        });
        let signal = Signal::new(request_id, payload, Urgency::Reply);
        let mut fanout = Fanout::default();
        if let Some(connection) = who.state.lock().connection(connection) {
            fanout.deliver_only(user, &connection.sink, signal);
        }
        self.evict_all(fanout);
    }

    fn refused(&self, asked: AskedBy, refusal: Refusal) {
        match asked {
            AskedBy::Join(asked) => {
                // If the join was given up, its client has its answer.
                let _ = asked.answer.send(Err(refusal.into()));
            }
            AskedBy::Reply(to) => {
                let error = RequestError::from(NotInChannel);
                let error = error.in_channel(to.channel.as_str());
                self.answer(
                    (&to.user, to.connection),
                    &to.request_id,
                    &to.channel,
                    &error,
                );
            }
            AskedBy::Nobody | AskedBy::Told => {}
        }
    }

    /// Ends a stay. Returns whether this node knew of it.
    fn left(
        &self,
        asked: &AskedBy,
        channel: &ChannelId,
        user: &UserId,
        session: SessionId,
        reason: VoiceLeaveReason,
    ) -> bool {
        let Some(room) = self.inner.room(channel) else {
            return false;
        };
        let who = self.inner.user(user);
        let mut connections = who.as_ref().map(|who| who.state.lock());
        let mut fanout = Fanout::default();
        let mut cell = room.state.lock();
        let mut known = false;
        if let Some(members) = cell.open_mut() {
            known = members.position_of(session).is_some();
            let mut locked = Locked {
                registry: &self.inner,
                user,
                connections: connections.as_deref_mut(),
                room: &room,
                members,
                old: None,
            };
            let answer = answer_to(asked).unwrap_or(Answer::None);
            locked.apply(Change::Leave { session, reason }, answer, &mut fanout);
        }
        let dead = cell.retire_if_unattended();
        drop(cell);
        drop(connections);
        if dead {
            self.inner.remove_room(&room);
        }
        self.evict_all(fanout);
        known
    }

    /// Applies what a member says about itself.
    fn said(&self, channel: &ChannelId, session: SessionId, change: Change, answer: Answer<'_>) {
        let Some(room) = self.inner.room(channel) else {
            return;
        };
        let mut fanout = Fanout::default();
        {
            let mut cell = room.state.lock();
            let Some(members) = cell.open_mut() else {
                return;
            };
            let position = members.position_of(session);
            let Some(user) = position
                .and_then(|position| members.user_at(position))
                .cloned()
            else {
                return;
            };
            let mut locked = Locked {
                registry: &self.inner,
                user: &user,
                connections: None,
                room: &room,
                members,
                old: None,
            };
            locked.apply(change, answer, &mut fanout);
        }
        self.evict_all(fanout);
    }
}

impl From<Refusal> for JoinError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::ChannelFull,
            Refusal::PolicyChanged => Self::PolicyChanged,
            Refusal::Unavailable | Refusal::NotInChannel => Self::Undecided,
        }
    }
}

/// How the member is told. `None` if this node has told everybody already.
fn answer_to(asked: &AskedBy) -> Option<Answer<'_>> {
    match asked {
        AskedBy::Told => None,
        AskedBy::Reply(to) => Some(Answer::Reply(&to.request_id)),
        AskedBy::Nobody | AskedBy::Join(_) => Some(Answer::Event),
    }
}

/// The signal of a frame that another node made. The frame is read once here, so that bytes that
/// were damaged on the way cannot reach a client.
fn relayed_signal(codec: Codec, frame: bytes::Bytes) -> Result<Signal, RelayFailure> {
    let damaged = RelayFailure::Unreachable;
    decode(codec, &frame, usize::MAX).map_err(|_| damaged)?;
    match codec {
        #[cfg(feature = "json")]
        Codec::Json => {
            let text = bytestring::ByteString::try_from(frame).map_err(|_| damaged)?;
            Ok(Signal::from_text(text, Urgency::Relay))
        }
        _ => Ok(Signal::from_frame(frame, Urgency::Relay)),
    }
}
