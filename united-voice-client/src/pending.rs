//! Requests that wait for their answers.

use std::collections::BTreeMap;

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
        channel: String,
        reply: Reply<(), RequestError>,
    },
    State {
        reply: Option<Reply<(), RequestError>>,
    },
    IceServers {
        reply: Reply<Vec<IceServer>, RequestError>,
    },
}

/// The requests of one connection, and the instants at which they expire.
#[derive(Debug)]
pub(crate) struct Pending {
    waiters: BTreeMap<u64, (Instant, Waiter)>,
}

impl Pending {
    pub(crate) const fn new() -> Self {
        Self {
            waiters: BTreeMap::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn insert(&mut self, id: u64, waiter: Waiter, deadline: Instant) {
        self.waiters.insert(id, (deadline, waiter));
    }

    /// Takes the request with this id, and the instant at which it would have expired.
    pub(crate) fn take(&mut self, id: u64) -> Option<(Instant, Waiter)> {
        self.waiters.remove(&id)
    }

    /// Takes a request that has waited too long.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Waiter> {
        let mut waiters = self.waiters.iter();
        let (&id, _) = waiters.find(|(_, (deadline, _))| *deadline <= now)?;
        self.waiters.remove(&id).map(|(_, waiter)| waiter)
    }

    /// When the next request expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiters.values().map(|(deadline, _)| *deadline).min()
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
