//! What each client address has used up of its limits.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::client_address::ClientAddress;

/// The most addresses that have an entry, about 5 MiB. All others share one entry.
const MAX_ENTRIES: usize = 65_536;

/// How often entries that say nothing any more are removed. A pass over all of them takes about a
/// millisecond.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The time in which a rate is counted.
const MINUTE: Duration = Duration::from_secs(60);

/// The entries, at most [`MAX_ENTRIES`] and one.
#[derive(Debug)]
pub(crate) struct Addresses {
    entries: HashMap<Entry, Usage>,
    swept: Instant,
}

/// Whose usage it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    Of(ClientAddress),
    /// All that came while there were too many.
    Others,
}

#[derive(Debug)]
struct Usage {
    connections: u32,
    requests: Bucket,
    sign_ins: Bucket,
}

/// A rate of some events a minute. After a pause of a minute, so many may come at once.
#[derive(Debug)]
struct Bucket {
    /// When as many events as ever are allowed again.
    full_at: Instant,
}

/// What is limited to some events a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    Requests,
    SignIns,
}

impl Addresses {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            entries: HashMap::new(),
            swept: now,
        }
    }

    /// Counts a connection, unless the address has as many as it may. The entry that is returned
    /// must be given to [`disconnect`](Self::disconnect) when the connection ends.
    pub(crate) fn connect(
        &mut self,
        client: ClientAddress,
        most: u32,
        now: Instant,
    ) -> Option<Entry> {
        let (entry, usage) = self.usage(client, now);
        if usage.connections >= most {
            return None;
        }
        usage.connections += 1;
        Some(entry)
    }

    pub(crate) fn disconnect(&mut self, entry: Entry) {
        if let Some(usage) = self.entries.get_mut(&entry) {
            usage.connections = usage.connections.saturating_sub(1);
        }
    }

    /// Counts an event.
    ///
    /// # Errors
    ///
    /// How long the client has to wait, if it has used up its rate.
    pub(crate) fn count(
        &mut self,
        client: ClientAddress,
        rate: Rate,
        a_minute: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        let (_, usage) = self.usage(client, now);
        match rate {
            Rate::Requests => usage.requests.take(a_minute, now),
            Rate::SignIns => usage.sign_ins.take(a_minute, now),
        }
    }

    fn usage(&mut self, client: ClientAddress, now: Instant) -> (Entry, &mut Usage) {
        self.sweep(now);
        let mut entry = Entry::Of(client);
        if self.entries.len() >= MAX_ENTRIES && !self.entries.contains_key(&entry) {
            entry = Entry::Others;
        }
        let usage = self.entries.entry(entry).or_insert_with(|| Usage::new(now));
        (entry, usage)
    }

    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP_INTERVAL {
            return;
        }
        self.swept = now;
        self.entries.retain(|_, usage| usage.says_something(now));
        // Twice as much as needed, so that a table of a steady size is not moved again and again.
        self.entries.shrink_to(2 * self.entries.len());
    }
}

impl Usage {
    fn new(now: Instant) -> Self {
        Self {
            connections: 0,
            requests: Bucket { full_at: now },
            sign_ins: Bucket { full_at: now },
        }
    }

    fn says_something(&self, now: Instant) -> bool {
        self.connections > 0 || self.requests.full_at > now || self.sign_ins.full_at > now
    }
}

impl Bucket {
    fn take(&mut self, a_minute: u32, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + MINUTE / a_minute;
        match (full_at - now).checked_sub(MINUTE) {
            None | Some(Duration::ZERO) => {
                self.full_at = full_at;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use super::*;

    fn client(number: u32) -> ClientAddress {
        IpAddr::from(Ipv4Addr::from_bits(number)).into()
    }

    #[test]
    fn connections_of_an_address_are_counted_until_they_end() {
        let now = Instant::now();
        let mut addresses = Addresses::new(now);
        let first = addresses.connect(client(1), 2, now).unwrap();
        addresses.connect(client(1), 2, now).unwrap();
        assert_eq!(addresses.connect(client(1), 2, now), None);
        assert!(addresses.connect(client(2), 2, now).is_some());
        // Sweeping forgets none that is open.
        addresses.disconnect(first);
        let later = now + 10 * SWEEP_INTERVAL;
        assert!(addresses.connect(client(1), 2, later).is_some());
        assert_eq!(addresses.connect(client(1), 2, later), None);
    }

    #[test]
    fn a_rate_lets_a_minutes_worth_through_at_once_and_then_its_share() {
        let start = Instant::now();
        let mut addresses = Addresses::new(start);
        let mut passed = |rate, seconds| {
            let now = start + Duration::from_secs(seconds);
            let mut passed = 0;
            while addresses.count(client(1), rate, 30, now).is_ok() {
                passed += 1;
            }
            let wait = addresses.count(client(1), rate, 30, now).unwrap_err();
            assert!(wait <= Duration::from_secs(2), "{wait:?}");
            passed
        };
        assert_eq!(passed(Rate::Requests, 0), 30);
        assert_eq!(passed(Rate::SignIns, 0), 30, "each rate has its own count");
        assert_eq!(passed(Rate::Requests, 1), 0);
        assert_eq!(passed(Rate::Requests, 20), 10);
        assert_eq!(passed(Rate::Requests, 3600), 30);
    }

    #[test]
    fn odd_rates_let_exactly_their_number_through() {
        let now = Instant::now();
        for a_minute in [1, 7, 61, 10_000] {
            let mut addresses = Addresses::new(now);
            let count = || addresses.count(client(1), Rate::Requests, a_minute, now);
            let passed = std::iter::repeat_with(count).take(20_000);
            assert_eq!(passed.filter(Result::is_ok).count(), a_minute as usize);
        }
    }

    #[test]
    fn the_table_is_bounded_and_shrinks() {
        let now = Instant::now();
        let mut addresses = Addresses::new(now);
        for network in 0..2 * u128::try_from(MAX_ENTRIES).unwrap() {
            let address = IpAddr::from(Ipv6Addr::from_bits(network << 64)).into();
            let _ = addresses.count(address, Rate::Requests, 10, now);
        }
        assert_eq!(addresses.entries.len(), MAX_ENTRIES + 1);
        let late = client(1);
        assert!(
            addresses.count(late, Rate::Requests, 10, now).is_err(),
            "those without an entry share one, which is used up"
        );
        let later = now + MINUTE + SWEEP_INTERVAL;
        addresses.count(late, Rate::Requests, 10, later).unwrap();
        assert_eq!(addresses.entries.len(), 1);
        assert!(addresses.entries.capacity() < 100);
    }
}
