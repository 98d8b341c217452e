//! Chooses what is looked at for the metrics: one of many, since each look costs time.

/// One in so many is chosen. It is a prime number, so that nothing that a client does at regular
/// intervals is always chosen, or never.
const OF: u8 = 61;

pub(super) struct Sampler {
    until_next: u8,
}

impl Sampler {
    /// Each connection passes another `start`, for example how many there were before. Otherwise the
    /// first message, which is often a join, would be chosen always or never.
    pub(super) fn new(start: u64) -> Self {
        Self {
            until_next: (start % u64::from(OF)) as u8,
        }
    }

    #[inline]
    pub(super) fn chooses(&mut self) -> bool {
        let chosen = self.until_next == 0;
        let left = if chosen { OF } else { self.until_next };
        self.until_next = left - 1;
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_is_chosen_and_every_connection_begins_elsewhere() {
        for start in [0, 1, 60, 61, u64::MAX] {
            let mut sampler = Sampler::new(start);
            let chosen: Vec<_> = (0..200).filter(|_| sampler.chooses()).collect();
            let first = (start % 61) as i32;
            let expected: Vec<_> = (0..4)
                .map(|n| first + n * 61)
                .filter(|n| *n < 200)
                .collect();
            assert_eq!(chosen, expected, "{start}");
        }
    }
}
