//! How much of the relay there is for each: allocations by user, clients by address.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
    sync::Arc,
};

use parking_lot::Mutex;

/// The most that the relay gives. What goes beyond is refused; nothing waits.
///
/// An allocation and its client take about 30 KiB and one file descriptor, by TCP two. With these defaults that is 768
/// file descriptors at most, which leaves room under the usual limit of 1024. A user who means harm costs more: an
/// allocation may have 3000 permissions, of which each is a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Live allocations of a user, by all the credentials the user has got. Default 64: in a channel of eight a browser
    /// makes seven connections, each with an allocation by UDP and one by TCP, and Chromium keeps up to four times as many
    /// around an ICE restart.
    pub allocations_per_user: usize,
    /// Live allocations in all. Default 256: a channel of eight who are all relayed takes 112, one of four around a
    /// restart up to 96.
    pub allocations: usize,
    /// Addresses that are talked to by UDP, and TCP connections, in all. Default 512.
    pub clients: usize,
    /// The same of one IP address. Default 256: on one machine everybody has the same.
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

/// There is nothing left.
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

/// The right to one allocation of a user, as long as it lives.
#[derive(Debug)]
pub(crate) struct AllocationPermit {
    quota: Arc<Quota>,
    user: String,
    port: Option<u16>,
}

/// The right to one client at an IP address, as long as it lives.
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

    /// One more allocation for a user.
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

    /// One more client at an address.
    pub(crate) fn seat(self: &Arc<Self>, ip: IpAddr) -> Result<ClientPermit, Exhausted> {
        let Limits {
            clients_per_ip: each,
            clients: all,
            ..
        } = self.limits;
        if !self.clients.lock().add(ip, each, all) {
            return Err(Exhausted("no client is let in any more"));
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
    /// Makes the allocation's port known.
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

/// A count for each key and their sum. A key without a count is not kept.
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
    /// Counts one more unless there are `each` of the key already, or `all` in sum.
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
    fn a_user_has_so_many_allocations_and_all_together_so_many() {
        let quota = quota(Limits {
            allocations_per_user: 2,
            allocations: 3,
            ..Limits::default()
        });
        let first = quota.admit("alice").unwrap();
        let _second = quota.admit("alice").unwrap();
        assert!(quota.admit("alice").is_err());
        let _third = quota.admit("bob").unwrap();
        assert!(quota.admit("carol").is_err(), "three in all");
        drop(first);
        assert!(quota.admit("alice").is_ok());
    }

    #[test]
    fn an_address_has_so_many_clients_and_all_together_so_many() {
        let quota = quota(Limits {
            clients_per_ip: 1,
            clients: 2,
            ..Limits::default()
        });
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        let first = quota.seat(ip(1)).unwrap();
        assert!(quota.seat(ip(1)).is_err());
        let _second = quota.seat(ip(2)).unwrap();
        assert!(quota.seat(ip(3)).is_err(), "two in all");
        drop(first);
        assert!(quota.seat(ip(1)).is_ok());
    }

    #[test]
    fn nobody_is_remembered_who_has_nothing() {
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
