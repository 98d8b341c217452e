//! What the server takes from its clients in all, and from each address.
//!
//! An address is counted as long as the server can tell clients apart by it. A trusted proxy stands
//! for many clients, so its own address has no limits: each request counts for the client that the
//! proxy names. If it names none, only the limits of the whole server hold.

use std::{
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    addresses::{Addresses, Entry, Rate},
    client_address::{ClientAddress, TrustedProxies},
};

/// The limits of connections and requests, before any message of a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// The most connections that are open at the same time.
    pub max_connections: usize,
    /// The most of them that come from one address.
    pub max_connections_per_address: u32,
    /// The most connections whose client has begun a request, or only connected, and not sent the
    /// whole head.
    pub max_half_open_requests: usize,
    /// The most requests of one address in a minute, upgrades to WebSockets among them.
    pub requests_per_minute_per_address: u32,
    /// The most requests to sign in by name of one address in a minute.
    pub sign_ins_per_minute_per_address: u32,
    /// The proxies that may say which client a request is from.
    pub trusted_proxies: TrustedProxies,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_connections_per_address: 512,
            max_half_open_requests: 8192,
            requests_per_minute_per_address: 6000,
            sign_ins_per_minute_per_address: 120,
            trusted_proxies: TrustedProxies::default(),
        }
    }
}

/// Why a connection or a request was turned away before it was served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Connections,
    AddressConnections,
    HalfOpenRequests,
    Requests,
    SignIns,
    Descriptors,
    BadRequest,
    TooSlow,
    Unread,
}

impl Refusal {
    pub(crate) const ALL: [Self; 9] = [
        Self::Connections,
        Self::AddressConnections,
        Self::HalfOpenRequests,
        Self::Requests,
        Self::SignIns,
        Self::Descriptors,
        Self::BadRequest,
        Self::TooSlow,
        Self::Unread,
    ];

    /// The label of the metric.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::AddressConnections => "address_connections",
            Self::HalfOpenRequests => "half_open_requests",
            Self::Requests => "requests",
            Self::SignIns => "sign_ins",
            Self::Descriptors => "descriptors",
            Self::BadRequest => "bad_request",
            Self::TooSlow => "too_slow",
            Self::Unread => "unread",
        }
    }
}

/// Counts what clients use, and refuses what goes beyond the limits.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: HttpLimits,
    connections: Arc<Semaphore>,
    half_open: Arc<Semaphore>,
    addresses: Mutex<Addresses>,
    refused: [AtomicU64; Refusal::ALL.len()],
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    /// `None` for a trusted proxy.
    _of_address: Option<AddressPlace>,
}

/// A connection of an address, which is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    gate: Arc<Gate>,
    entry: Entry,
}

/// A half-open request, which is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct HalfOpen(#[expect(dead_code, reason = "its drop counts")] OwnedSemaphorePermit);

impl Gate {
    pub(crate) fn new(limits: HttpLimits) -> Self {
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits));
        Self {
            connections: semaphore(limits.max_connections),
            half_open: semaphore(limits.max_half_open_requests),
            addresses: Mutex::new(Addresses::new(Instant::now())),
            refused: Default::default(),
            limits,
        }
    }

    /// Counts a connection that was just accepted.
    ///
    /// # Errors
    ///
    /// The limit that is reached. The refusal is counted.
    pub(crate) fn connect(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let of_all = permit(&self.connections).ok_or(Refusal::Connections);
        let of_all = of_all.inspect_err(|refusal| self.count_refused(*refusal))?;
        let of_address = if self.trusts(address) {
            None
        } else {
            Some(self.connect_client(address.into())?)
        };
        Ok(Place {
            _of_all: of_all,
            _of_address: of_address,
        })
    }

    /// Counts a connection for a client.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub(crate) fn connect_client(
        self: &Arc<Self>,
        client: ClientAddress,
    ) -> Result<AddressPlace, Refusal> {
        let most = self.limits.max_connections_per_address;
        let entry = self.addresses().connect(client, most, Instant::now());
        let Some(entry) = entry else {
            self.count_refused(Refusal::AddressConnections);
            return Err(Refusal::AddressConnections);
        };
        let gate = Arc::clone(self);
        Ok(AddressPlace { gate, entry })
    }

    /// Counts a request whose head has begun. `None` if there are too many. The refusal is counted.
    pub(crate) fn begin_head(&self) -> Option<HalfOpen> {
        let half_open = permit(&self.half_open).map(HalfOpen);
        if half_open.is_none() {
            self.count_refused(Refusal::HalfOpenRequests);
        }
        half_open
    }

    /// Counts an event of a client.
    ///
    /// # Errors
    ///
    /// How long the client has to wait. The refusal is counted.
    pub(crate) fn count(&self, client: ClientAddress, rate: Rate) -> Result<(), Duration> {
        let (a_minute, refusal) = match rate {
            Rate::Requests => (
                self.limits.requests_per_minute_per_address,
                Refusal::Requests,
            ),
            Rate::SignIns => (
                self.limits.sign_ins_per_minute_per_address,
                Refusal::SignIns,
            ),
        };
        let counted = self
            .addresses()
            .count(client, rate, a_minute, Instant::now());
        counted.inspect_err(|_| self.count_refused(refusal))
    }

    /// Whether this is the address of a trusted proxy.
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.limits.trusted_proxies.contains(address)
    }

    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.limits.trusted_proxies
    }

    pub(crate) fn count_refused(&self, refusal: Refusal) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often each refusal has happened.
    pub(crate) fn refused(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let counts = self.refused.iter();
        let counts = counts.map(|count| count.load(Ordering::Relaxed));
        Refusal::ALL.into_iter().zip(counts)
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn permit(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).try_acquire_owned().ok()
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.gate.addresses().disconnect(self.entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(limits: HttpLimits) -> Arc<Gate> {
        Arc::new(Gate::new(limits))
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn connections_are_limited_in_all_and_for_each_address() {
        let gate = gate(HttpLimits {
            max_connections: 4,
            max_connections_per_address: 2,
            ..HttpLimits::default()
        });
        let far = address("192.0.2.1");
        let first = gate.connect(far).unwrap();
        let _second = gate.connect(far).unwrap();
        assert_eq!(gate.connect(far).unwrap_err(), Refusal::AddressConnections);
        let local = address("127.0.0.1");
        let _proxied = [gate.connect(local).unwrap(), gate.connect(local).unwrap()];
        assert_eq!(gate.connect(local).unwrap_err(), Refusal::Connections);
        drop(first);
        let again = gate.connect(local).unwrap();
        drop(again);
        gate.connect(far).unwrap();
        let refused: Vec<_> = gate.refused().filter(|(_, count)| *count > 0).collect();
        let expected = [(Refusal::Connections, 1), (Refusal::AddressConnections, 1)];
        assert_eq!(refused, expected);
    }

    #[test]
    fn every_refusal_has_a_counter_and_a_name_of_its_own() {
        let gate = gate(HttpLimits::default());
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
            gate.count_refused(refusal);
        }
        assert!(gate.refused().all(|(_, count)| count == 1));
        let names = gate.refused().map(|(refusal, _)| refusal.reason());
        let names: std::collections::BTreeSet<_> = names.collect();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
