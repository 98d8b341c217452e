//! Numbers for the host's metrics: no ids, no names, no content.
//!
//! `counters.rs` is what the rest of the crate counts in. `counts.rs`, `histogram.rs` and
//! `request.rs` are its parts.

pub(crate) mod counters;
pub(crate) mod counts;
pub(crate) mod histogram;
pub(crate) mod request;

use crate::{Counts, Histogram, stats::request::Request};

/// What there is now, and what has happened since the start.
///
/// The numbers are read one after the other while the server goes on. So two of them may differ by
/// what happened in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Channels that have at least one participant now.
    pub rooms: u64,
    /// Users that have a connection now.
    pub users: u64,
    /// Connections that are open now.
    pub connections: u64,
    /// Participants of all channels now. In a cluster only those with a connection to this
    /// process, so that the numbers of its nodes add up. The same holds for the other numbers.
    pub participants: u64,
    /// Participants with connections to other nodes of a cluster, in the channels in which this one
    /// has a participant, now. Several nodes may count the same one. Always 0 without a cluster.
    pub remote_participants: u64,
    /// Connections that were opened.
    pub connections_opened: u64,
    /// Connections that [`VoiceServer::connect`](crate::VoiceServer::connect) refused, by reason:
    /// the variants of [`ConnectError`](crate::ConnectError), such as `too_many_connections`.
    pub connections_refused: Counts,
    /// Connections that a [`ConnectionMachine`](crate::ConnectionMachine) ended, by reason: the
    /// variants of [`Disconnect`](crate::Disconnect), such as `timed_out`. It also counts a
    /// connection that was refused, under the reason of its close frame. A machine that is dropped
    /// before it has ended is not counted.
    pub connections_ended: Counts,
    /// Join requests, by outcome: `joined`, or the code of the error, such as `channel_full`. A
    /// repeated join of the same channel counts too. A request that the rate limit dropped does
    /// not.
    pub join_requests: Counts,
    /// How long join requests waited for the directory, in nanoseconds, as far as a
    /// [`ConnectionMachine`](crate::ConnectionMachine) waited. It goes by the times that the
    /// machine is told: if the directory answers within the call that brought the request, that is
    /// 0.
    pub join_wait: Histogram,
    /// Stays that began: joins, moves, and joins from another connection. A repeated join of the
    /// same channel over the same connection does not count.
    pub joins: u64,
    /// Stays that ended, for any reason.
    pub leaves: u64,
    /// Relayed messages that their target's sink took, by kind: `offer`, `answer` or `candidate`.
    pub relays: Counts,
    /// Relayed messages that reached nobody, although they could be read and were within the
    /// limits, by reason. `not_in_channel`: the sender is not in the channel. `stale_session`: the
    /// target has another session than the message named. `target_busy`: more waits for the target
    /// than its queue may hold. `target_not_in_channel`: the target is not in the channel, or
    /// has stalled. `unreachable` (feature `cluster`): the target's node cannot be reached.
    pub relays_refused: Counts,
    /// Connections that the library closed because the client read too slowly.
    pub evictions: u64,
    /// Speaking events that were dropped because the sink of a recipient was full. An event counts
    /// once for each such recipient.
    pub speaking_dropped: u64,
    /// Messages received by connections that run a [`ConnectionMachine`](crate::ConnectionMachine),
    /// as those of `drive` do.
    pub messages_received: u64,
    /// Messages that these machines gave to be sent. Messages that go to a sink of the host's own
    /// are not counted.
    pub messages_sent: u64,
    /// Messages that these machines dropped because the client exceeded the rate limit.
    pub rate_limited: u64,
    /// Requests that were answered with an error, `RATE_LIMITED` included.
    pub errors: u64,
    /// The same, by code, such as `target_not_in_channel`. A relay to a busy target counts as
    /// `rate_limited`, which is the code that its sender gets.
    pub errors_by_code: Counts,
    /// How often a transport of `drive` took no more at that moment. It counts again only after the
    /// transport has been ready in between. A client that reads more slowly than it is sent to
    /// causes this, and so does a network that is slower. Most such clients have not stalled: that
    /// takes a second in which the transport takes nothing.
    pub writes_blocked: u64,
    /// How many signals waited for a client when `drive` began to write to it. A sample: one in 61
    /// of the wake-ups of a connection, if anything waited.
    pub queued_signals: Histogram,
    handling: [Histogram; Request::NUMBER],
}

impl Stats {
    /// How long `drive` took to decode and handle a message, in nanoseconds, for each kind of
    /// request: `join`, `leave`, `offer`, `answer`, `candidate`, `state`, `speaking`,
    /// `ice_servers`, and `other` for messages that were refused before their kind mattered.
    ///
    /// It includes the wait for locks and the delivery to the queues of all recipients. It does not
    /// include the socket and a directory that does not answer at once; see
    /// [`join_wait`](Self::join_wait). A sample: one in 61 of the messages of a connection.
    pub fn handling(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        Request::LABELS.into_iter().zip(&self.handling)
    }
}
