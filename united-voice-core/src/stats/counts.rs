//! Numbers under the labels of a fixed set.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The largest number of labels. There are 15 codes of errors.
const MAX_LABELS: usize = 16;

/// Numbers under the labels of a fixed set, for example how many connections ended for each reason.
///
/// Labels have only the characters `a-z` and `_`, and never change.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    labels: &'static [&'static str],
    numbers: [u64; MAX_LABELS],
}

impl Counts {
    pub(super) fn new(labels: &'static [&'static str], number: impl Fn(usize) -> u64) -> Self {
        let mut numbers = [0; MAX_LABELS];
        for (position, place) in numbers.iter_mut().enumerate().take(labels.len()) {
            *place = number(position);
        }
        Self { labels, numbers }
    }

    /// All labels with their numbers, also those with 0, in an order that never changes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.labels.iter().copied().zip(self.numbers)
    }

    /// The number of a label, and 0 if there is no such label.
    pub fn of(&self, label: &str) -> u64 {
        let mut found = self.iter().filter(|(other, _)| *other == label);
        found.next().map_or(0, |(_, number)| number)
    }

    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.iter().map(|(_, number)| number).sum()
    }
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// What [`Counts`] are read from.
pub(super) struct CountersByLabel {
    labels: &'static [&'static str],
    numbers: [AtomicU64; MAX_LABELS],
}

impl CountersByLabel {
    pub(super) fn new(labels: &'static [&'static str]) -> Self {
        debug_assert!(labels.len() <= MAX_LABELS);
        Self {
            labels,
            numbers: Default::default(),
        }
    }

    /// Counts one under the label at this position.
    pub(super) fn add(&self, position: usize) {
        debug_assert!(position < self.labels.len(), "no label has this position");
        if let Some(counter) = self.numbers.get(position) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Counts one under this label. It searches for the label, so this is for rare events.
    pub(super) fn add_to(&self, label: &str) {
        let position = self.labels.iter().position(|other| *other == label);
        self.add(position.unwrap_or(MAX_LABELS));
    }

    pub(super) fn counts(&self) -> Counts {
        Counts::new(self.labels, |position| self.numbers[position].load(Relaxed))
    }
}
