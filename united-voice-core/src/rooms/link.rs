//! A registry's link to the backend of its cluster: what it asks the engine to decide.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;
use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    ChannelId, JoinError, SessionId, Signal, SignalSink, SinkError, UserId,
    cluster::{Asked, AskedBy, Cluster, NodeId, Operation, ReplyTo, Said},
    rooms::{cell::Members, change::Answer, snapshot::Joined, user::Seat},
};

pub(crate) struct ClusterLink {
    pub(crate) backend: Arc<dyn Cluster>,
    /// The engine does not answer: this node tells its own members at once, and the engine later.
    pub(crate) cut_off: AtomicBool,
    /// The sink of all members of other nodes.
    pub(crate) away: Arc<dyn SignalSink>,
}

impl ClusterLink {
    pub(crate) fn new(backend: Arc<dyn Cluster>) -> Self {
        Self {
            backend,
            cut_off: AtomicBool::new(false),
            away: Arc::new(Away),
        }
    }

    /// Asks for the end of a stay. Returns whether its outcome has to be awaited before anybody is
    /// told.
    pub(crate) fn propose_leave(
        &self,
        user: &UserId,
        (connection, seat): (u64, &Seat),
        reason: VoiceLeaveReason,
        answer: Answer<'_>,
    ) -> bool {
        let (asked, waits) = self.asked(user, (connection, seat), answer);
        self.propose(Operation::Leave {
            session: seat.session,
            user: user.clone(),
            channel: seat.room.id.clone(),
            reason,
            asked,
        });
        waits
    }

    /// Asks for a new state, as [`propose_leave`](Self::propose_leave) does for a leave.
    pub(crate) fn propose_state(
        &self,
        user: &UserId,
        (connection, seat): (u64, &Seat),
        (muted, deafened): (bool, bool),
        answer: Answer<'_>,
    ) -> bool {
        let (asked, waits) = self.asked(user, (connection, seat), answer);
        self.propose(Operation::State {
            session: seat.session,
            user: user.clone(),
            channel: seat.room.id.clone(),
            muted,
            deafened,
            asked,
        });
        waits
    }

    /// Tells the other nodes of a room what a member of this node says.
    pub(crate) fn say_elsewhere(&self, members: &Members, said: Said) {
        let mut nodes: Vec<NodeId> = members.nodes().collect();
        nodes.sort_unstable();
        nodes.dedup();
        if !nodes.is_empty() {
            self.backend.speaking(&nodes, said);
        }
    }

    /// Gives up a seat that no connection has.
    pub(crate) fn give_up(&self, user: &UserId, channel: &ChannelId, session: SessionId) {
        self.propose(Operation::Leave {
            session,
            user: user.clone(),
            channel: channel.clone(),
            reason: VoiceLeaveReason::Disconnected,
            asked: Asked::default(),
        });
    }

    fn asked(
        &self,
        user: &UserId,
        (connection, seat): (u64, &Seat),
        answer: Answer<'_>,
    ) -> (Asked, bool) {
        if self.cut_off.load(Ordering::SeqCst) {
            return (Asked(AskedBy::Told), false);
        }
        let by = match answer {
            Answer::Reply(request_id) => AskedBy::Reply(Box::new(ReplyTo {
                request_id: request_id.into(),
                connection,
                user: user.clone(),
                channel: seat.room.id.clone(),
            })),
            Answer::None | Answer::Event => AskedBy::Nobody,
        };
        (Asked(by), true)
    }

    fn propose(&self, operation: Operation) {
        let taken = self.backend.propose(operation);
        debug_assert!(taken.is_ok(), "the backend may refuse nothing but a join");
    }
}

/// The sink of a member whose connection is to another node. That node tells the member everything.
struct Away;

impl SignalSink for Away {
    fn deliver(&self, _signal: &Signal) -> Result<(), SinkError> {
        Ok(())
    }
}

/// A join that waits for the engine. Dropping it gives the join up: if the engine admits it all the
/// same, the seat is given up again.
pub(crate) struct Proposed(pub(super) oneshot::Receiver<Result<Joined, JoinError>>);

impl Proposed {
    /// Gives the join up. Returns its result if it is there already.
    pub(crate) fn give_up(&mut self) -> Option<Result<Joined, JoinError>> {
        self.0.close();
        self.0.try_recv().ok()
    }
}

impl Future for Proposed {
    type Output = Result<Joined, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(result.unwrap_or(Err(JoinError::Undecided)))
    }
}
