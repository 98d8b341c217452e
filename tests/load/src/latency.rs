//! Latency at a fixed rate, without coordinated omission. A delay counts from the time at which a
//! message was due, not from the time at which it was sent. So a stall shows in every message that
//! it held up.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use rustix::{
    fd::OwnedFd,
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use tokio::io::unix::AsyncFd;

/// Delays of 1 us to 1 min are kept with three digits.
const RANGE_NANOS: (u64, u64) = (1_000, 60_000_000_000);

/// The delays of one run.
#[derive(Debug)]
pub struct Delays {
    start: Instant,
    /// Messages due earlier belong to the warm-up.
    from: AtomicU64,
    histogram: Mutex<Histogram<u64>>,
}

impl Delays {
    /// No delays yet. Messages that are due before [`begin`](Self::begin) do not count.
    pub fn new(start: Instant) -> Self {
        let (low, high) = RANGE_NANOS;
        Self {
            start,
            from: AtomicU64::new(u64::MAX),
            histogram: Mutex::new(Histogram::new_with_bounds(low, high, 3).expect("a valid range")),
        }
    }

    /// Ends the warm-up.
    pub fn begin(&self, now: Instant) {
        self.from.store(nanos(now - self.start), Relaxed);
    }

    /// Counts a message that arrived `now` and was `due` that many nanoseconds after the start.
    pub fn record(&self, due: u64, now: Instant) {
        if due >= self.from.load(Relaxed) {
            let delay = nanos(now - self.start).saturating_sub(due);
            self.histogram
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .saturating_record(delay);
        }
    }

    /// The longest delay of the fastest `share` of the messages.
    pub fn quantile(&self, share: f64) -> Duration {
        let histogram = self.histogram.lock();
        let histogram = histogram.unwrap_or_else(PoisonError::into_inner);
        Duration::from_nanos(histogram.value_at_quantile(share))
    }
}

/// When the messages of one sender are due: at equal intervals, whatever happened to earlier
/// messages.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// When the first is due, counted from the start of the run.
    pub first: Duration,
    /// The time from one to the next.
    pub interval: Duration,
}

impl Schedule {
    /// When message `number` is due, in nanoseconds from the start of the run.
    pub fn due(self, number: u64) -> u64 {
        nanos(self.first) + number * nanos(self.interval)
    }

    /// The same moments, counted from `elapsed` after the start of the run.
    pub fn seen_after(self, elapsed: Duration) -> Self {
        let first = self.first.saturating_sub(elapsed);
        Self {
            // The kernel takes a timer of zero for one that is switched off.
            first: first.max(Duration::from_nanos(1)),
            ..self
        }
    }
}

/// Fires on a schedule, with the precision of the kernel's clock. The runtime's own timers have a
/// precision of a millisecond, and that is ten times what is measured.
#[derive(Debug)]
pub struct Pacer {
    timer: AsyncFd<OwnedFd>,
}

impl Pacer {
    /// Starts the schedule now.
    ///
    /// # Errors
    ///
    /// The kernel gives no timer.
    #[expect(
        deprecated,
        reason = "its unsafe successor asks for a promise that an owned descriptor keeps in any case"
    )]
    pub fn new(schedule: Schedule) -> anyhow::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)
            .context("the kernel gives no more timers")?;
        let times = Itimerspec {
            it_interval: timespec(schedule.interval),
            it_value: timespec(schedule.first),
        };
        timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
        Ok(Self {
            timer: AsyncFd::new(timer)?,
        })
    }

    /// Waits until messages are due, and returns how many.
    ///
    /// # Errors
    ///
    /// The timer cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses none: the next call counts them.
    pub async fn tick(&self) -> anyhow::Result<u64> {
        loop {
            let mut ready = self.timer.readable().await?;
            let mut count = [0; 8];
            let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?));
            if let Ok(read) = read {
                read?;
                return Ok(u64::from_ne_bytes(count));
            }
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).expect("less than a run"),
        tv_nsec: duration.subsec_nanos().into(),
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a run is shorter than 500 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_stall_counts_for_every_message_that_it_held_up() {
        let start = Instant::now();
        let delays = Delays::new(start);
        delays.begin(start);
        let schedule = Schedule {
            first: MS,
            interval: MS,
        };
        // All messages of a second arrive at its end, as they do after a stall of the sender or of
        // the server.
        for number in 0..1000 {
            delays.record(schedule.due(number), start + 1000 * MS);
        }
        let half = delays.quantile(0.5);
        assert!((499 * MS..=502 * MS).contains(&half), "{half:?}");
        assert!(delays.quantile(1.0) >= 999 * MS);
    }

    #[test]
    fn the_warm_up_does_not_count() {
        let start = Instant::now();
        let delays = Delays::new(start);
        delays.record(0, start + 500 * MS);
        delays.begin(start + 10 * MS);
        delays.record(9_999_999, start + 500 * MS);
        delays.record(10_000_000, start + 12 * MS);
        let longest = delays.quantile(1.0);
        assert!((2 * MS..3 * MS).contains(&longest), "{longest:?}");
    }

    #[tokio::test]
    async fn a_pacer_makes_up_for_what_was_missed() {
        let schedule = Schedule {
            first: MS,
            interval: MS,
        };
        let start = Instant::now();
        let pacer = Pacer::new(schedule).unwrap();
        let (mut fired, mut rounds) = (0, 0);
        while fired < 50 {
            fired += pacer.tick().await.unwrap();
            rounds += 1;
            // A sender that could not run for this long.
            std::thread::sleep(7 * MS);
            let due = u64::try_from(start.elapsed().as_millis()).unwrap();
            assert!(fired <= due, "{fired} by {due} ms");
        }
        assert!(start.elapsed() >= 50 * MS);
        // Otherwise each round would fire once.
        assert!(rounds < 25, "{rounds} rounds");
    }
}
