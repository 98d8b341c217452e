//! The pauses between attempts to reconnect.

use std::time::Duration;

/// The first attempts, which take about half a minute, wait at most [`EAGER_MAX`]. So after a short
/// outage everybody is back soon after the server is.
const EAGER_ATTEMPTS: u32 = 16;
const EAGER_MAX: Duration = Duration::from_secs(4);

/// Exponential backoff with full jitter. The pause before attempt *n* is a random time between zero
/// and `min(max, first * 2^(n-1))`. So the clients of a restarted server do not all come back at
/// the same instant. The first 16 attempts wait at most 4 s, or at most `first` if that is longer.
///
/// By default the first pause is at most 500 ms, any pause at most 10 s, and the client never gives
/// up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    stable_after: Duration,
    max_attempts: Option<u32>,
    seed: Option<u64>,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            max: Duration::from_secs(10),
            stable_after: Duration::from_secs(5),
            max_attempts: None,
            seed: None,
        }
    }
}

impl Backoff {
    /// The longest pause before the first attempt. Default 500 ms.
    #[must_use]
    pub const fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// The longest pause before any attempt. Default 10 s. A close code may ask for a longer pause,
    /// and then the client waits for that long.
    #[must_use]
    pub const fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// A connection that lasted this long was a good one. If it is lost, the pauses begin with the
    /// shortest again. Default 5 s.
    #[must_use]
    pub const fn stable_after(mut self, stable_after: Duration) -> Self {
        self.stable_after = stable_after;
        self
    }

    /// Gives up after so many attempts in a row without a good connection. Default: never.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// Draws the same pauses each time, for tests. Default: a seed from the operating system.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    fn window(&self, attempt: u32) -> Duration {
        let factor = 2_u32.saturating_pow(attempt.saturating_sub(1));
        let max = if attempt <= EAGER_ATTEMPTS {
            self.max.min(self.first.max(EAGER_MAX))
        } else {
            self.max
        };
        self.first.saturating_mul(factor).min(max)
    }
}

/// The pauses of one client.
#[derive(Debug)]
pub(crate) struct Pauses {
    policy: Backoff,
    rng: fastrand::Rng,
    attempt: u32,
}

impl Pauses {
    pub(crate) fn new(policy: Backoff) -> Self {
        let rng = policy
            .seed
            .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self {
            policy,
            rng,
            attempt: 0,
        }
    }

    /// Notes that a connection has ended, and how long it lasted.
    pub(crate) fn connection_lasted(&mut self, time: Duration) {
        if time >= self.policy.stable_after {
            self.attempt = 0;
        }
    }

    /// The number of the next attempt and the pause before it, or `None` if no attempt is left.
    pub(crate) fn next(&mut self, at_least: Duration) -> Option<(u32, Duration)> {
        if self
            .policy
            .max_attempts
            .is_some_and(|max| self.attempt >= max)
        {
            return None;
        }
        self.attempt = self.attempt.saturating_add(1);
        let pause = self.policy.window(self.attempt).mul_f64(self.rng.f64());
        Some((self.attempt, pause.max(at_least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_up_to_the_longest() {
        let policy = Backoff::default();
        let millis: Vec<_> = [1, 2, 3, 4, 5, 16, 17, u32::MAX]
            .map(|attempt| policy.window(attempt).as_millis())
            .into();
        assert_eq!(millis, [500, 1000, 2000, 4000, 4000, 4000, 10_000, 10_000]);
    }

    #[test]
    fn a_first_pause_of_the_applications_choice_is_kept() {
        let long = Backoff::default().first(Duration::from_secs(6));
        assert_eq!(long.window(1), Duration::from_secs(6));
        assert_eq!(long.window(2), Duration::from_secs(6));
        assert_eq!(long.window(17), Duration::from_secs(10));
        let short = Backoff::default().max(Duration::from_secs(1));
        assert_eq!(short.window(9), Duration::from_secs(1));
    }

    /// How long after a server that was away for `outage` each of `clients` is back, if a
    /// connection is lost, refused and accepted at once.
    fn returns(clients: u64, outage: Duration) -> Vec<Duration> {
        (0..clients)
            .map(|seed| {
                let mut pauses = Pauses::new(Backoff::default().seed(seed));
                let mut at = Duration::ZERO;
                while at < outage {
                    at += pauses.next(Duration::ZERO).expect("no limit").1;
                }
                at - outage
            })
            .collect()
    }

    #[test]
    fn after_a_short_outage_everybody_is_back_soon_and_not_in_the_same_instant() {
        for seconds in [1, 3, 5, 10, 15] {
            let returns = returns(300, Duration::from_secs(seconds));
            let last = returns.iter().max().expect("300 clients");
            assert!(*last <= EAGER_MAX, "{last:?} after {seconds} s");
            let at_once = |tenth: u128| {
                let same = returns.iter().filter(|at| at.as_millis() / 100 == tenth);
                same.count()
            };
            let most = (0..40).map(at_once).max().expect("40 tenths");
            assert!(most <= 60, "{most} of 300 within 0.1 s after {seconds} s");
        }
    }

    #[test]
    fn pauses_spread_over_the_whole_window() {
        let window = Duration::from_secs(10);
        let policy = Backoff::default().first(window).seed(7);
        let mut pauses = Pauses::new(policy);
        let drawn: Vec<_> = (0..200)
            .map(|_| pauses.next(Duration::ZERO).expect("no limit").1)
            .collect();
        assert!(drawn.iter().all(|pause| *pause < window));
        for quarter in 0..4 {
            let (from, to) = (window / 4 * quarter, window / 4 * (quarter + 1));
            let inside = drawn
                .iter()
                .filter(|pause| (from..to).contains(*pause))
                .count();
            assert!((25..75).contains(&inside), "{inside} of 200 in {from:?}..");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let draw = |seed| {
            let mut pauses = Pauses::new(Backoff::default().seed(seed));
            [(); 5].map(|()| pauses.next(Duration::ZERO))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_close_code_sets_the_least_pause() {
        let mut pauses = Pauses::new(Backoff::default());
        let next = pauses.next(Duration::from_secs(10));
        let (_, pause) = next.expect("no limit");
        assert_eq!(pause, Duration::from_secs(10));
    }

    #[test]
    fn only_a_good_connection_starts_over() {
        let mut pauses = Pauses::new(Backoff::default().max_attempts(2));
        let mut attempt = || pauses.next(Duration::ZERO).map(|(attempt, _)| attempt);
        assert_eq!(attempt(), Some(1));
        pauses.connection_lasted(Duration::from_millis(4999));
        assert_eq!(
            pauses.next(Duration::ZERO).map(|(attempt, _)| attempt),
            Some(2)
        );
        assert_eq!(pauses.next(Duration::ZERO), None);
        pauses.connection_lasted(Duration::from_secs(5));
        assert_eq!(
            pauses.next(Duration::ZERO).map(|(attempt, _)| attempt),
            Some(1)
        );
    }
}
