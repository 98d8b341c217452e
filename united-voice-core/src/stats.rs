//! Numbers for the host's metrics: no ids, no names, no content.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What there is and what there was since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Channels that somebody is in.
    pub rooms: u64,
    /// Users with a connection.
    pub users: u64,
    /// Open connections.
    pub connections: u64,
    /// Participants of all channels.
    pub participants: u64,
    /// Joins that took a seat.
    pub joins: u64,
    /// Stays that ended, for whatever reason.
    pub leaves: u64,
    /// Connections ended for reading too slowly.
    pub evictions: u64,
    /// Messages that connections run by `drive` received.
    pub messages_received: u64,
    /// Messages that connections run by `drive` sent.
    pub messages_sent: u64,
    /// Messages dropped by the rate limit.
    pub rate_limited: u64,
    /// Requests answered with an error, the rate limit's included.
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

    /// What one wake-up of a connection moved.
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
        // Read in this order, since a disconnect follows its connect.
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
