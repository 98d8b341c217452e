//! What several nodes of a server share, and how clients are spread over them.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use united_voice_redis_server::Engine;

/// The URL of the engine of this process, and a prefix of it for one cluster.
pub(crate) fn place() -> (String, String) {
    let engine = Engine::shared();
    (engine.url(), engine.prefix_without_recovery())
}

/// Which node is next.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    next: AtomicUsize,
    /// By user id.
    next_of: Mutex<HashMap<String, usize>>,
}

impl Turns {
    pub(crate) fn next(&self, nodes: usize) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed) % nodes
    }

    /// For the connections of this user.
    pub(crate) fn next_of(&self, user: &str, nodes: usize) -> usize {
        let mut users = self.next_of.lock().unwrap_or_else(PoisonError::into_inner);
        // Each user begins at another node.
        let number = users.len();
        let next = users.entry(user.to_owned()).or_insert(number);
        let turn = *next % nodes;
        *next += 1;
        turn
    }
}
