//! Who speaks, on its way to other nodes while much of it is said.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::{Duration, Instant},
};

/// So many leave at once between two ticks. Beyond that they wait for others to the same node, since
/// an entry of its own for each would be most of the engine's work.
pub(super) const AT_ONCE: usize = 500;
/// How long the first of those that wait does so.
pub(super) const WAIT: Duration = Duration::from_millis(50);
/// How many may wait.
pub(super) const WAITING: usize = 16 << 10;

/// What waits for others, or for a later message of its session.
#[derive(Debug)]
pub(super) struct Speaking<M> {
    /// By session.
    waiting: HashMap<u64, Vec<Word<M>>>,
    len: usize,
    /// Since when one has waited.
    pub(super) since: Option<Instant>,
    /// How many were let through since the last tick.
    passed: usize,
}

/// What a session says to one node.
#[derive(Debug)]
pub(super) struct Word<M> {
    pub(super) node: u32,
    pub(super) message: Vec<u8>,
    pub(super) sent: M,
}

/// What becomes of a word.
#[derive(Debug)]
pub(super) enum Said<M> {
    /// It leaves now.
    Now(Word<M>),
    /// It waits, perhaps in the place of an earlier one.
    Waits,
    /// Too many wait.
    Dropped(M),
}

impl<M> Default for Speaking<M> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            len: 0,
            since: None,
            passed: 0,
        }
    }
}

impl<M> Speaking<M> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// When those that wait leave.
    pub(super) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + WAIT)
    }

    /// They cannot leave now, and wait as long again.
    pub(super) fn wait_again(&mut self) {
        self.since = self.since.map(|_| Instant::now());
    }

    /// Decides whether a word waits; it does if there `is_no_room` behind. If one of the session waits
    /// for the same node, the new one takes its place: only the last counts.
    pub(super) fn say(&mut self, session: u64, word: Word<M>, is_no_room: bool) -> Said<M> {
        match self.waiting.entry(session) {
            Entry::Vacant(_) if self.passed < AT_ONCE && !is_no_room => {
                self.passed += 1;
                return Said::Now(word);
            }
            Entry::Vacant(_) if self.len >= WAITING => return Said::Dropped(word.sent),
            Entry::Vacant(place) => {
                place.insert(vec![word]);
            }
            Entry::Occupied(mut place) => {
                let words = place.get_mut();
                if let Some(earlier) = words.iter_mut().find(|other| other.node == word.node) {
                    *earlier = word;
                    return Said::Waits;
                }
                if self.len >= WAITING {
                    return Said::Dropped(word.sent);
                }
                words.push(word);
            }
        }
        self.len += 1;
        self.since.get_or_insert_with(Instant::now);
        Said::Waits
    }

    /// What waits of a session, whose next message must not overtake it.
    pub(super) fn take_of(&mut self, session: u64) -> Vec<Word<M>> {
        let words = self.waiting.remove(&session).unwrap_or_default();
        self.len -= words.len();
        if self.len == 0 {
            self.since = None;
        }
        words
    }

    /// All that waits, by session.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (u64, Word<M>)> + use<M> {
        (self.len, self.since) = (0, None);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        waiting.flat_map(|(session, words)| words.into_iter().map(move |word| (session, word)))
    }

    pub(super) fn tick(&mut self) {
        self.passed = 0;
    }
}
