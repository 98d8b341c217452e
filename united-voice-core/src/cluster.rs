//! The seam for several processes that share their channels (feature `cluster`).
//!
//! A *node* is one server process. The *backend* is the host's way to the *engine*, which decides
//! for all nodes and has the one truth about seats. Core asks the backend through [`Cluster`]. The
//! backend tells core what was decided through [`Replica`].
//!
//! # How a change goes
//!
//! A node changes a room only if the engine has decided it. A join, a leave and a state become an
//! [`Operation`]. The engine runs the operations of all nodes one after the other. It sends each
//! [`Outcome`] to every node with a member in the room, and to the node that asked. Each node gets
//! its outcomes in the engine's order, and applies and tells them in that order. So the members on
//! all nodes see one order.
//!
//! Two things do not go through the engine. A relay goes straight to the node of its target
//! ([`Forward`]). Speaking is told to the members of the same node at once, and goes straight to
//! the other nodes ([`Said`]).
//!
//! # Copies
//!
//! A node has a copy of each room in which it has a member, and of no other room. The outcome of a
//! join brings the roster if the node had no member in the room. The outcome by which its last
//! member goes ends the copy.
//!
//! # If the engine goes away
//!
//! A backend that gets no answer lets requests wait for a while. Then it says that the node is cut
//! off:
//!
//! 1. From now on it refuses joins and messages, and applies no outcome.
//! 2. It calls [`Replica::set_cut_off`]. From now on core tells leaves
//!    and states at once.
//! 3. It calls [`Replica::undecided`] for each operation that has no
//!    outcome yet, in their order.
//! 4. It refuses the messages that wait, by [`Replica::bounced`] with
//!    [`RelayFailure::Unreachable`].
//!
//! When the engine is back, it undoes the first two steps, and sends the leaves and states before
//! anything new. Their order must be kept: a leave that is behind a new join of the user would be
//! too late.
//!
//! # If the engine lost something
//!
//! The backend first applies all outcomes that it has, because a stay that ended in one of them
//! must not come back. Then it puts the [`seats`](Replica::seats) of the node back at the
//! engine, and sends what waits. It takes those away that the engine refuses
//! ([`Replica::lost`]). Once all nodes have done so, it compares the rosters
//! ([`Replica::install`]), each at its place among the outcomes.

mod asked;

use std::num::NonZeroU32;

use async_trait::async_trait;
use bytes::Bytes;
use united_voice_proto::voice::{VoiceLeaveReason, VoiceParticipant};

pub use self::asked::Asked;
pub(crate) use self::asked::{AskedBy, JoinAsked, Respond, Wanted, WantedChange};
use crate::{ChannelId, Codec, Profile, SessionId, UserId};
pub use crate::{error::RelayFailure, rooms::replica::Replica};

/// One server process. A process that starts again is another node.
///
/// It is never sent to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(NonZeroU32);

impl NodeId {
    /// The node with this number. The backend makes sure that no two present nodes have the same.
    pub const fn new(number: NonZeroU32) -> Self {
        Self(number)
    }

    /// The number of the node.
    pub const fn get(self) -> NonZeroU32 {
        self.0
    }
}

/// What core asks of the backend.
///
/// # Order
///
/// [`propose`](Self::propose), [`forward`](Self::forward) and [`speaking`](Self::speaking) keep one
/// order for each session: what was called later takes effect later. Speaking may also be merged or
/// dropped.
///
/// # Locking
///
/// These three methods and [`policy_epoch`](Self::policy_epoch) must not wait, and must not call
/// the registry, a connection or the [`Replica`]: core calls them under the lock of
/// a user, and `forward` and `speaking` also under that of a room.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Asks the engine to decide something. The outcome comes through
    /// [`Replica::apply`] exactly once, together with what stands in the
    /// operation's `asked`.
    ///
    /// # Errors
    ///
    /// [`Saturated`] if too much waits for the engine, or if the engine does not answer. Only a
    /// join may be refused. A leave or a state must wait for as long as that takes. The backend may
    /// merge the waiting states of one session into the last. Then it calls
    /// [`Replica::apply`] with the last state for each of them.
    fn propose(&self, operation: Operation) -> Result<(), Saturated>;

    /// Passes a message to the node of its target, which calls [`Replica::deliver`].
    ///
    /// # Errors
    ///
    /// [`Saturated`] if too much waits, or if the node cannot be reached: the sender is told.
    fn forward(&self, to: NodeId, message: Forward) -> Result<(), Saturated>;

    /// Tells other nodes that a member began or stopped speaking. They call [`Replica::said`].
    fn speaking(&self, to: &[NodeId], said: Said);

    /// The number of the latest policy that this node knows of. It may be old, but never too new.
    ///
    /// When the backend applies [`Refusal::PolicyChanged`], this must be newer than the refused
    /// operation's `policy`. Otherwise the join asks again under the same number, and after five
    /// times it is `UNAVAILABLE`.
    fn policy_epoch(&self) -> u64;

    /// Gives the policy a new number. When it returns, no node lets anybody join under an older
    /// one.
    ///
    /// # Errors
    ///
    /// [`CutOff`]: whether the number has changed is not known.
    async fn policy_changed(&self) -> Result<(), CutOff>;

    /// The participants of a channel on all nodes, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// [`CutOff`].
    async fn roster(&self, channel: &ChannelId) -> Result<Vec<VoiceParticipant>, CutOff>;

    /// How many participants each of these channels has, on all nodes.
    ///
    /// # Errors
    ///
    /// [`CutOff`].
    async fn counts(&self, channels: &[ChannelId]) -> Result<Vec<usize>, CutOff>;

    /// Ends the stays that `which` names, on all nodes. Returns how many there were, once this node
    /// has applied what concerns it.
    ///
    /// # Errors
    ///
    /// [`CutOff`]: whether it has happened is not known.
    async fn end(&self, which: Ending, reason: VoiceLeaveReason) -> Result<usize, CutOff>;

    /// Gives up all seats of this node: the process is about to end.
    async fn close(&self);
}

/// Which stays the host ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The stay of a user, in whichever channel.
    User(UserId),
    /// The stay of a user, if it is in this channel.
    UserIn(UserId, ChannelId),
    /// All stays in a channel.
    Channel(ChannelId),
}

/// What a node asks the engine to decide.
#[derive(Debug)]
#[non_exhaustive]
pub enum Operation {
    /// A user takes a seat, and gives up the one they have.
    ///
    /// The engine refuses it if the policy is older than the present one
    /// ([`Refusal::PolicyChanged`]), or if the channel has `limit` members and the user is none of
    /// them ([`Refusal::Full`]).
    #[non_exhaustive]
    Join {
        /// The session that begins. It is unique among all nodes.
        session: SessionId,
        /// The user that joins.
        user: UserId,
        /// The channel to join.
        channel: ChannelId,
        /// How the others see the user.
        profile: Profile,
        /// How many members the channel may have; `None` for no limit.
        limit: Option<NonZeroU32>,
        /// The policy under which the directory was asked.
        policy: u64,
        /// Who asked.
        asked: Asked,
    },
    /// A session ends. If it has ended already, the outcome is [`Refusal::NotInChannel`].
    #[non_exhaustive]
    Leave {
        /// The session.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its channel.
        channel: ChannelId,
        /// What the others are told.
        reason: VoiceLeaveReason,
        /// Who asked.
        asked: Asked,
    },
    /// A member says whether its microphone and its headphones are off. If the session has ended,
    /// the outcome is [`Refusal::NotInChannel`].
    #[non_exhaustive]
    State {
        /// The session.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its channel.
        channel: ChannelId,
        /// Whether the microphone is off.
        muted: bool,
        /// Whether the user hears nobody.
        deafened: bool,
        /// Who asked.
        asked: Asked,
    },
}

impl Operation {
    /// Who asked for it.
    pub fn asked_mut(&mut self) -> &mut Asked {
        match self {
            Self::Join { asked, .. } | Self::Leave { asked, .. } | Self::State { asked, .. } => {
                asked
            }
        }
    }
}

/// What the engine decided.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Outcome {
    /// A session began.
    Joined {
        /// The channel.
        channel: ChannelId,
        /// The newcomer, neither muted nor deafened. If the copy lists the session already, the copy
        /// takes this `version` and sorts its members by it. This node's members are then told of
        /// the state alone, if the session is on another node and its state differs.
        member: RosterMember,
        /// The sessions of the same user that ended in the same step, with their channels.
        ends: Vec<(SessionId, ChannelId)>,
        /// The members that were there before, in joining order, without those in `ends`.
        ///
        /// The node of the newcomer needs it, perhaps empty, if it had no member in the channel
        /// when the engine decided. Otherwise it is `None`.
        others: Option<Vec<RosterMember>>,
    },
    /// A session ended.
    Left {
        /// The channel.
        channel: ChannelId,
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
        /// Why it ended.
        reason: VoiceLeaveReason,
        /// This node ended it in the place of a node that died, so the host hears of it here. One
        /// node gets this for each such stay, also if it has no member in the channel.
        reaped: bool,
    },
    /// A member said something about itself.
    State {
        /// The channel.
        channel: ChannelId,
        /// The session.
        session: SessionId,
        /// Whether the microphone is off.
        muted: bool,
        /// Whether the user hears nobody.
        deafened: bool,
    },
    /// Nothing has changed. Only the node that asked gets it.
    Refused(Refusal),
}

/// Why the engine refused an operation. Nothing has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The channel has as many participants as the host allows.
    Full,
    /// The policy has changed since the directory was asked.
    PolicyChanged,
    /// The engine cannot admit anybody now.
    Unavailable,
    /// The session of a leave or a state had ended before.
    NotInChannel,
}

/// A member of a channel on some node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterMember {
    /// The node of its connection; `None` for this node.
    pub node: Option<NodeId>,
    /// The session.
    pub session: SessionId,
    /// The user.
    pub user: UserId,
    /// How the others see the user.
    pub profile: Profile,
    /// Whether the microphone is off.
    pub muted: bool,
    /// Whether the user hears nobody.
    pub deafened: bool,
    /// The engine's number for this join. It grows with each change, so it gives the order of
    /// joining.
    pub version: u64,
}

/// A seat of a connection of this node.
#[derive(Debug, Clone)]
pub struct OwnSeat {
    /// The channel.
    pub channel: ChannelId,
    /// The user.
    pub user: UserId,
    /// How the others see the user.
    pub profile: Profile,
    /// The session.
    pub session: SessionId,
    /// Whether the microphone is off.
    pub muted: bool,
    /// Whether the user hears nobody.
    pub deafened: bool,
    /// The engine's number for the join.
    pub version: u64,
    /// The limit under which the session joined.
    pub limit: Option<NonZeroU32>,
}

/// Why a connection of this node has no seat any more although it did not give it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lost {
    /// Another connection of the user has the seat.
    Superseded,
    /// The user has no seat. The connection is closed with 1013, and its client comes back as a
    /// newcomer.
    Gone,
}

/// An offer, an answer or a candidate on its way to a member on another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Who sent it.
    pub sender: ForwardedBy,
    /// The user that it is for.
    pub target_user: UserId,
    /// The session that it is for.
    pub target: SessionId,
    /// Whether the client named that session itself.
    pub named: bool,
    /// The channel that both are in.
    pub channel: ChannelId,
    /// The encoding of the frame.
    pub codec: Codec,
    /// The whole message for the target. It carries the sender already.
    pub frame: Bytes,
}

/// The sender of a [`Forward`]: where to report that it could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardedBy {
    /// The user.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// The number of the connection on its node.
    pub connection: u64,
    /// The id of the request; empty if the client gave none.
    pub request_id: Box<str>,
}

/// A member on another node began or stopped speaking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The channel.
    pub channel: ChannelId,
    /// The session.
    pub session: SessionId,
    /// Whether it speaks.
    pub speaking: bool,
}

/// The backend takes no more now. The same may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for the cluster")]
pub struct Saturated;

/// The engine does not answer, or it cannot decide now because it lost its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cluster's engine does not answer")]
pub struct CutOff;
