//! The time as a connection is told it, and what a connection has to do by itself at some time.

use std::time::{Duration, Instant, SystemTime};

use crate::Limits;

/// The time of a call. No [`ConnectionMachine`](crate::ConnectionMachine) reads a clock: its caller does, and a test makes
/// the time up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For intervals. It must not go back from one call to the next.
    pub monotonic: Instant,
    /// For the expiry of TURN credentials, which counts in seconds.
    pub wall: SystemTime,
}

impl Now {
    /// The time of the system's clocks, for the code around a machine.
    ///
    /// A host whose tests pause Tokio's clock takes `monotonic` from `tokio::time::Instant` instead.
    pub fn read() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// `time` after `now`; if no clock can hold that, a year after it, and then again.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(time).unwrap_or(now + YEAR)
}

/// When to ping, when to take the client for dead, and when to renew its TURN credentials.
pub(crate) struct Timers {
    heard_at: Instant,
    /// A ping was sent. The client is dead if it gives no sign of life until then.
    pong_deadline: Option<Instant>,
    ping_due: bool,
    ice_deadline: Option<Instant>,
    /// The connection's count of grants when `ice_deadline` was set.
    ice_grants: u64,
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            pong_deadline: None,
            ping_due: false,
            ice_deadline: None,
            ice_grants: 0,
        }
    }

    /// The client gave a sign of life.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pong_deadline = None;
    }

    /// When the next of all this is due.
    pub(crate) fn deadline(&self, limits: &Limits) -> Instant {
        let life = self
            .pong_deadline
            .unwrap_or_else(|| after(self.heard_at, limits.ping_interval));
        self.ice_deadline.map_or(life, |ice| ice.min(life))
    }

    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        self.pong_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Orders a ping if the client has been silent for long enough.
    pub(crate) fn ping_if_silent(&mut self, limits: &Limits, now: Instant) {
        if self.pong_deadline.is_none() && after(self.heard_at, limits.ping_interval) <= now {
            self.pong_deadline = Some(after(now, limits.ping_timeout));
            self.ping_due = true;
        }
    }

    /// Whether a ping was ordered since the last call.
    pub(crate) fn take_ping(&mut self) -> bool {
        std::mem::take(&mut self.ping_due)
    }

    /// Credentials were granted for the `grants`th time: if that is news, they are due for renewal after `delay`, at the time
    /// that is returned.
    pub(crate) fn granted_ice(
        &mut self,
        grants: u64,
        delay: impl FnOnce() -> Option<Duration>,
        now: Instant,
    ) -> Option<Instant> {
        if grants == self.ice_grants {
            return None;
        }
        self.ice_grants = grants;
        self.ice_deadline = delay().map(|delay| after(now, delay));
        self.ice_deadline
    }

    /// Whether the credentials are to be renewed now. It says so once.
    pub(crate) fn take_renewal(&mut self, now: Instant) -> bool {
        let due = self.ice_deadline.is_some_and(|deadline| deadline <= now);
        if due {
            self.ice_deadline = None;
        }
        due
    }
}
