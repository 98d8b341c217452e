//! The rate limit of one connection: a token bucket that is told the time.

use std::time::{Duration, Instant};

use crate::Limits;

/// An excess ends when this much time passes without a dropped message.
const CALM: Duration = Duration::from_secs(1);

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Handle it.
    Pass,
    /// Drop it and say so.
    Drop,
    /// The excess has lasted too long: close with 1008.
    Close,
}

/// A token bucket, kept as the instant at which it will be full again, so that it needs no refilling.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    per_message: Duration,
    capacity: Duration,
    max_excess: Duration,
    full_at: Instant,
    excess: Option<Excess>,
}

#[derive(Debug, Clone, Copy)]
struct Excess {
    since: Instant,
    last_drop: Instant,
}

impl RateLimiter {
    /// A full bucket: [`Limits::burst`] messages at once, [`Limits::messages_per_second`] for long.
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        let per_message = Duration::from_secs(1) / limits.messages_per_second.max(1);
        Self {
            per_message,
            capacity: per_message * limits.burst,
            max_excess: limits.max_excess,
            full_at: now,
            excess: None,
        }
    }

    /// Counts a message that came at `now`, which does not go back.
    pub(crate) fn check(&mut self, now: Instant) -> Verdict {
        let full_at = self.full_at.max(now) + self.per_message;
        if full_at - now <= self.capacity {
            self.full_at = full_at;
            return Verdict::Pass;
        }
        let since = match self.excess {
            Some(excess) if now - excess.last_drop < CALM => excess.since,
            _ => now,
        };
        self.excess = Some(Excess {
            since,
            last_drop: now,
        });
        if now - since > self.max_excess {
            Verdict::Close
        } else {
            Verdict::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(now: Instant) -> RateLimiter {
        RateLimiter::new(&Limits::default(), now)
    }

    fn passed(limiter: &mut RateLimiter, now: Instant, messages: usize) -> usize {
        (0..messages)
            .filter(|_| limiter.check(now) == Verdict::Pass)
            .count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut limiter = limiter(start);
        assert_eq!(passed(&mut limiter, start, 250), 200);
        let later = start + Duration::from_secs(1);
        assert_eq!(passed(&mut limiter, later, 150), 100);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(passed(&mut limiter, much_later, 1000), 200);
    }

    /// Sends 20 messages each 100 ms, twice the rate, and says after how long it was closed.
    fn closed_after(
        limiter: &mut RateLimiter,
        start: Instant,
        pause_at: Option<u32>,
    ) -> Option<u32> {
        let mut now = start;
        for step in 0..300 {
            if pause_at == Some(step) {
                now += CALM;
            }
            if (0..20).any(|_| limiter.check(now) == Verdict::Close) {
                return Some(step);
            }
            now += Duration::from_millis(100);
        }
        None
    }

    #[test]
    fn ten_seconds_of_excess_close() {
        let start = Instant::now();
        // The burst lasts for the first 2 s of it.
        let step = closed_after(&mut limiter(start), start, None).expect("closed");
        assert!((115..=125).contains(&step), "{step}");
    }

    #[test]
    fn a_calm_second_ends_the_excess() {
        let start = Instant::now();
        let unbroken = closed_after(&mut limiter(start), start, None).expect("closed");
        let broken = closed_after(&mut limiter(start), start, Some(100)).expect("closed");
        assert!(broken > unbroken + 60, "{unbroken} {broken}");
    }

    #[test]
    fn a_client_within_the_rate_is_never_dropped() {
        let start = Instant::now();
        let mut limiter = limiter(start);
        for message in 0..10_000 {
            let now = start + Duration::from_millis(10) * message;
            assert_eq!(limiter.check(now), Verdict::Pass);
        }
    }
}
