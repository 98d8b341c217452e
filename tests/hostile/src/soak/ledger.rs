//! What became of each relayed message: it must arrive once, or be refused to its sender, unless
//! one of the two sessions ended.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use anyhow::{bail, ensure};
use tokio::time::Instant;

/// How long a message stays in the books. So long a second arrival is noticed as such.
pub(super) const KEPT: Duration = Duration::from_secs(60);

/// How long a message may be on its way. It is long, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

/// All messages of the last [`KEPT`].
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: HashMap<u64, Entry>,
    /// The numbers in `entries`, oldest first.
    order: VecDeque<u64>,
    pairs: HashMap<Pair, Numbers>,
    /// Sessions that ended in the last [`KEPT`]. Others may not know yet, and send to them.
    gone: HashMap<String, Instant>,
    next: u64,
}

/// The newest messages of a pair; 0 if there are none.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    sent: u64,
    arrived: u64,
}

/// From which session to which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pair {
    from: String,
    to: String,
}

#[derive(Debug)]
struct Entry {
    pair: Pair,
    /// The message of the pair before this one, or 0.
    previous: u64,
    sent: Instant,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing was heard of it yet.
    OnItsWay,
    /// A later message of the same pair arrived before it. Only a refusal can explain that.
    Overtaken,
    Arrived,
    Refused,
    /// A session ended, so it may arrive or not.
    Forgiven,
}

impl Ledger {
    /// Notes a message and returns its number.
    pub(super) fn send(&mut self, from: &str, to: &str, now: Instant) -> u64 {
        self.next += 1;
        let pair = Pair {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let numbers = self.pairs.entry(pair.clone()).or_default();
        let entry = Entry {
            pair,
            previous: std::mem::replace(&mut numbers.sent, self.next),
            sent: now,
            fate: if self.gone.contains_key(to) {
                Fate::Forgiven
            } else {
                Fate::OnItsWay
            },
        };
        self.entries.insert(self.next, entry);
        self.order.push_back(self.next);
        self.next
    }

    /// Notes an arrival.
    pub(super) fn arrived(&mut self, number: u64, from: &str, to: &str) -> anyhow::Result<()> {
        let Some(entry) = self.entries.get_mut(&number) else {
            bail!("message {number} arrived, but was never sent or arrived long ago");
        };
        let pair = Pair {
            from: from.to_owned(),
            to: to.to_owned(),
        };
        ensure!(
            entry.pair == pair,
            "message {number} was sent as {:?} and arrived as {pair:?}",
            entry.pair
        );
        match entry.fate {
            Fate::Arrived => bail!("message {number} arrived twice"),
            Fate::Refused => bail!("message {number} was refused and arrived all the same"),
            Fate::Overtaken => bail!("message {number} arrived after a later one"),
            Fate::OnItsWay | Fate::Forgiven => entry.fate = Fate::Arrived,
        }
        let mut skipped = entry.previous;
        let numbers = self.pairs.entry(pair).or_default();
        let before = std::mem::replace(&mut numbers.arrived, number);
        ensure!(
            before < number,
            "message {number} arrived after message {before} of the same pair"
        );
        while skipped > before
            && let Some(entry) = self.entries.get_mut(&skipped)
        {
            if entry.fate == Fate::OnItsWay {
                entry.fate = Fate::Overtaken;
            }
            skipped = entry.previous;
        }
        Ok(())
    }

    /// Notes that the server refused a message to its sender.
    pub(super) fn refused(&mut self, number: u64) -> anyhow::Result<()> {
        if let Some(entry) = self.entries.get_mut(&number) {
            match entry.fate {
                Fate::Arrived => bail!("message {number} arrived and was refused all the same"),
                Fate::Refused => bail!("message {number} was refused twice"),
                Fate::OnItsWay | Fate::Overtaken | Fate::Forgiven => entry.fate = Fate::Refused,
            }
        }
        Ok(())
    }

    /// Notes the end of a session. What is on its way to the session may arrive or not. If the
    /// session's connection ended `unread`, then nobody reads refusals any more, and what it sent
    /// may be lost as well.
    pub(super) fn ended(&mut self, session: &str, unread: bool, now: Instant) {
        self.gone.insert(session.to_owned(), now);
        for entry in self.entries.values_mut() {
            // Something overtaken was lost before the end of the session that it went to.
            let to_it = entry.pair.to == session && entry.fate == Fate::OnItsWay;
            let from_it = entry.pair.from == session
                && unread
                && matches!(entry.fate, Fate::OnItsWay | Fate::Overtaken);
            if to_it || from_it {
                entry.fate = Fate::Forgiven;
            }
        }
        self.pairs
            .retain(|pair, _| pair.from != session && pair.to != session);
    }

    /// Forgets what is old. It is an error if something old was neither delivered nor refused.
    pub(super) fn sweep(&mut self, now: Instant) -> anyhow::Result<()> {
        let mut lost = Vec::new();
        for (number, entry) in &mut self.entries {
            if now - entry.sent > PATIENCE && entry.is_open() {
                lost.push(format!("{number} ({:?})", entry.fate));
                entry.fate = Fate::Forgiven;
            }
        }
        self.gone.retain(|_, ended| now - *ended <= KEPT);
        while let Some(number) = self.order.front() {
            if (self.entries.get(number)).is_some_and(|entry| now - entry.sent <= KEPT) {
                break;
            }
            self.entries.remove(number);
            self.order.pop_front();
        }
        ensure!(
            lost.is_empty(),
            "messages are neither delivered nor refused after {PATIENCE:?}: {}",
            lost.join(", ")
        );
        Ok(())
    }

    /// How many messages are neither delivered nor refused nor forgiven.
    pub(super) fn open(&self) -> usize {
        let entries = self.entries.values();
        entries.filter(|entry| entry.is_open()).count()
    }
}

impl Entry {
    const fn is_open(&self) -> bool {
        matches!(self.fate, Fate::OnItsWay | Fate::Overtaken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Books {
        ledger: Ledger,
        start: Instant,
    }

    impl Books {
        fn new() -> Self {
            Self {
                ledger: Ledger::default(),
                start: Instant::now(),
            }
        }

        fn send(&mut self) -> u64 {
            self.ledger.send("a", "b", self.start)
        }

        fn arrived(&mut self, number: u64) -> anyhow::Result<()> {
            self.ledger.arrived(number, "a", "b")
        }

        fn ended(&mut self, session: &str, unread: bool) {
            self.ledger.ended(session, unread, self.start);
        }

        fn later(&mut self) -> anyhow::Result<()> {
            let late = self.start + PATIENCE + Duration::from_secs(1);
            self.ledger.sweep(late)
        }
    }

    #[test]
    fn messages_arrive_once_and_in_order() {
        let mut books = Books::new();
        let [first, second] = [books.send(), books.send()];
        books.arrived(first).unwrap();
        assert!(books.arrived(first).is_err(), "twice");
        books.arrived(second).unwrap();
        assert_eq!(books.ledger.open(), 0);
        books.later().unwrap();
        let third = books.send();
        assert!(books.ledger.arrived(third, "a", "c").is_err(), "elsewhere");
        assert!(books.arrived(99).is_err(), "unknown");
    }

    #[test]
    fn a_loss_is_noticed() {
        let mut books = Books::new();
        books.send();
        assert_eq!(books.ledger.open(), 1);
        assert!(books.later().is_err());
        assert!(books.later().is_ok(), "it is told once");
    }

    #[test]
    fn a_message_is_delivered_or_refused_and_not_both() {
        let mut books = Books::new();
        let [first, second, third] = [books.send(), books.send(), books.send()];
        books.ledger.refused(first).unwrap();
        assert!(books.arrived(first).is_err());
        books.arrived(second).unwrap();
        assert!(books.ledger.refused(second).is_err());
        books.ledger.refused(third).unwrap();
        assert!(books.ledger.refused(third).is_err(), "twice");
        books.later().unwrap();
    }

    #[test]
    fn a_gap_must_be_a_refusal() {
        let mut books = Books::new();
        let [first, second] = [books.send(), books.send()];
        books.arrived(second).unwrap();
        assert!(books.arrived(first).is_err(), "out of order");
        books.ended("b", false);
        assert!(books.later().is_err(), "the end does not explain the gap");

        let mut books = Books::new();
        let [first, second] = [books.send(), books.send()];
        books.arrived(second).unwrap();
        books.ledger.refused(first).unwrap();
        books.later().unwrap();
    }

    #[test]
    fn ends_excuse_what_is_on_its_way() {
        let mut books = Books::new();
        books.send();
        books.ended("b", false);
        books.later().unwrap();

        let mut books = Books::new();
        books.ended("b", true);
        books.send();
        books.later().unwrap();

        let mut books = Books::new();
        books.send();
        books.ended("a", false);
        assert!(books.later().is_err(), "an orderly end loses nothing");

        let mut books = Books::new();
        let sent = books.send();
        books.ended("a", true);
        books.arrived(sent).unwrap();
        books.later().unwrap();
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut books = Books::new();
        let sent = books.send();
        books.arrived(sent).unwrap();
        let late = books.start + KEPT + Duration::from_secs(1);
        books.ledger.sweep(late).unwrap();
        assert!(books.ledger.entries.is_empty() && books.ledger.order.is_empty());
    }
}
