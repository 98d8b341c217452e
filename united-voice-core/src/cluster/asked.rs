//! What core gives the backend together with an operation, to get it back with the outcome.

use std::{fmt, num::NonZeroU32};

use tokio::sync::oneshot;
use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    ChannelId, JoinError, SessionId, Signal, UserId,
    rooms::snapshot::{JoinSnapshot, Joined},
};

/// Who asked for an operation, and how to answer them. The backend keeps it in its own memory, beside
/// the operation, and hands it back with the outcome.
///
/// A backend that will never have the outcome of a leave or a state still answers it: see
/// [`Replica::undecided`](crate::cluster::Replica::undecided). A join whose `Asked` is dropped is answered
/// `UNAVAILABLE`, but core cannot undo it then. So only a join that the engine will not run may
/// end like that.
#[derive(Default)]
pub struct Asked(pub(crate) AskedBy);

impl Asked {
    /// In the place of one that the backend has taken out for
    /// [`Replica::undecided`](crate::cluster::Replica::undecided), if it is a leave's or a state's.
    pub const fn told() -> Self {
        Self(AskedBy::Told)
    }

    /// Whether it is [`told`](Self::told). Core also makes such ones itself: for a leave or a state
    /// that it has told already because the node is cut off.
    pub const fn is_told(&self) -> bool {
        matches!(self.0, AskedBy::Told)
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

#[derive(Default)]
pub(crate) enum AskedBy {
    /// No connection of this node.
    #[default]
    Nobody,
    /// Everybody on this node has been told already: the node was cut off.
    Told,
    Change(Box<Wanted>),
    Join(Box<JoinAsked>),
}

/// The end or the state of a stay of this node, while it waits for the engine.
pub(crate) struct Wanted {
    pub(crate) user: UserId,
    /// The number of the connection that asked.
    pub(crate) connection: u64,
    pub(crate) channel: ChannelId,
    pub(crate) session: SessionId,
    pub(crate) change: WantedChange,
    /// `None` if no request asked for it.
    pub(crate) request_id: Option<Box<str>>,
}

#[derive(Clone, Copy)]
pub(crate) enum WantedChange {
    Leave(VoiceLeaveReason),
    State { muted: bool, deafened: bool },
}

/// A join that waits for the engine.
pub(crate) struct JoinAsked {
    /// The number of the connection.
    pub(crate) connection: u64,
    /// How many members the channel may have.
    pub(crate) limit: Option<NonZeroU32>,
    pub(crate) respond: Respond,
    /// Nobody listens any more if the join was given up. Then it must be undone.
    pub(crate) answer: oneshot::Sender<Result<Joined, JoinError>>,
}

/// Makes the response to a join, and measures it if the join is charged.
pub(crate) type Respond = Box<dyn FnOnce(JoinSnapshot) -> (Signal, Option<usize>) + Send>;
