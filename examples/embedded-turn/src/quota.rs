//! The shares of the relay: allocations for each user, clients for each address.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

/// The most that the relay gives. A request beyond a limit is refused; nothing waits.
///
/// An allocation and its client take about 30 KiB and one file descriptor, or two by TCP. With
/// these defaults the relay has at most 768 file descriptors, which leaves room under the usual
/// limit of 1024. A hostile user costs more: an allocation may have 3000 permissions, and each of
/// them is a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Live allocations of a user, counted over all credentials of that user. Default 64: in a
    /// channel of eight, a browser makes seven connections, each with an allocation by UDP and one
    /// by TCP. Around an ICE restart Chromium keeps up to four times as many.
    pub allocations_per_user: usize,
    /// Live allocations in total. Default 256: a channel of eight relayed members takes 112, a
    /// channel of four takes up to 96 around an ICE restart.
    pub allocations: usize,
    /// Client addresses by UDP plus TCP connections, in total. Default 512.
    pub clients: usize,
    /// The same for one IP address. Default 256: all clients on one machine share an address.
    pub clients_per_ip: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations_per_user: 64,
            allocations: 256,
            clients: 512,
            clients_per_ip: 256,
        }
    }
}

/// A limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Exhausted(&'static str);

/// Counts what is in use.
#[derive(Debug)]
pub(crate) struct Quota {
    limits: Limits,
    allocations: Mutex<Tally<String>>,
    clients: Mutex<Tally<IpAddr>>,
    ports: Mutex<HashSet<u16>>,
}

/// The right to one allocation of a user, for as long as the permit lives.
#[derive(Debug)]
pub(crate) struct AllocationPermit {
    quota: Arc<Quota>,
    user: String,
    port: Option<u16>,
}

/// The right to one client at an IP address, for as long as the permit lives.
#[derive(Debug)]
pub(crate) struct ClientPermit {
    quota: Arc<Quota>,
    ip: IpAddr,
}

impl Quota {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            allocations: Mutex::default(),
            clients: Mutex::default(),
            ports: Mutex::default(),
        }
    }

    /// Takes one more allocation for a user.
    pub(crate) fn admit(self: &Arc<Self>, user: &str) -> Result<AllocationPermit, Exhausted> {
        let Limits {
            allocations_per_user: each,
            allocations: all,
            ..
        } = self.limits;
        if !self.allocations.lock().add(user.to_owned(), each, all) {
            return Err(Exhausted("no allocation is left"));
        }
        Ok(AllocationPermit {
            quota: Arc::clone(self),
            user: user.to_owned(),
            port: None,
        })
    }

    /// Takes one more client at an address.
    pub(crate) fn seat(self: &Arc<Self>, ip: IpAddr) -> Result<ClientPermit, Exhausted> {
        let Limits {
            clients_per_ip: each,
            clients: all,
            ..
        } = self.limits;
        if !self.clients.lock().add(ip, each, all) {
            return Err(Exhausted("no client is left"));
        }
        Ok(ClientPermit {
            quota: Arc::clone(self),
            ip,
        })
    }

    /// Whether a live allocation has this port.
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.ports.lock().contains(&port)
    }
}

impl AllocationPermit {
    /// Records the port of the allocation.
    #[must_use]
    pub(crate) fn with_port(mut self, port: u16) -> Self {
        self.quota.ports.lock().insert(port);
        self.port = Some(port);
        self
    }
}

impl Drop for AllocationPermit {
    fn drop(&mut self) {
        if let Some(port) = self.port {
            self.quota.ports.lock().remove(&port);
        }
        self.quota.allocations.lock().remove(&self.user);
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.quota.clients.lock().remove(&self.ip);
    }
}

/// A count for each key, and the sum of all. A key with a count of zero is not kept.
#[derive(Debug)]
struct Tally<K> {
    counts: HashMap<K, usize>,
    sum: usize,
}

impl<K> Default for Tally<K> {
    fn default() -> Self {
        Self {
            counts: HashMap::new(),
            sum: 0,
        }
    }
}

impl<K: Hash + Eq> Tally<K> {
    /// Counts one more, unless the key has `each` already or the sum is `all`.
    fn add(&mut self, key: K, each: usize, all: usize) -> bool {
        if self.sum >= all || self.counts.get(&key).copied().unwrap_or(0) >= each {
            return false;
        }
        *self.counts.entry(key).or_default() += 1;
        self.sum += 1;
        true
    }

    fn remove(&mut self, key: &K) {
        let Some(count) = self.counts.get_mut(key) else {
            return;
        };
        *count -= 1;
        self.sum -= 1;
        if *count == 0 {
            self.counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota(limits: Limits) -> Arc<Quota> {
        Arc::new(Quota::new(limits))
    }

    #[test]
    fn allocations_are_limited_for_each_user_and_in_total() {
        let quota = quota(Limits {
            allocations_per_user: 2,
            allocations: 3,
            ..Limits::default()
        });
        let first = quota.admit("alice").unwrap();
        let _second = quota.admit("alice").unwrap();
        assert!(quota.admit("alice").is_err());
        let _third = quota.admit("bob").unwrap();
        assert!(quota.admit("carol").is_err(), "three in total");
        drop(first);
        assert!(quota.admit("alice").is_ok());
    }

    #[test]
    fn clients_are_limited_for_each_address_and_in_total() {
        let quota = quota(Limits {
            clients_per_ip: 1,
            clients: 2,
            ..Limits::default()
        });
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        let first = quota.seat(ip(1)).unwrap();
        assert!(quota.seat(ip(1)).is_err());
        let _second = quota.seat(ip(2)).unwrap();
        assert!(quota.seat(ip(3)).is_err(), "two in total");
        drop(first);
        assert!(quota.seat(ip(1)).is_ok());
    }

    #[test]
    fn users_without_an_allocation_are_forgotten() {
        let quota = quota(Limits::default());
        for number in 0..1000 {
            let permit = quota.admit(&number.to_string()).unwrap().with_port(number);
            assert!(quota.has_port(number));
            drop(permit);
        }
        assert!(quota.allocations.lock().counts.is_empty() && quota.ports.lock().is_empty());
        assert_eq!(quota.allocations.lock().sum, 0);
    }
}
