//! Requests that wait for their answers.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{IceServer, JoinError, RequestError, Snapshot, command::Reply};

/// Who waits for an answer. Nobody does where the client itself asked.
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

/// The requests of one connection. Their ids rise and all wait equally long, so the first is the first to expire.
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

    pub(crate) fn take(&mut self, id: u64) -> Option<Waiter> {
        self.waiters.remove(&id).map(|(_, waiter)| waiter)
    }

    /// The next that has waited too long.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Waiter> {
        let first = self.waiters.first_entry()?;
        (first.get().0 <= now).then(|| first.remove().1)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.waiters.first_key_value().map(|(_, waiter)| waiter.0)
    }

    /// All, oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Waiter> + use<> {
        std::mem::take(&mut self.waiters)
            .into_values()
            .map(|(_, waiter)| waiter)
    }

    pub(crate) fn joins(&self, channel: &str) -> bool {
        self.waiters.values().any(
            |(_, waiter)| matches!(waiter, Waiter::Join { channel: joined, .. } if joined == channel),
        )
    }
}
