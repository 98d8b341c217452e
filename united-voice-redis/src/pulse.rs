//! Whether the engine still hears this node, by the node's own clock.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// How often a node beats at least, however long its lease.
pub(crate) const SLOWEST: Duration = Duration::from_secs(2);
/// How many beats are remembered that have not come out of the inbox. More would be older than any
/// lease.
const BEATS: usize = 256;

/// Counts beats. A beat *comes back* when its tick comes out of the node's own inbox. So it proves
/// that both ways work: the node writes, and it reads.
///
/// The time counts from when a beat was sent, not from when it came back. So a node knows that it
/// is cut off before the engine may think that it is dead.
#[derive(Clone, Debug)]
pub struct Pulse {
    lease: Duration,
    number: u64,
    sent: VecDeque<(u64, Instant)>,
    /// See [`proven`](Self::proven).
    proven: Instant,
    next: Instant,
    /// How long the last beat that came back was under way.
    round_trip: Duration,
}

impl Pulse {
    /// For a node that asked for its registration at `now`.
    pub fn new(lease: Duration, now: Instant) -> Self {
        Self {
            lease,
            number: 0,
            sent: VecDeque::new(),
            proven: now,
            next: now,
            round_trip: Duration::ZERO,
        }
    }

    /// A beat is sent at `now`. Returns its number.
    pub fn beat(&mut self, now: Instant) -> u64 {
        self.number += 1;
        if self.sent.len() == BEATS {
            self.sent.pop_front();
        }
        self.sent.push_back((self.number, now));
        self.next = now + (self.lease / 3).min(SLOWEST);
        self.number
    }

    /// When the next beat is to be sent.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// A beat came out of the inbox at `now`.
    pub fn came_back(&mut self, number: u64, now: Instant) {
        while let Some((sent, at)) = self.sent.front().copied() {
            if sent > number {
                break;
            }
            self.sent.pop_front();
            if sent == number {
                self.proven = at;
                self.round_trip = now.saturating_duration_since(at);
            }
        }
    }

    /// When the last beat that came back was sent; before the first, when the node asked for its
    /// registration.
    pub fn proven(&self) -> Instant {
        self.proven
    }

    /// How long ago the last beat that came back was sent.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.proven)
    }

    /// How far the node is behind in reading its inbox: how long the last beat took, or, if that is
    /// longer, how long the oldest one has been under way that has not come back.
    pub fn lag(&self, now: Instant) -> Duration {
        let oldest = self.sent.front().map(|(_, at)| *at);
        let under_way = oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.round_trip.max(under_way)
    }

    /// When the node is cut off if no beat comes back: two thirds of a lease after the last proof.
    /// The last third is for those beats of others that may end the lease early.
    pub fn cut_off_at(&self) -> Instant {
        self.proven + self.lease * 2 / 3
    }

    /// Whether the node is cut off.
    pub fn is_cut_off(&self, now: Instant) -> bool {
        now >= self.cut_off_at()
    }

    /// Whether two beats in a row that should have come back have not. Then the reader's connection
    /// leads nowhere, even if it looks well: the engine may have become a replica.
    pub fn misses_two(&self, now: Instant) -> bool {
        let overdue = |at: Instant| now.saturating_duration_since(at) >= self.lease / 3;
        self.sent.iter().filter(|(_, at)| overdue(*at)).count() >= 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(6);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_node_beats_three_times_a_lease_and_every_two_seconds_at_least() {
        let start = Instant::now();
        let wait = |lease| {
            let mut pulse = Pulse::new(seconds(lease), start);
            assert_eq!((pulse.next(), pulse.beat(start)), (start, 1));
            pulse.next() - start
        };
        assert_eq!(wait(3.0), seconds(1.0));
        assert_eq!(wait(60.0), seconds(2.0));
    }

    #[test]
    fn the_time_counts_from_when_the_beat_was_sent() {
        let start = Instant::now();
        let mut pulse = Pulse::new(LEASE, start);
        pulse.beat(start + seconds(1.0));
        pulse.beat(start + seconds(3.0));
        assert!(!pulse.is_cut_off(start + seconds(3.9)));
        assert!(pulse.is_cut_off(start + seconds(4.0)));
        // The first one came back late.
        pulse.came_back(1, start + seconds(4.5));
        assert_eq!(pulse.cut_off_at(), start + seconds(5.0));
        assert_eq!(pulse.age(start + seconds(4.5)), seconds(3.5));
        pulse.came_back(2, start + seconds(4.5));
        assert_eq!(pulse.cut_off_at(), start + seconds(7.0));
        // What comes out again, after a restart of the engine, proves nothing.
        pulse.came_back(1, start + seconds(4.5));
        assert_eq!(pulse.cut_off_at(), start + seconds(7.0));
    }

    #[test]
    fn the_lag_is_that_of_the_last_beat_or_of_one_that_is_late() {
        let start = Instant::now();
        let mut pulse = Pulse::new(LEASE, start);
        assert_eq!(pulse.lag(start + seconds(1.0)), Duration::ZERO);
        pulse.beat(start);
        pulse.beat(start + seconds(2.0));
        assert_eq!(pulse.lag(start + seconds(3.0)), seconds(3.0));
        pulse.came_back(1, start + seconds(3.0));
        assert_eq!(pulse.lag(start + seconds(3.5)), seconds(3.0));
        assert_eq!(pulse.lag(start + seconds(5.5)), seconds(3.5));
        pulse.came_back(2, start + seconds(6.0));
        assert_eq!(pulse.lag(start + seconds(60.0)), seconds(4.0));
    }

    #[test]
    fn a_beat_that_was_never_sent_proves_nothing() {
        let start = Instant::now();
        let mut pulse = Pulse::new(LEASE, start);
        pulse.beat(start + seconds(1.0));
        pulse.came_back(9, start + seconds(4.5));
        assert!(pulse.is_cut_off(start + seconds(4.0)));
    }

    #[test]
    fn two_missing_beats_tell_on_the_reader() {
        let start = Instant::now();
        let mut pulse = Pulse::new(LEASE, start);
        pulse.beat(start);
        pulse.beat(start + seconds(2.0));
        assert!(!pulse.misses_two(start + seconds(3.0)));
        assert!(pulse.misses_two(start + seconds(4.0)));
        pulse.came_back(1, start + seconds(4.5));
        assert!(!pulse.misses_two(start + seconds(4.0)));
    }

    #[test]
    fn beats_that_never_come_back_are_forgotten() {
        let start = Instant::now();
        let mut pulse = Pulse::new(LEASE, start);
        for beat in 0..1000 {
            pulse.beat(start + seconds(2.0) * beat);
        }
        assert_eq!(pulse.sent.len(), BEATS);
    }
}
