//! What the host ended of late. An engine that lost its last second may not know it any more.

use std::collections::VecDeque;

use crate::Operation;

/// An end is forgotten after the engine answered so many beats. A replica that takes its place is not
/// behind for so long.
const BEATS: u8 = 5;
/// How many are remembered. The oldest goes first.
const KICKS: usize = 1024;

/// Ends that this node asked for, and that the engine decided.
#[derive(Debug, Default)]
pub(super) struct Kicks {
    recent: VecDeque<Kick>,
}

#[derive(Debug)]
struct Kick {
    operation: Operation,
    version: u64,
    beats: u8,
}

impl Kicks {
    /// The engine decided this operation of the host with this version.
    pub(super) fn decided(&mut self, operation: Operation, version: u64) {
        // A channel ends in many steps.
        self.recent.retain(|kick| kick.operation != operation);
        if self.recent.len() == KICKS {
            self.recent.pop_front();
        }
        self.recent.push_back(Kick {
            operation,
            version,
            beats: 0,
        });
    }

    /// The engine answered a beat, and lacks nothing.
    pub(super) fn beaten(&mut self) {
        for kick in &mut self.recent {
            kick.beats += 1;
        }
        self.recent.retain(|kick| kick.beats < BEATS);
    }

    /// What the engine is asked for again. All of it is remembered as if it had just been decided.
    pub(super) fn again(&mut self) -> Vec<Operation> {
        let recent = self.recent.iter_mut();
        recent
            .map(|kick| {
                kick.beats = 0;
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
        let mut kicks = Kicks::default();
        kicks.decided(kick(1, None), 7);
        for _ in 0..BEATS - 1 {
            kicks.beaten();
        }
        kicks.decided(kick(2, None), 8);
        assert_eq!(kicks.again(), [kick(1, Some(7)), kick(2, Some(8))]);
        for _ in 0..BEATS - 1 {
            kicks.beaten();
        }
        assert_eq!(kicks.again().len(), 2, "they were young again");
        for _ in 0..BEATS {
            kicks.beaten();
        }
        assert_eq!(kicks.again(), []);
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let mut kicks = Kicks::default();
        for user in 0..=KICKS {
            kicks.decided(kick(user, None), 1);
        }
        let again = kicks.again();
        assert_eq!((again.len(), &again[0]), (KICKS, &kick(1, Some(1))));
        kicks.decided(kick(1, None), 2);
        let again = kicks.again();
        assert_eq!((again.len(), &again[0]), (KICKS, &kick(2, Some(1))));
        assert_eq!(again[KICKS - 1], kick(1, Some(2)));
    }
}
