//! Log lines that could come with every request come once a minute.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const INTERVAL: Duration = Duration::from_secs(60);

/// Lets one event through a minute, and counts the others.
#[derive(Debug)]
pub(crate) struct OncePerMinute(Mutex<Option<Last>>);

#[derive(Clone, Copy, Debug)]
struct Last {
    passed: Instant,
    held_back: u64,
}

impl OncePerMinute {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// `None` if an event passed less than a minute before `now`. Else this one passes, and the
    /// number of those since the last is returned.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_mut() {
            Some(last) if now.saturating_duration_since(last.passed) < INTERVAL => {
                last.held_back += 1;
                None
            }
            _ => {
                let held_back = last.map_or(0, |last| last.held_back);
                *last = Some(Last {
                    passed: now,
                    held_back: 0,
                });
                Some(held_back)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_passes_and_the_rest_is_counted() {
        let (events, start) = (OncePerMinute::new(), Instant::now());
        let at = |seconds| events.pass(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(0), at(59)), (None, None));
        assert_eq!(at(60), Some(2));
        assert_eq!((at(119), at(120), at(500)), (None, Some(1), Some(0)));
    }
}
