//! Finds out whether an inbox has lost or repeated something.

use crate::{Entry, Record};

/// What a node has had from its inbox. It decides for each entry whether to apply it.
#[derive(Clone, Debug, Default)]
pub struct InboxNumbers {
    last: u64,
    /// The highest version of an entry.
    version: u64,
    beat: u64,
    /// How many entries of any kind the inbox had up to the last one read; `None` until a tick says
    /// so, after a start in the middle.
    added: Option<u64>,
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// Apply it.
    New,
    /// It has been applied already: drop it.
    Old,
    /// Something before it is missing: the inbox was trimmed. This is said once. The node installs
    /// whole rosters, and goes on with the entries that follow.
    Lost,
    /// The engine has fewer entries than this node has seen, or other ones: it lost its last second.
    /// The node registers anew.
    Behind,
}

impl InboxNumbers {
    /// For a new registration, whose inbox is read from its beginning.
    pub fn new() -> Self {
        Self {
            added: Some(0),
            ..Self::default()
        }
    }

    /// The number of the last change.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The number of the last beat that came out.
    pub fn beat(&self) -> u64 {
        self.beat
    }

    /// The inbox will be read from its beginning again, because the engine restarted. What has been
    /// applied is dropped by its number.
    pub fn reread(&mut self) {
        self.added = None;
    }

    /// Counts an entry that is no [`Entry`] but a message of another node.
    pub fn message(&mut self) {
        self.count();
    }

    /// Counts an entry and says what to do with it.
    pub fn entry(&mut self, entry: &Entry) -> Arrival {
        self.count();
        match entry.record {
            Record::Tick { beat, added } => self.tick(entry.number, beat, added),
            // The engine went back and gave the number again, to something that is new.
            _ if entry.number <= self.last && entry.version > self.version => Arrival::Behind,
            _ if entry.number <= self.last => Arrival::Old,
            _ => {
                let is_next = entry.number == self.last + 1;
                self.last = entry.number;
                self.version = self.version.max(entry.version);
                if is_next { Arrival::New } else { Arrival::Lost }
            }
        }
    }

    fn count(&mut self) {
        self.added = self.added.map(|added| added + 1);
    }

    fn tick(&mut self, number: u64, beat: u64, added: u64) -> Arrival {
        // The tick that made the inbox has the number 0, like no other.
        if beat <= self.beat {
            return Arrival::Old;
        }
        self.beat = beat;
        let counted = self.added.replace(added).unwrap_or(added);
        if number < self.last || added < counted {
            return Arrival::Behind;
        }
        if number > self.last || added > counted {
            self.last = number;
            return Arrival::Lost;
        }
        Arrival::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;

    fn change(number: u64) -> Entry {
        Entry {
            number,
            asked: None,
            version: number,
            record: Record::Refused(Refusal::Full),
        }
    }

    fn tick(number: u64, beat: u64, added: u64) -> Entry {
        Entry {
            record: Record::Tick { beat, added },
            ..change(number)
        }
    }

    /// An inbox with its first tick, two changes, a message, and a beat.
    fn read() -> InboxNumbers {
        let mut numbers = InboxNumbers::new();
        assert_eq!(numbers.entry(&tick(0, 0, 1)), Arrival::Old);
        assert_eq!(numbers.entry(&change(1)), Arrival::New);
        assert_eq!(numbers.entry(&change(2)), Arrival::New);
        numbers.message();
        assert_eq!(numbers.entry(&tick(2, 1, 5)), Arrival::New);
        numbers
    }

    #[test]
    fn a_repeated_entry_is_dropped_and_a_jump_is_a_loss() {
        let mut numbers = read();
        assert_eq!(numbers.entry(&change(2)), Arrival::Old);
        assert_eq!(numbers.entry(&change(4)), Arrival::Lost);
        assert_eq!(numbers.entry(&change(5)), Arrival::New);
    }

    #[test]
    fn the_next_tick_shows_the_loss_of_the_last_change() {
        let mut numbers = read();
        assert_eq!(numbers.entry(&tick(3, 2, 7)), Arrival::Lost);
        assert_eq!(numbers.entry(&change(4)), Arrival::New);
    }

    #[test]
    fn the_next_tick_shows_the_loss_of_a_message() {
        assert_eq!(read().entry(&tick(2, 2, 7)), Arrival::Lost);
    }

    #[test]
    fn a_tick_shows_that_the_engine_went_back() {
        assert_eq!(read().entry(&tick(1, 2, 6)), Arrival::Behind);
        assert_eq!(read().entry(&tick(2, 2, 5)), Arrival::Behind);
    }

    #[test]
    fn a_new_entry_with_an_old_number_shows_that_the_engine_went_back() {
        let mut numbers = read();
        assert_eq!(numbers.entry(&change(3)), Arrival::New);
        let reused = Entry {
            version: 4,
            ..change(3)
        };
        assert_eq!(numbers.entry(&reused), Arrival::Behind);
    }

    #[test]
    fn after_a_restart_all_is_read_again_and_nothing_is_applied_twice() {
        let mut numbers = read();
        numbers.reread();
        for old in [tick(0, 0, 1), change(1), change(2), tick(2, 1, 5)] {
            assert_eq!(numbers.entry(&old), Arrival::Old);
        }
        assert_eq!(numbers.entry(&change(3)), Arrival::New);
        assert_eq!(numbers.entry(&tick(3, 2, 7)), Arrival::New);
        assert_eq!(numbers.entry(&tick(3, 3, 9)), Arrival::Lost);
    }
}
