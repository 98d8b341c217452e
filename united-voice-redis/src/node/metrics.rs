//! What a node counts.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::{RedisNode, shared::NodeState};

/// The numbers of one node, for metrics: no ids, no names, no content.
///
/// The numbers are read one after the other while the node goes on. So two of them may differ by
/// what happened in between. Those without a unit count since the process became a node.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// The engine hears this node, and the node hears the engine. It is false if the node is
    /// [`CutOff`](NodeState::CutOff), and true while the cluster recovers.
    pub up: bool,
    /// How long ago the last beat was sent that has come back out of the node's inbox. A node that
    /// is well beats every third of a lease, and at least every 2 s. At two thirds of a lease it is
    /// cut off.
    pub lease_age: Duration,
    /// How far the node is behind in reading its inbox: how long the last beat took until it came
    /// out of the inbox, or, if that is longer, how long the oldest beat has been under way that
    /// has not. Outcomes of joins wait as long.
    pub inbox_lag: Duration,
    /// Operations and messages that wait to be sent, or that were sent and have not come to their
    /// end: no outcome, no acknowledgement. At most about 82 000 wait to be sent.
    pub outbox_messages: usize,
    /// Offers, answers and candidates of this node's members that were taken for members of other
    /// nodes. One that was refused at once, because too much waited or the node was cut off, does
    /// not count.
    pub forwarded: u64,
    /// Those of [`forwarded`](Self::forwarded) that came back: the other node refused them, is gone,
    /// or did not acknowledge them, or this node was cut off meanwhile. Their senders were told.
    pub bounced: u64,
    /// How often the node put the engine's rosters in the place of its copies, after it had
    /// registered anew: the engine had lost data, entries of the inbox were lost, or the
    /// registration had ended.
    pub resyncs: u64,
    /// How often others had taken this node for dead, since it was silent for too long, and had ended
    /// its seats.
    pub fenced: u64,
    /// Seats of this node's members that were put back at an engine, after the node had registered
    /// anew. A seat that the engine still had counts, too.
    pub reasserted: u64,
    /// Seats of this node's members that were lost by a failure: others had been told that they
    /// were gone, another connection of the user had the seat, the channel had been filled, or
    /// messages for the member were lost. A seat that another connection took over in the ordinary
    /// way does not count.
    pub seats_lost: u64,
    /// How often a connection to the engine could not be made or broke, and how often the engine
    /// failed to run a command or did not answer in time. While the engine is away, this grows with
    /// each attempt.
    pub engine_errors: u64,
}

/// The counters of [`NodeMetrics`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) forwarded: Counter,
    pub(super) bounced: Counter,
    pub(super) resyncs: Counter,
    pub(super) fenced: Counter,
    pub(super) reasserted: Counter,
    pub(super) seats_lost: Counter,
    pub(super) engine_errors: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, number: usize) {
        self.0.fetch_add(number as u64, Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl RedisNode {
    /// The node's numbers now.
    ///
    /// # Locking
    ///
    /// The node's own locks, each for a short time. The engine is not asked.
    pub fn metrics(&self) -> NodeMetrics {
        let shared = &self.shared;
        let now = Instant::now();
        let (lease_age, inbox_lag) = {
            let pulse = shared.pulse.lock();
            (pulse.age(now), pulse.lag(now))
        };
        let counters = &shared.counters;
        NodeMetrics {
            up: self.state() != NodeState::CutOff,
            lease_age,
            inbox_lag,
            outbox_messages: shared.outbox.lock().len(),
            // A message may come back before it is counted as forwarded, so each of the two may be the
            // larger one for a moment.
            forwarded: counters.forwarded.count(),
            bounced: counters.bounced.count(),
            resyncs: counters.resyncs.count(),
            fenced: counters.fenced.count(),
            reasserted: counters.reasserted.count(),
            seats_lost: counters.seats_lost.count(),
            engine_errors: counters.engine_errors.count(),
        }
    }
}
