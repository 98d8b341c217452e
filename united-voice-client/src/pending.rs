//! Requests that wait for their answers.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    command::Reply,
    error::{JoinError, RequestError},
    event::Snapshot,
    wire::IceServer,
};

/// A request that waits for its answer. If the client itself made the request, it has no reply.
#[derive(Debug)]
pub(crate) enum Waiter {
    Join {
        channel: String,
        reply: Option<Reply<Snapshot, JoinError>>,
    },
    Leave {
        reply: Reply<(), RequestError>,
    },
    State {
        reply: Option<Reply<(), RequestError>>,
    },
    IceServers {
        reply: Reply<Vec<IceServer>, RequestError>,
    },
}

/// The requests of one connection. The ids rise and every request has the same time-out, so the
/// first one expires first.
#[derive(Debug)]
pub(crate) struct Pending {
    timeout: Duration,
    waiters: BTreeMap<u64, (Instant, Waiter)>,
}

impl Pending {
    pub(crate) const fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            waiters: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn insert(&mut self, id: u64, waiter: Waiter, now: Instant) {
        self.waiters.insert(id, (now + self.timeout, waiter));
    }

    /// Takes the request with this id.
    pub(crate) fn take(&mut self, id: u64) -> Option<Waiter> {
        self.waiters.remove(&id).map(|(_, waiter)| waiter)
    }

    /// Takes a request that has waited too long.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Waiter> {
        let first = self.waiters.first_entry()?;
        (first.get().0 <= now).then(|| first.remove().1)
    }

    /// When the first request expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiters.first_key_value().map(|(_, waiter)| waiter.0)
    }

    /// Takes all requests, the oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Waiter> + use<> {
        std::mem::take(&mut self.waiters)
            .into_values()
            .map(|(_, waiter)| waiter)
    }

    /// Whether a join of this channel waits for its answer.
    pub(crate) fn joins(&self, channel: &str) -> bool {
        self.waiters.values().any(
            |(_, waiter)| matches!(waiter, Waiter::Join { channel: joined, .. } if joined == channel),
        )
    }
}
