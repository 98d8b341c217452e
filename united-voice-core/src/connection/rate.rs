//! The rate limit of one connection: a token bucket that is told the time.

use std::time::{Duration, Instant};

use crate::Limits;

/// An excess is a time in which messages are dropped. It ends when this much time passes without a
/// drop.
const CALM: Duration = Duration::from_secs(1);

/// A message counts once for each started part of this size.
const PART_BYTES: usize = 16 << 10;

/// How often a message of this size counts. An empty one counts once too.
pub(crate) fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PART_BYTES))
        .unwrap_or(u32::MAX)
        .max(1)
}

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
    /// The time in which the bucket gains one message, in nanoseconds.
    per_message: u32,
    /// How many messages a full bucket has.
    burst: u32,
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
        Self {
            per_message: 1_000_000_000 / limits.messages_per_second.max(1),
            burst: limits.burst,
            max_excess: limits.max_excess,
            full_at: now,
            excess: None,
        }
    }

    /// Counts a message `weight` times. It came at `now`, which must not go back from one call to
    /// the next. A message that is dropped takes nothing from the bucket.
    ///
    /// No message counts more often than the burst. Otherwise a large one could never pass.
    #[inline]
    pub(crate) fn check(&mut self, now: Instant, weight: u32) -> Verdict {
        let full_at = self.full_at.max(now) + self.time_for(weight.min(self.burst));
        if full_at - now <= self.time_for(self.burst) {
            self.full_at = full_at;
            return Verdict::Pass;
        }
        self.exceed(now)
    }

    /// Takes `weight` messages out of the bucket, even if it has fewer. Then it is in debt, and
    /// nothing passes until the debt is paid.
    pub(crate) fn charge(&mut self, now: Instant, weight: u32) {
        self.full_at = self.full_at.max(now) + self.time_for(weight);
    }

    /// The time in which the bucket gains so many messages.
    fn time_for(&self, messages: u32) -> Duration {
        Duration::from_nanos(u64::from(self.per_message) * u64::from(messages))
    }

    fn exceed(&mut self, now: Instant) -> Verdict {
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
            .filter(|_| limiter.check(now, 1) == Verdict::Pass)
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
            if (0..20).any(|_| limiter.check(now, 1) == Verdict::Close) {
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
            assert_eq!(limiter.check(now, 1), Verdict::Pass);
        }
    }

    #[test]
    fn a_message_counts_once_for_each_started_part() {
        let part = 16 * 1024;
        let weights = [0, 1, part, part + 1, 4 * part, 4 * part + 1].map(weight);
        assert_eq!(weights, [1, 1, 1, 2, 4, 5]);
        assert_eq!(weight(usize::MAX), u32::MAX);
        let start = Instant::now();
        let mut limiter = limiter(start);
        let passed = (0..100).filter(|_| limiter.check(start, 5) == Verdict::Pass);
        assert_eq!(passed.count(), 40);
        let later = start + Duration::from_millis(40);
        assert_eq!(limiter.check(later, 5), Verdict::Drop);
        assert_eq!(
            limiter.check(later, 4),
            Verdict::Pass,
            "a drop costs nothing"
        );
    }

    #[test]
    fn a_large_message_passes_with_a_full_bucket_even_if_the_burst_is_small() {
        let start = Instant::now();
        let mut limits = Limits::default();
        (limits.messages_per_second, limits.burst) = (1, 3);
        let mut limiter = RateLimiter::new(&limits, start);
        assert_eq!(limiter.check(start, 8), Verdict::Pass);
        let later = start + Duration::from_millis(2999);
        assert_eq!(limiter.check(later, 8), Verdict::Drop);
        let full = start + Duration::from_secs(3);
        assert_eq!(limiter.check(full, 8), Verdict::Pass);
    }

    #[test]
    fn a_charge_may_exceed_what_is_left_and_is_paid_before_anything_passes() {
        let start = Instant::now();
        let mut limiter = limiter(start);
        limiter.charge(start, 300);
        let paid = start + Duration::from_secs(1);
        assert_eq!(passed(&mut limiter, paid - Duration::from_millis(1), 9), 0);
        assert_eq!(passed(&mut limiter, paid, 9), 0);
        assert_eq!(passed(&mut limiter, paid + Duration::from_millis(30), 9), 3);
    }

    /// A client asks for joins that cost `weight`, a thousand times a second. After a refusal it
    /// waits for `pause`. Returns how many joins passed at once, and in all until the limiter said
    /// `Close`, if it did within a minute.
    fn joins(weight: u32, pause: Duration) -> (u32, Option<u32>) {
        let start = Instant::now();
        let mut limiter = limiter(start);
        let mut now = start;
        let (mut at_once, mut passed) = (None, 0);
        while now < start + Duration::from_secs(60) {
            match limiter.check(now, 1) {
                Verdict::Pass => {
                    limiter.charge(now, weight - 1);
                    passed += 1;
                    continue;
                }
                Verdict::Drop => now += pause,
                Verdict::Close => return (at_once.unwrap_or_default(), Some(passed)),
            }
            at_once = at_once.or(Some(passed));
            now += Duration::from_millis(1);
        }
        (at_once.unwrap_or_default(), None)
    }

    /// The table of `docs/protocol.md`.
    #[test]
    fn joins_of_large_channels_are_closed_after_what_the_rate_pays_for() {
        for (weight, at_once, in_all) in [(1, 200, 1200), (10, 20, 120), (100, 2, 12)] {
            let (first, until_closed) = joins(weight, Duration::ZERO);
            assert_eq!(first, at_once, "joins that cost {weight}");
            let until_closed = until_closed.expect("closed");
            assert!(
                (in_all..=in_all + 2).contains(&until_closed),
                "{until_closed} joins that cost {weight}"
            );
            assert_eq!(joins(weight, CALM), (at_once, None), "it waits");
        }
    }

    /// The largest rate and burst, and the largest weight, must not overflow.
    #[test]
    fn no_limit_is_too_large() {
        let start = Instant::now();
        for (rate, burst) in [(1, u32::MAX), (u32::MAX, 1), (u32::MAX, u32::MAX)] {
            let mut limits = Limits::default();
            (limits.messages_per_second, limits.burst) = (rate, burst);
            let mut limiter = RateLimiter::new(&limits, start);
            limiter.charge(start, u32::MAX);
            limiter.check(start, u32::MAX);
        }
    }
}
