//! The rate limit of one connection: a token bucket that is told the time.

use std::time::{Duration, Instant};

use crate::Limits;

/// An excess is a time in which messages are dropped. It ends when this much time passes without a
/// drop.
const CALM: Duration = Duration::from_secs(1);

/// What to do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Handle it.
    Pass,
    /// Drop it, and answer `RATE_LIMITED` if it asks for an answer.
    Drop,
    /// The excess has lasted too long: close with 1008.
    Close,
}

/// A token bucket. It keeps the instant at which it will be full again, so nobody has to refill it.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// The time in which the bucket gains one message.
    per_message: Duration,
    /// The time in which an empty bucket becomes full.
    capacity: Duration,
    /// How long messages may be dropped before the connection is closed.
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
    /// A full bucket. It passes [`Limits::burst`] messages at once, and
    /// [`Limits::messages_per_second`] in the long run.
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

    /// Counts a message that came at `now`, which must not go back from one call to the next.
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
    fn a_burst_passes_and_then_as_many_messages_as_the_rate_allows() {
        let start = Instant::now();
        let mut limiter = limiter(start);
        assert_eq!(passed(&mut limiter, start, 250), 200);
        let later = start + Duration::from_secs(1);
        assert_eq!(passed(&mut limiter, later, 150), 100);
        let much_later = start + Duration::from_secs(3600);
        assert_eq!(passed(&mut limiter, much_later, 1000), 200);
    }

    /// Sends 20 messages every 100 ms, which is twice the rate, and nothing for [`CALM`] before
    /// step `pause_at`. Returns the step of 100 ms in which the limiter says `Close`.
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
    fn ten_seconds_of_excess_close_the_connection() {
        let start = Instant::now();
        // Nothing is dropped in the first 2 s: the burst lasts that long.
        let step = closed_after(&mut limiter(start), start, None).expect("closed");
        assert!((115..=125).contains(&step), "{step}");
    }

    #[test]
    fn one_second_without_a_drop_ends_the_excess() {
        let start = Instant::now();
        let unbroken = closed_after(&mut limiter(start), start, None).expect("closed");
        let broken = closed_after(&mut limiter(start), start, Some(100)).expect("closed");
        assert!(broken > unbroken + 60, "{unbroken} {broken}");
    }

    #[test]
    fn no_message_within_the_rate_is_dropped() {
        let start = Instant::now();
        let mut limiter = limiter(start);
        for message in 0..10_000 {
            let now = start + Duration::from_millis(10) * message;
            assert_eq!(limiter.check(now), Verdict::Pass);
        }
    }
}
