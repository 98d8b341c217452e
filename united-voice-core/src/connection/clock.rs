//! The time that a connection is told, and its timers: pings, silence, and the renewal of TURN
//! credentials.
//!
//! Credentials expire by the wall clock, and timers run on the monotonic clock. If the wall clock is
//! set, the credentials have another lifetime than planned. So both clocks are compared now and
//! then.

use std::time::{Duration, Instant, SystemTime};

use crate::Limits;

/// The present time. A [`ConnectionMachine`](crate::ConnectionMachine) reads no clock: its caller
/// passes the time to each call, and a test may pass any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Measures intervals. It must not go back from one call to the next.
    pub monotonic: Instant,
    /// Dates TURN credentials, which expire at a Unix time in seconds. If it jumps against
    /// `monotonic` by more than 5 s, participants are sent fresh credentials within half a minute.
    /// So a test that moves one of the two moves the other too.
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

/// How often the clocks are compared while the client has TURN credentials.
const COMPARE_CLOCKS: Duration = Duration::from_secs(30);

/// How far the clocks may drift apart. `drive` reads the wall clock only once a second, so this is
/// longer. Against the life of credentials it is short.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// Decides when to ping, when to count the client as dead, and when to renew its TURN credentials.
pub(crate) struct Timers {
    /// The last sign of life.
    heard_at: Instant,
    /// Set when a ping is ordered. The client counts as dead if it gives no sign of life until
    /// then.
    pong_deadline: Option<Instant>,
    /// A ping was ordered, and not handed out yet.
    ping_due: bool,
    /// Pings that were handed out and that no pong has answered. A client may answer only the
    /// latest of several (RFC 6455, section 5.5.3), so some pings stay here for ever.
    unanswered_pings: u8,
    /// `None` if there is nothing to renew. Boxed, because many connections have none.
    renewal: Option<Box<Renewal>>,
    /// How often the connection had been given TURN credentials when `renewal` was set. If the
    /// number has changed since, the connection has newer credentials, and the renewal is out of
    /// date.
    ice_grants: u64,
}

/// The renewal of a client's TURN credentials.
struct Renewal {
    due: Instant,
    /// What the wall clock shows when the renewal is due, unless the clock jumps before.
    wall_when_due: SystemTime,
    /// When to compare the clocks next. It is not later than `due`.
    look_at: Instant,
}

impl Renewal {
    fn after(delay: Duration, now: Now) -> Self {
        let due = after(now.monotonic, delay);
        Self {
            due,
            wall_when_due: now.wall.checked_add(delay).unwrap_or(now.wall),
            look_at: due.min(now.monotonic + COMPARE_CLOCKS),
        }
    }

    /// Whether the wall clock has jumped since the credentials were made.
    fn has_jumped(&self, now: Now) -> bool {
        let planned = self.due.saturating_duration_since(now.monotonic);
        let jump = match self.wall_when_due.duration_since(now.wall) {
            Ok(left) => left.abs_diff(planned),
            Err(passed) => passed.duration().saturating_add(planned),
        };
        jump > CLOCK_TOLERANCE
    }
}

impl Timers {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            heard_at: now,
            pong_deadline: None,
            ping_due: false,
            unanswered_pings: 0,
            renewal: None,
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
        let renewal = self.renewal.as_ref();
        renewal.map_or(life, |renewal| renewal.look_at.min(life))
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
        let taken = std::mem::take(&mut self.ping_due);
        self.unanswered_pings = self.unanswered_pings.saturating_add(taken.into());
        taken
    }

    /// A pong came. Returns whether there was a ping to answer.
    pub(crate) fn take_pong(&mut self) -> bool {
        let is_answer = self.unanswered_pings > 0;
        self.unanswered_pings -= u8::from(is_answer);
        is_answer
    }

    /// Notes that the connection was given TURN credentials `grants` times in all. If that is news,
    /// they are due for renewal after `delay`. Returns when to look at them, if that was set now.
    pub(crate) fn granted_ice(
        &mut self,
        grants: u64,
        delay: impl FnOnce() -> Option<Duration>,
        now: Now,
    ) -> Option<Instant> {
        if grants == self.ice_grants {
            return None;
        }
        self.ice_grants = grants;
        self.renewal = delay().map(|delay| Box::new(Renewal::after(delay, now)));
        self.renewal.as_ref().map(|renewal| renewal.look_at)
    }

    /// Whether to renew the credentials, because they are due or because the wall clock has jumped.
    /// Returns true once for each grant.
    pub(crate) fn take_renewal(&mut self, now: Now) -> bool {
        let Some(renewal) = &mut self.renewal else {
            return false;
        };
        if now.monotonic < renewal.look_at {
            return false;
        }
        if now.monotonic < renewal.due && !renewal.has_jumped(now) {
            renewal.look_at = renewal.due.min(now.monotonic + COMPARE_CLOCKS);
            return false;
        }
        self.renewal = None;
        true
    }
}
