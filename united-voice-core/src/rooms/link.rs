//! A registry's link to the backend of its cluster: what it asks the engine to decide.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::oneshot;
use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    ChannelId, JoinError, SessionId, Signal, SignalSink, SinkError, UserId,
    cluster::{Asked, AskedBy, Cluster, NodeId, Operation, Said, Wanted, WantedChange},
    rooms::{
        cell::Members,
        change::{Answer, Gone},
        snapshot::Joined,
        user::Seat,
    },
    sync::Mutex,
};

pub(crate) struct ClusterLink {
    pub(crate) backend: Arc<dyn Cluster>,
    /// The engine does not answer: this node tells its own members at once, and the engine later.
    ///
    /// The lock is held while something is proposed. So once the backend has set this, all that it
    /// was given before waits with it, and all that comes later has been told.
    pub(crate) cut_off: Mutex<bool>,
    /// The sink of all members of other nodes.
    pub(crate) away: Arc<dyn SignalSink>,
    /// The sink of members whose connection has ended.
    gone: Arc<dyn SignalSink>,
}

impl ClusterLink {
    pub(crate) fn new(backend: Arc<dyn Cluster>) -> Self {
        Self {
            backend,
            cut_off: Mutex::new(false),
            away: Arc::new(Away),
            gone: Arc::new(Gone),
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
        let change = WantedChange::Leave(reason);
        let waits = self.propose(wanted(user, (connection, seat), change, answer));
        // The room lists the member until the outcome comes. If its connection has ended, nothing
        // may reach its sink meanwhile: the sink may serve other connections of the user.
        if waits
            && matches!(answer, Answer::None)
            && let Some(members) = seat.room.state.lock().open_mut()
        {
            members.set_handle(seat.session, Arc::clone(&self.gone));
        }
        waits
    }

    /// Asks for a new state, as [`propose_leave`](Self::propose_leave) does for a leave.
    pub(crate) fn propose_state(
        &self,
        user: &UserId,
        from: (u64, &Seat),
        (muted, deafened): (bool, bool),
        answer: Answer<'_>,
    ) -> bool {
        let change = WantedChange::State { muted, deafened };
        self.propose(wanted(user, from, change, answer))
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
    pub(crate) fn give_up(&self, user: &UserId, connection: u64, seat: (&ChannelId, SessionId)) {
        let (channel, session) = seat;
        let wanted = Wanted {
            user: user.clone(),
            connection,
            channel: channel.clone(),
            session,
            change: WantedChange::Leave(VoiceLeaveReason::Disconnected),
            request_id: None,
        };
        // Nobody is told of this end now, also if the node is cut off. Otherwise a repair that drops
        // the operation would leave the seat without anybody who ends it.
        self.ask(wanted, false);
    }

    /// Returns false if the node is cut off, so that the caller has to tell everybody now.
    fn propose(&self, wanted: Wanted) -> bool {
        let cut_off = self.cut_off.lock();
        self.ask(wanted, *cut_off);
        !*cut_off
    }

    /// `is_told` says that this node's members are told without the engine.
    fn ask(&self, wanted: Wanted, is_told: bool) {
        let (user, channel) = (wanted.user.clone(), wanted.channel.clone());
        let (session, change) = (wanted.session, wanted.change);
        let asked = Asked(if is_told {
            AskedBy::Told
        } else {
            AskedBy::Change(Box::new(wanted))
        });
        let taken = self.backend.propose(match change {
            WantedChange::Leave(reason) => Operation::Leave {
                session,
                user,
                channel,
                reason,
                asked,
            },
            WantedChange::State { muted, deafened } => Operation::State {
                session,
                user,
                channel,
                muted,
                deafened,
                asked,
            },
        });
        debug_assert!(taken.is_ok(), "the backend may refuse nothing but a join");
    }
}

fn wanted(
    user: &UserId,
    (connection, seat): (u64, &Seat),
    change: WantedChange,
    answer: Answer<'_>,
) -> Wanted {
    Wanted {
        user: user.clone(),
        connection,
        channel: seat.room.id.clone(),
        session: seat.session,
        change,
        request_id: match answer {
            Answer::Reply(request_id) => Some(request_id.into()),
            Answer::None | Answer::Event => None,
        },
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
