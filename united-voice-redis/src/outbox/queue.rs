//! What waits to be put into a batch.

use std::collections::{HashMap, VecDeque};

use crate::Operation;

/// How much may wait. Joins and messages beyond it are refused. Leaves and states are not: a
/// session has one leave and 16 states at most.
pub(super) const ITEMS: usize = 64 << 10;
const BYTES: usize = 64 << 20;
/// How many states of one session wait at most.
const STATES: usize = 16;
/// What an operation takes besides its profile, about.
const OPERATION_BYTES: usize = 256;

/// Too much waits. It has what was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much waits for the engine")]
pub struct Saturated<T>(pub T);

#[derive(Debug)]
pub(super) enum Waiting<A, M> {
    Operation {
        operation: Operation,
        /// More than one if states were merged.
        asked: Vec<A>,
    },
    Message {
        node: u32,
        sender: u64,
        message: Vec<u8>,
        sent: M,
    },
}

#[derive(Debug)]
pub(super) struct Queue<A, M> {
    items: VecDeque<Waiting<A, M>>,
    bytes: usize,
    /// How many states of each session wait.
    states: HashMap<u64, usize>,
    /// Whether somebody who asked needs no outcome any more.
    pub(super) is_told: fn(&A) -> bool,
}

impl<A, M> Default for Queue<A, M> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            bytes: 0,
            states: HashMap::new(),
            is_told: |_| false,
        }
    }
}

/// The session whose order the operation belongs to.
pub(super) fn session(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::Join { session, .. }
        | Operation::Leave { session, .. }
        | Operation::State { session, .. } => Some(*session),
        _ => None,
    }
}

impl<A, M> Waiting<A, M> {
    fn weight(&self) -> usize {
        match self {
            Self::Operation { operation, .. } => match operation {
                Operation::Join { profile, .. } => OPERATION_BYTES + profile.len(),
                Operation::Reassert { seats, .. } => seats
                    .iter()
                    .map(|seat| OPERATION_BYTES + seat.member.weight())
                    .sum(),
                _ => OPERATION_BYTES,
            },
            Self::Message { message, .. } => crate::pack::weight(message),
        }
    }
}

impl<A, M> Queue<A, M> {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= ITEMS || self.bytes >= BYTES
    }

    pub(super) fn propose(&mut self, operation: Operation, asked: A) -> Result<(), Saturated<A>> {
        match &operation {
            Operation::Join { .. } if self.is_full() => return Err(Saturated(asked)),
            Operation::State { session, .. } => {
                let waiting = self.states.entry(*session).or_default();
                if *waiting == STATES {
                    self.merge(*session, operation, asked);
                    return Ok(());
                }
                *waiting += 1;
            }
            _ => {}
        }
        self.push(Waiting::Operation {
            operation,
            asked: vec![asked],
        });
        Ok(())
    }

    pub(super) fn propose_first(&mut self, operations: Vec<(Operation, A)>) {
        for (operation, asked) in operations.into_iter().rev() {
            if let Operation::State { session, .. } = &operation {
                *self.states.entry(*session).or_default() += 1;
            }
            let waiting = Waiting::Operation {
                operation,
                asked: vec![asked],
            };
            self.bytes += waiting.weight();
            self.items.push_front(waiting);
        }
    }

    pub(super) fn forward(
        &mut self,
        node: u32,
        sender: u64,
        message: Vec<u8>,
        sent: M,
    ) -> Result<(), Saturated<M>> {
        if self.is_full() || u32::try_from(message.len()).is_err() {
            return Err(Saturated(sent));
        }
        self.push(Waiting::Message {
            node,
            sender,
            message,
            sent,
        });
        Ok(())
    }

    fn push(&mut self, waiting: Waiting<A, M>) {
        self.bytes += waiting.weight();
        self.items.push_back(waiting);
    }

    /// Puts a newer state in the place of the last one that waits.
    fn merge(&mut self, whose: u64, newer: Operation, by: A) {
        let last = self
            .items
            .iter_mut()
            .rev()
            .find_map(|waiting| match waiting {
                Waiting::Operation { operation, asked } => {
                    let fits =
                        matches!(operation, Operation::State { session, .. } if *session == whose);
                    fits.then_some((operation, asked))
                }
                Waiting::Message { .. } => None,
            });
        let (operation, asked) = last.expect("`states` counts 16 of them");
        *operation = newer;
        // While a node is cut off, each state is told at once. Without this, the list would grow for
        // as long as that lasts.
        asked.retain(|asked| !(self.is_told)(asked));
        asked.push(by);
    }

    pub(super) fn pop(&mut self) -> Option<Waiting<A, M>> {
        let waiting = self.items.pop_front()?;
        self.forget(&waiting);
        Some(waiting)
    }

    fn forget(&mut self, waiting: &Waiting<A, M>) {
        self.bytes -= waiting.weight();
        if let Waiting::Operation {
            operation: Operation::State { session, .. },
            ..
        } = waiting
            && let Some(states) = self.states.get_mut(session)
        {
            *states -= 1;
            if *states == 0 {
                self.states.remove(session);
            }
        }
    }

    pub(super) fn withdraw(&mut self, mut which: impl FnMut(&Operation, &A) -> bool) -> Vec<A> {
        let mut withdrawn = Vec::new();
        for waiting in std::mem::take(&mut self.items) {
            let goes = match &waiting {
                Waiting::Operation { operation, asked } => {
                    asked.iter().any(|asked| which(operation, asked))
                }
                Waiting::Message { .. } => false,
            };
            if goes {
                self.forget(&waiting);
                if let Waiting::Operation { asked, .. } = waiting {
                    withdrawn.extend(asked);
                }
            } else {
                self.items.push_back(waiting);
            }
        }
        withdrawn
    }

    pub(super) fn each_asked(&mut self, each: impl FnMut(&mut A)) {
        let asked = self.items.iter_mut().flat_map(|waiting| match waiting {
            Waiting::Operation { asked, .. } => asked.as_mut_slice(),
            Waiting::Message { .. } => &mut [],
        });
        asked.for_each(each);
    }

    pub(super) fn take_messages(&mut self) -> Vec<M> {
        let mut taken = Vec::new();
        for waiting in std::mem::take(&mut self.items) {
            match waiting {
                Waiting::Message { .. } => {
                    self.forget(&waiting);
                    if let Waiting::Message { sent, .. } = waiting {
                        taken.push(sent);
                    }
                }
                Waiting::Operation { .. } => self.items.push_back(waiting),
            }
        }
        taken
    }
}
