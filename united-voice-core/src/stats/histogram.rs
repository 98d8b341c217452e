//! How often a value was how large.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The largest number of bounds.
const MAX_BOUNDS: usize = 8;

/// How many values were at most how large.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    bounds: &'static [u64],
    /// How many values belong to each bound and to none smaller. The last place is for values above
    /// all bounds.
    numbers: [u64; MAX_BOUNDS + 1],
    sum: u64,
}

impl Histogram {
    /// For each bound, from the smallest to the largest, how many values were at most as large.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let numbers = self.numbers.iter().scan(0, |sum, number| {
            *sum += number;
            Some(*sum)
        });
        self.bounds.iter().copied().zip(numbers)
    }

    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.numbers.iter().sum()
    }

    /// The sum of all values.
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("buckets", &self.buckets().collect::<Vec<_>>())
            .field("count", &self.count())
            .field("sum", &self.sum)
            .finish()
    }
}

/// What a [`Histogram`] is read from.
pub(super) struct Buckets {
    bounds: &'static [u64],
    numbers: [AtomicU64; MAX_BOUNDS + 1],
    sum: AtomicU64,
}

impl Buckets {
    /// The bounds must rise.
    pub(super) fn new(bounds: &'static [u64]) -> Self {
        debug_assert!(bounds.len() <= MAX_BOUNDS && bounds.is_sorted());
        Self {
            bounds,
            numbers: Default::default(),
            sum: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, value: u64) {
        let position = self.bounds.partition_point(|bound| *bound < value);
        if let Some(number) = self.numbers.get(position) {
            number.fetch_add(1, Relaxed);
            self.sum.fetch_add(value, Relaxed);
        }
    }

    pub(super) fn histogram(&self) -> Histogram {
        Histogram {
            bounds: self.bounds,
            numbers: std::array::from_fn(|position| self.numbers[position].load(Relaxed)),
            sum: self.sum.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_belongs_to_the_first_bound_that_is_not_below_it() {
        let buckets = Buckets::new(&[1, 4, 16]);
        for value in [0, 1, 2, 4, 5, 17, 1000] {
            buckets.add(value);
        }
        let histogram = buckets.histogram();
        let expected = [(1, 2), (4, 4), (16, 5)];
        assert_eq!(histogram.buckets().collect::<Vec<_>>(), expected);
        assert_eq!((histogram.count(), histogram.sum()), (7, 1029));
    }
}
