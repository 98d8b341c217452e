//! When a connection has to do something by itself: ping, give up, answer late, hand out credentials.

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

use crate::Limits;

/// The deadlines of one connection over a single timer.
///
/// The timer is moved only to an earlier deadline; where one has moved to later, the timer fires, finds nothing due and is
/// set anew. Hence hearing from the client costs nothing but the note.
pub(crate) struct Clock {
    ping_interval: Duration,
    ping_timeout: Duration,
    heard_at: Instant,
    /// A ping is under way; the client is dead if it says nothing until then.
    pong_deadline: Option<Instant>,
    pub(crate) ping_due: bool,
    pub(crate) join_deadline: Option<Instant>,
    pub(crate) ice_deadline: Option<Instant>,
    /// The session's count of credentials when `ice_deadline` was set.
    pub(crate) ice_grants: u64,
    timer: Pin<Box<Sleep>>,
}

/// A deadline; one that no clock can hold is a year away, and looked at again then.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    now.checked_add(time).unwrap_or(now + YEAR)
}

impl Clock {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            ping_interval: limits.ping_interval,
            ping_timeout: limits.ping_timeout,
            heard_at: now,
            pong_deadline: None,
            ping_due: false,
            join_deadline: None,
            ice_deadline: None,
            ice_grants: 0,
            timer: Box::pin(sleep_until(after(now, limits.ping_interval))),
        }
    }

    /// The client gave a sign of life.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.pong_deadline = None;
    }

    fn next_deadline(&self) -> Instant {
        let life = self
            .pong_deadline
            .unwrap_or_else(|| after(self.heard_at, self.ping_interval));
        let others = [self.join_deadline, self.ice_deadline];
        others.into_iter().flatten().fold(life, Instant::min)
    }

    /// Whether a deadline has passed; otherwise the task will be woken at the next.
    pub(crate) fn poll_due(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let next = self.next_deadline();
        if next <= now {
            return true;
        }
        if next < self.timer.deadline() {
            self.timer.as_mut().reset(next);
        }
        if self.timer.as_mut().poll(cx).is_ready() {
            self.timer.as_mut().reset(next);
            if self.timer.as_mut().poll(cx).is_ready() {
                // Due since `now` was taken.
                cx.waker().wake_by_ref();
            }
        }
        false
    }

    pub(crate) fn is_dead(&self, now: Instant) -> bool {
        self.pong_deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Whether it is time for a ping, which is then under way.
    pub(crate) fn take_ping(&mut self, now: Instant) -> bool {
        let due = self.pong_deadline.is_none() && after(self.heard_at, self.ping_interval) <= now;
        if due {
            self.pong_deadline = Some(after(now, self.ping_timeout));
            self.ping_due = true;
        }
        due
    }

    /// Whether a deadline has passed, which it then has no more.
    pub(crate) fn take(deadline: &mut Option<Instant>, now: Instant) -> bool {
        let due = deadline.is_some_and(|deadline| deadline <= now);
        if due {
            *deadline = None;
        }
        due
    }
}
