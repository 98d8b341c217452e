//! What the host ended of late. An engine that lost its last second may not know it any more.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::LEASES;
use crate::Operation;

/// An end is forgotten so long after it, with the next beat that the engine answers. A replica is not
/// behind for so long, and no node can be silent for longer and keep its seats.
const LIFE: Duration = *LEASES.end();
/// How many are remembered. The oldest goes first.
const KICKS: usize = 4096;

/// Ends that this node asked for, and that the engine decided.
#[derive(Debug, Default)]
pub(super) struct Kicks {
    recent: VecDeque<Kick>,
}

#[derive(Debug)]
struct Kick {
    operation: Operation,
    version: u64,
    since: Instant,
}

impl Kicks {
    /// The engine decided this operation of the host with this version.
    pub(super) fn decided(&mut self, operation: Operation, version: u64, now: Instant) {
        // A channel ends in many steps.
        self.recent.retain(|kick| kick.operation != operation);
        if self.recent.len() == KICKS {
            self.recent.pop_front();
        }
        self.recent.push_back(Kick {
            operation,
            version,
            since: now,
        });
    }

    /// The engine answered a beat, and lacks nothing.
    pub(super) fn beaten(&mut self, now: Instant) {
        let is_new = |kick: &Kick| now.saturating_duration_since(kick.since) < LIFE;
        self.recent.retain(is_new);
    }

    /// What the engine is asked for again. All of it is remembered as if it had just been decided.
    pub(super) fn again(&mut self, now: Instant) -> Vec<Operation> {
        let recent = self.recent.iter_mut();
        recent
            .map(|kick| {
                kick.since = now;
                let mut again = kick.operation.clone();
                if let Operation::Kick { before, .. } | Operation::Clear { before, .. } = &mut again
                {
                    *before = Some(kick.version);
                }
                again
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kick(user: usize, before: Option<u64>) -> Operation {
        Operation::Kick {
            user: user.to_string(),
            channel: None,
            reason: 1,
            before,
        }
    }

    #[test]
    fn what_was_ended_is_asked_for_again_until_it_is_old() {
        let (mut kicks, start) = (Kicks::default(), Instant::now());
        kicks.decided(kick(1, None), 7, start);
        kicks.decided(kick(2, None), 8, start + LIFE / 2);
        let almost = start + LIFE - Duration::from_millis(1);
        kicks.beaten(almost);
        assert_eq!(kicks.again(almost), [kick(1, Some(7)), kick(2, Some(8))]);
        kicks.beaten(start + LIFE * 3 / 2);
        assert_eq!(kicks.again(almost).len(), 2, "they were young again");
        kicks.beaten(almost + LIFE);
        assert_eq!(kicks.again(start), []);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let (mut kicks, now) = (Kicks::default(), Instant::now());
        for user in 0..=KICKS {
            kicks.decided(kick(user, None), 1, now);
        }
        let again = kicks.again(now);
        assert_eq!((again.len(), &again[0]), (KICKS, &kick(1, Some(1))));
        kicks.decided(kick(1, None), 2, now);
        let again = kicks.again(now);
        assert_eq!((again.len(), &again[0]), (KICKS, &kick(2, Some(1))));
        assert_eq!(again[KICKS - 1], kick(1, Some(2)));
    }
}
