//! What the engine of a cluster decided: applied to this node's copies and told to its members.

mod copy;
mod joining;
mod stay;

use std::{
    fmt, mem,
    sync::{Arc, Weak},
};

use tokio::sync::oneshot;
use united_voice_proto::decode;

use self::{
    copy::{install, lose, own_seats, superseded},
    joining::Joining,
};
use crate::{
    ChannelId, Codec, JoinError, RelayError, RelayFailure, RequestError, SessionId, Signal,
    SinkError, Urgency, UserId, VoiceRoomRegistry,
    cluster::{Asked, AskedBy, Forward, ForwardedBy, Lost, Outcome, OwnSeat, RosterMember, Said},
    rooms::{
        change::{Answer, Change},
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
/// The backend calls all methods from one task, and [`apply`](Self::apply),
/// [`deliver`](Self::deliver) and [`said`](Self::said) in the order of the node's inbox.
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
            } => registry.left(&asked, &channel, &user, (session, reason), reaped),
            Outcome::State {
                channel,
                session,
                muted,
                deafened,
            } => registry.stated(&asked, &channel, session, (muted, deafened)),
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
            let target = target.ok_or(RelayFailure::TargetNotInChannel)?;
            if target.session != message.target {
                return Err(if message.named {
                    RelayFailure::StaleSession
                } else {
                    RelayFailure::TargetNotInChannel
                });
            }
            if !target.participant.is_here() {
                return Err(RelayFailure::TargetNotInChannel);
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
            registry.counters().relay_refused(why);
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
            registry.change(&said.channel, said.session, change, Answer::None);
        }
    }

    /// Puts the engine's roster in the place of this node's copy, and tells its members the
    /// difference. Nothing happens if this node has no copy.
    ///
    /// A member of this node stays, also if the roster lacks it: see [`lost`](Self::lost). But if the
    /// roster has another session of the same user, that session has the seat now, and this member
    /// loses it:
    ///
    /// - The other session is on another node: the member is told that it was superseded.
    /// - It is on this node: no connection has it, since the join was refused although the engine did
    ///   it. The member's connection is closed ([`Lost::Gone`]). So leave out a session of this node
    ///   if the outcome of its join is still to come.
    ///
    /// Returns how many members of this node have lost their seats.
    pub fn install(&self, channel: &ChannelId, roster: Vec<RosterMember>) -> usize {
        let Some(registry) = self.registry() else {
            return 0;
        };
        let inner = &registry.inner;
        let (Some(link), Some(room)) = (inner.link(), inner.room(channel)) else {
            return 0;
        };
        // Before the room is locked: a seat is taken under its user's lock first.
        let superseded = superseded(&room, &roster);
        let lost = superseded
            .iter()
            .filter(|(user, session, why)| self.lost(user, channel, *session, *why, false));
        let lost = lost.count();
        let mut fanout = Fanout::default();
        {
            let mut cell = room.state.lock();
            if let Some(members) = cell.open_mut() {
                install(inner, link, &room, members, roster, &mut fanout);
            }
        }
        registry.evict_all(fanout);
        lost
    }

    /// The seats of this node, for the engine after it has lost them.
    ///
    /// They include stays whose end still waits for the engine. So a backend that puts seats back
    /// does that first, and then sends what waits. Before that, it applies all outcomes that have
    /// come: a stay that ended in one of them must not be put back.
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
    ///
    /// `reaped` says that another node ended the stay in the place of this one
    /// ([`Outcome::Left`]). Then the host has heard of the end there, and does not hear of it here.
    ///
    /// Returns false if the session had ended before.
    pub fn lost(
        &self,
        user: &UserId,
        channel: &ChannelId,
        session: SessionId,
        why: Lost,
        reaped: bool,
    ) -> bool {
        let Some(registry) = self.registry() else {
            return false;
        };
        let inner = &registry.inner;
        let who = inner.user(user);
        let mut connections = who.as_ref().map(|who| who.state.lock());
        if let Some(connections) = &mut connections {
            connections.take_seat(session);
        }
        let Some(room) = inner.room(channel) else {
            return false;
        };
        let mut fanout = Fanout::default();
        let mut cell = room.state.lock();
        let was_here = cell.open_mut().is_some_and(|members| {
            lose(inner, &room, members, session, (why, reaped), &mut fanout)
        });
        inner.release(&room, cell, None);
        drop(connections);
        registry.evict_all(fanout);
        was_here
    }

    /// Says whether the engine answers. While it does not, this node tells its own members of
    /// leaves and states at once. The backend keeps those operations, and sends them later.
    ///
    /// [The module](crate::cluster#if-the-engine-goes-away) says what else the backend does then.
    ///
    /// # Locking
    ///
    /// A lock that core holds while it calls [`Cluster::propose`](crate::cluster::Cluster::propose)
    /// for a leave or a state. When this returns, each such operation was either given to the
    /// backend before, or comes with an `asked` that needs nothing more. The leave that undoes a join in
    /// doubt is the exception: it comes at any time, nobody is told of it now, and its outcome or the
    /// next [`undecided`](Self::undecided) ends the seat.
    pub fn set_cut_off(&self, cut_off: bool) {
        if let Some(registry) = self.registry()
            && let Some(link) = registry.inner.link()
        {
            *link.cut_off.lock() = cut_off;
        }
    }

    /// Answers an operation that has no outcome yet, because the node was cut off. A leave and a
    /// state are told to this node's members now. A join is refused.
    ///
    /// The backend calls it for each `asked` that it has, in the order of the operations, also of
    /// those that it has sent. It sends leaves and states all the same, drops a join that it has
    /// not sent, and keeps `asked` for the outcome of all others. If the outcome says that the join
    /// was done, core undoes it. Otherwise the outcome changes nothing more on this node.
    ///
    /// # Locking
    ///
    /// None for a join. For a leave and a state, those of the other methods: a backend whose own
    /// lock guards `asked` first puts [`Asked::told`] in its place.
    pub fn undecided(&self, asked: &mut Asked) {
        let Some(registry) = self.registry() else {
            return;
        };
        asked.0 = match mem::take(&mut asked.0) {
            AskedBy::Change(wanted) => {
                registry.tell_now(&wanted);
                AskedBy::Told
            }
            AskedBy::Join(mut join) => {
                // Nobody listens to the other answer that comes later, so that one is given up.
                let (given_up, _) = oneshot::channel();
                let answer = mem::replace(&mut join.answer, given_up);
                let _ = answer.send(Err(JoinError::Undecided));
                AskedBy::Join(join)
            }
            other => other,
        };
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
