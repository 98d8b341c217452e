//! How fast a client sends: the token bucket with which servers limit it, kept on this side.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes of a message that count as one message. Each further part of this size counts once more.
pub(crate) const BYTES_PER_MESSAGE: usize = 16 << 10;

/// The pause after a refusal for the rate. A server closes the connection if it drops messages for
/// ten seconds without a second between two of them, so the pause is longer than a second.
const PAUSE: Duration = Duration::from_millis(1200);

/// What a client may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) messages_per_second: u32,
    /// Messages that may be sent at once after a pause.
    pub(crate) burst: u32,
}

impl Default for Rate {
    /// Nine tenths of what servers allow by default. The rest is for pings, and for messages that
    /// the network delays and then delivers together.
    fn default() -> Self {
        Self {
            messages_per_second: 90,
            burst: 180,
        }
    }
}

/// A token bucket. It keeps the instant at which it will be full again, so nobody has to refill it.
#[derive(Debug)]
pub(crate) struct Pace {
    per_message: Duration,
    burst: u32,
    /// `None` if it is full.
    full_at: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            per_message: Duration::from_secs(1) / rate.messages_per_second.max(1),
            burst: rate.burst.max(1),
            full_at: None,
        }
    }

    /// Forgets what was sent, because a new connection begins.
    pub(crate) fn reset(&mut self) {
        self.full_at = None;
    }

    /// When so many messages may be sent at once. `None` means now.
    pub(crate) fn ready_at(&self, messages: u32) -> Option<Instant> {
        let free = self.burst.saturating_sub(messages);
        self.full_at?.checked_sub(self.per_message * free)
    }

    /// Counts messages that are sent.
    pub(crate) fn count(&mut self, messages: u32, now: Instant) {
        let full_at = self.full_at.map_or(now, |at| at.max(now));
        self.full_at = Some(full_at + self.per_message * messages.min(self.burst));
    }

    /// The server has dropped a message: nothing is sent for a while, and no burst follows.
    pub(crate) fn pause(&mut self, now: Instant) {
        let full_at = now + PAUSE + self.per_message * self.burst;
        self.full_at = self.full_at.max(Some(full_at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(Rate {
            messages_per_second: 10,
            burst: 5,
        })
    }

    /// Sends what may be sent at `now`.
    fn send(pace: &mut Pace, now: Instant) -> usize {
        let mut sent = 0;
        while pace.ready_at(1).is_none_or(|at| at <= now) {
            pace.count(1, now);
            sent += 1;
            assert!(sent < 100);
        }
        sent
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let (mut pace, start) = (pace(), Instant::now());
        assert_eq!(send(&mut pace, start), 5);
        assert_eq!(pace.ready_at(1), Some(start + Duration::from_millis(100)));
        assert_eq!(send(&mut pace, start + Duration::from_millis(300)), 3);
        assert_eq!(send(&mut pace, start + Duration::from_secs(60)), 5);
        pace.reset();
        assert_eq!(send(&mut pace, start), 5);
    }

    #[test]
    fn a_large_message_counts_several_times_and_is_never_too_large() {
        let (mut pace, start) = (pace(), Instant::now());
        pace.count(4, start);
        assert_eq!(send(&mut pace, start), 1);
        let all = pace.ready_at(1000).expect("the bucket is not full");
        assert_eq!(all - start, Duration::from_millis(500));
    }

    #[test]
    fn after_a_refusal_nothing_is_sent_for_more_than_a_second() {
        let (mut pace, start) = (pace(), Instant::now());
        send(&mut pace, start);
        pace.pause(start);
        assert_eq!(send(&mut pace, start + Duration::from_millis(1100)), 0);
        assert_eq!(send(&mut pace, start + Duration::from_millis(1300)), 1);
        assert_eq!(send(&mut pace, start + Duration::from_millis(1500)), 2);
    }
}
