//! How often each thing happened.

use std::{cell::RefCell, collections::BTreeMap};

/// Counts by name. The names are constants of the code, so there are few.
#[derive(Debug, Default)]
pub(super) struct Tally(RefCell<BTreeMap<&'static str, u64>>);

impl Tally {
    /// Counts one.
    pub(super) fn count(&self, name: &'static str) {
        *self.0.borrow_mut().entry(name).or_default() += 1;
    }

    /// How often it happened.
    pub(super) fn of(&self, name: &str) -> u64 {
        self.0.borrow().get(name).copied().unwrap_or_default()
    }

    /// All counts, by name.
    pub(super) fn all(&self) -> Vec<(&'static str, u64)> {
        self.0
            .borrow()
            .iter()
            .map(|(&name, &n)| (name, n))
            .collect()
    }
}
