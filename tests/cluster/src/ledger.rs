//! What became of each relayed message.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

use united_voice_scenarios::voice::VoiceErrorCode::{self, *};

/// Every relayed message, by its number. Numbers grow in the order of sending.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    last: u64,
    sent: BTreeMap<u64, Sent>,
    /// The last number that came from a sender's connection over a receiver's.
    order: HashMap<(u64, u64), u64>,
    lost_connections: BTreeSet<u64>,
    lost_stays: BTreeSet<String>,
    last_refusal: Option<VoiceErrorCode>,
    faults: Vec<String>,
}

#[derive(Debug)]
struct Sent {
    sender: String,
    connection: u64,
    to_stay: String,
    has_arrived: bool,
    refusals: Vec<VoiceErrorCode>,
}

impl Sent {
    /// A message that arrived may be refused all the same, but only where its sender's node is in
    /// doubt and says so.
    fn contradiction(&self, number: u64) -> Option<String> {
        let is_definite = self.refusals.iter().any(|code| *code != Unavailable);
        (self.has_arrived && is_definite)
            .then(|| format!("{number} arrived and was refused as {:?}", self.refusals))
    }
}

/// The relayed messages so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub sent: usize,
    /// Those that came to their target.
    pub arrived: usize,
    /// Those that were refused to their sender.
    pub refused: usize,
}

impl Ledger {
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn send(&self, sender: &str, connection: u64, to_stay: &str) -> u64 {
        let mut pages = self.pages();
        pages.last += 1;
        let number = pages.last;
        let sent = Sent {
            sender: sender.to_owned(),
            connection,
            to_stay: to_stay.to_owned(),
            has_arrived: false,
            refusals: Vec::new(),
        };
        pages.sent.insert(number, sent);
        number
    }

    pub(crate) fn arrived(&self, number: u64, sender: &str, at: u64) {
        let pages = &mut *self.pages();
        let Some(sent) = pages.sent.get_mut(&number) else {
            pages.faults.push(format!("{number} was never sent"));
            return;
        };
        if sent.sender != sender {
            let says = format!("{number} is from {}, not from {sender}", sent.sender);
            pages.faults.push(says);
        }
        if sent.has_arrived {
            pages.faults.push(format!("{number} arrived twice"));
        }
        sent.has_arrived = true;
        if let Some(says) = sent.contradiction(number) {
            pages.faults.push(says);
        }
        let last = pages.order.insert((sent.connection, at), number);
        if let Some(last) = last.filter(|last| *last > number) {
            pages.faults.push(format!("{number} arrived after {last}"));
        }
    }

    pub(crate) fn refused(&self, number: u64, code: VoiceErrorCode) {
        let pages = &mut *self.pages();
        let allowed = [
            Unavailable,
            TargetNotInChannel,
            NotInChannel,
            StaleSession,
            RateLimited,
        ];
        match pages.sent.get_mut(&number) {
            Some(sent) => {
                sent.refusals.push(code);
                // What was in doubt was refused as unavailable, and its target may refuse it late.
                let is_lawful = match sent.refusals[..] {
                    [_] => true,
                    [one, other] => (one == Unavailable) != (other == Unavailable),
                    _ => false,
                };
                if !is_lawful {
                    let says = format!("{number} was refused as {:?}", sent.refusals);
                    pages.faults.push(says);
                }
                if let Some(says) = sent.contradiction(number) {
                    pages.faults.push(says);
                }
            }
            None => pages.faults.push(format!("{number} was refused, not sent")),
        }
        pages.last_refusal = Some(code);
        if !allowed.contains(&code) {
            let says = format!("{number} was refused as {}", code.as_str_name());
            pages.faults.push(says);
        }
    }

    /// A connection ended, whoever ended it. What was on its way may be lost.
    pub(crate) fn connection_lost(&self, connection: u64) {
        self.pages().lost_connections.insert(connection);
    }

    /// A stay ended without a leave of its user. What was on its way to it may be lost.
    pub(crate) fn stay_lost(&self, session: &str) {
        self.pages().lost_stays.insert(session.to_owned());
    }

    /// How many messages there were.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let pages = self.pages();
        let count = |is_so: fn(&Sent) -> bool| pages.sent.values().filter(|one| is_so(one)).count();
        Counts {
            sent: pages.sent.len(),
            arrived: count(|sent| sent.has_arrived),
            refused: count(|sent| !sent.refusals.is_empty()),
        }
    }

    /// Why the last message that was refused was refused.
    #[must_use]
    pub fn last_refusal(&self) -> Option<VoiceErrorCode> {
        self.pages().last_refusal
    }

    /// What is wrong with the messages so far. Those that are on their way count as wrong too.
    ///
    /// # Errors
    /// The first things that are wrong.
    pub fn check(&self) -> Result<(), String> {
        let pages = self.pages();
        if !pages.faults.is_empty() {
            return Err(format!("{:?}", pages.faults));
        }
        let is_open = |sent: &Sent| {
            !sent.has_arrived
                && sent.refusals.is_empty()
                && !pages.lost_connections.contains(&sent.connection)
                && !pages.lost_stays.contains(&sent.to_stay)
        };
        let open: Vec<_> = pages
            .sent
            .iter()
            .filter(|(_, sent)| is_open(sent))
            .collect();
        match open.first() {
            None => Ok(()),
            Some(first) => Err(format!("{} messages are lost: {first:?}", open.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found() {
        let ledger = Ledger::default();
        let [one, two] = [(); 2].map(|()| ledger.send("ann", 1, "b"));
        assert!(ledger.check().is_err(), "both are on their way");
        ledger.arrived(one, "ann", 2);
        ledger.refused(two, Unavailable);
        assert_eq!(ledger.check(), Ok(()));
        let doubtful = ledger.send("ann", 1, "b");
        ledger.refused(doubtful, Unavailable);
        ledger.arrived(doubtful, "ann", 2);
        assert_eq!(ledger.check(), Ok(()));

        let lost = ledger.send("ann", 1, "c");
        assert!(ledger.check().is_err());
        ledger.stay_lost("c");
        assert_eq!(ledger.check(), Ok(()), "{lost} went with its target");
        ledger.send("ann", 3, "b");
        assert!(ledger.check().is_err());
        ledger.connection_lost(3);
        assert_eq!(ledger.check(), Ok(()));

        let counts = ledger.counts();
        assert_eq!((counts.sent, counts.arrived, counts.refused), (5, 2, 2));
    }

    #[test]
    fn order_copies_and_senders_are_checked() {
        let wrong: [fn(&Ledger, u64, u64); 9] = [
            |ledger, one, two| {
                [two, one]
                    .iter()
                    .for_each(|number| ledger.arrived(*number, "ann", 2));
            },
            |ledger, one, _| {
                [one, one]
                    .iter()
                    .for_each(|number| ledger.arrived(*number, "ann", 2));
            },
            |ledger, one, _| {
                [one, one]
                    .iter()
                    .for_each(|number| ledger.refused(*number, Unavailable));
            },
            |ledger, one, _| {
                ledger.arrived(one, "ann", 2);
                ledger.refused(one, NotInChannel);
            },
            |ledger, one, _| {
                ledger.refused(one, StaleSession);
                ledger.arrived(one, "ann", 2);
            },
            |ledger, one, _| {
                ledger.arrived(one, "ann", 2);
                ledger.refused(one, TargetNotInChannel);
            },
            |ledger, one, _| ledger.arrived(one, "eve", 2),
            |ledger, one, _| ledger.refused(one, Internal),
            |ledger, _, two| ledger.arrived(two + 1, "ann", 2),
        ];
        for (number, wrong) in wrong.into_iter().enumerate() {
            let ledger = Ledger::default();
            let [one, two] = [(); 2].map(|()| ledger.send("ann", 1, "b"));
            ledger.connection_lost(1);
            assert_eq!(ledger.check(), Ok(()));
            wrong(&ledger, one, two);
            assert!(ledger.check().is_err(), "{number}");
        }
    }
}
