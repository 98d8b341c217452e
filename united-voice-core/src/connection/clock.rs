//! The time that a connection is told, and its timers: pings, silence, and the renewal of TURN
//! credentials.

use std::time::{Duration, Instant, SystemTime};

use crate::Limits;

/// The present time. A [`ConnectionMachine`](crate::ConnectionMachine) reads no clock: its caller
/// passes the time to each call, and a test may pass any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Measures intervals. It must not go back from one call to the next.
    pub monotonic: Instant,
    /// Dates TURN credentials, which expire at a Unix time in seconds.
    pub wall: SystemTime,
}

impl Now {
    /// Reads the system's clocks, for the code around a machine.
    ///
    /// A host whose tests pause Tokio's clock takes `monotonic` from `tokio::time::Instant`
    /// instead.
    pub fn read() -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        }
    }
}

/// The instant `time` after `now`. If an `Instant` cannot hold that, as with a limit of
/// `Duration::MAX`, it is a year after `now`.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(time).unwrap_or(now + YEAR)
}

/// Decides when to ping, when to count the client as dead, and when to renew its TURN credentials.
pub(crate) struct Timers {
    /// The last sign of life.
    heard_at: Instant,
    /// Set when a ping is ordered. The client counts as dead if it gives no sign of life until
    /// then.
    pong_deadline: Option<Instant>,
    /// A ping was ordered, and not handed out yet.
    ping_due: bool,
    /// When to renew the TURN credentials. `None` if there is nothing to renew.
    ice_deadline: Option<Instant>,
    /// How often the connection had been given TURN credentials when `ice_deadline` was set. If the
    /// number has changed since, the connection has newer credentials, and the deadline is out of
    /// date.
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

    /// When the next of these is due.
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

    /// Notes that the connection was given TURN credentials `grants` times in all. If that is news,
    /// they are due for renewal after `delay`. Returns the time of the renewal if it was set now.
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

    /// Whether the credentials are due for renewal. Returns true once for each deadline.
    pub(crate) fn take_renewal(&mut self, now: Instant) -> bool {
        let due = self.ice_deadline.is_some_and(|deadline| deadline <= now);
        if due {
            self.ice_deadline = None;
        }
        due
    }
}
