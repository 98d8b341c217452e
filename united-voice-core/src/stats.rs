//! Numbers for the host's metrics: no ids, no names, no content.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What there is now, and what has happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Channels that have at least one participant now.
    pub rooms: u64,
    /// Users that have a connection now.
    pub users: u64,
    /// Connections that are open now.
    pub connections: u64,
    /// Participants of all channels now.
    pub participants: u64,
    /// Stays that began: joins, moves, and joins from another connection. A repeated join of the
    /// same channel over the same connection does not count.
    pub joins: u64,
    /// Stays that ended, for any reason.
    pub leaves: u64,
    /// Connections that the library closed because the client read too slowly.
    pub evictions: u64,
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
}

#[derive(Default)]
pub(crate) struct Counters {
    connected: AtomicU64,
    disconnected: AtomicU64,
    joins: AtomicU64,
    leaves: AtomicU64,
    evictions: AtomicU64,
    traffic: Traffic,
    errors: AtomicU64,
}

#[derive(Default)]
struct Traffic {
    received: AtomicU64,
    sent: AtomicU64,
    rate_limited: AtomicU64,
}

impl Counters {
    pub(crate) fn connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.disconnected.fetch_add(1, Relaxed);
    }

    pub(crate) fn joined(&self) {
        self.joins.fetch_add(1, Relaxed);
    }

    pub(crate) fn left(&self) {
        self.leaves.fetch_add(1, Relaxed);
    }

    pub(crate) fn evicted(&self) {
        self.evictions.fetch_add(1, Relaxed);
    }

    pub(crate) fn error(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    /// Adds the messages that a connection handled in one wake-up.
    pub(crate) fn traffic(&self, received: u64, sent: u64, rate_limited: u64) {
        let add = |counter: &AtomicU64, number| {
            if number > 0 {
                counter.fetch_add(number, Relaxed);
            }
        };
        add(&self.traffic.received, received);
        add(&self.traffic.sent, sent);
        add(&self.traffic.rate_limited, rate_limited);
    }

    pub(crate) fn connections(&self) -> u64 {
        // Disconnects are read first. A connection that opens and closes between the two reads
        // then cannot make the difference too small.
        let disconnected = self.disconnected.load(Relaxed);
        self.connected.load(Relaxed).saturating_sub(disconnected)
    }

    pub(crate) fn stats(&self, rooms: usize, users: usize) -> Stats {
        let leaves = self.leaves.load(Relaxed);
        let joins = self.joins.load(Relaxed);
        Stats {
            rooms: rooms as u64,
            users: users as u64,
            connections: self.connections(),
            participants: joins.saturating_sub(leaves),
            joins,
            leaves,
            evictions: self.evictions.load(Relaxed),
            messages_received: self.traffic.received.load(Relaxed),
            messages_sent: self.traffic.sent.load(Relaxed),
            rate_limited: self.traffic.rate_limited.load(Relaxed),
            errors: self.errors.load(Relaxed),
            ..Stats::default()
        }
    }
}
