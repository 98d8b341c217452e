//! The peers that the relay exchanges packets with.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use crate::quota::Quota;

/// IPv4 ranges that are not on the public internet (RFC 6890 and its registry): first address,
/// length of the prefix.
const RESERVED_V4: [(Ipv4Addr, u32); 15] = [
    // "This network"; many systems treat it as the machine itself.
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    // Private.
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    // Shared: behind the address translation of a provider.
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    // Loopback.
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; clouds offer the credentials of their machines there.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Private.
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    // Protocol assignments.
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    // Documentation.
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    // Relays of 6to4, which are no longer in use.
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    // Private.
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    // Benchmarks.
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    // Documentation.
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    // Multicast.
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    // Reserved and broadcast.
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// IPv6 ranges that are not on the public internet: everything outside `2000::/3`, and the special
/// ranges inside it.
const RESERVED_V6: [(Ipv6Addr, u32); 8] = [
    // Unspecified, loopback, all forms of embedded IPv4 (`::/96`, `::ffff:0:0/96`, `64:ff9b::/96`),
    // discard-only.
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 0), 3),
    // Protocol assignments, among them Teredo, which embeds IPv4.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    // Documentation.
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    // 6to4, which embeds IPv4.
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    // An experiment that is over.
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0), 16),
    // Documentation.
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
    // Unassigned.
    (Ipv6Addr::new(0x4000, 0, 0, 0, 0, 0, 0, 0), 2),
    // Unassigned, unique local, link-local, multicast.
    (Ipv6Addr::new(0x8000, 0, 0, 0, 0, 0, 0, 0), 1),
];

/// The peers that the relay sends packets to and accepts packets from.
#[derive(Clone, Debug)]
pub(crate) enum Peers {
    /// All. The relay is bound to loopback, so its users are programs of this machine. They can
    /// reach the same peers without the relay.
    Any,
    /// The public internet, and the relay's own allocations. If both sides of a call are relayed,
    /// its packets go from one allocation to another, and the relay's address may be private.
    Public {
        /// The addresses of the relay itself.
        own: [IpAddr; 2],
        /// Knows the ports of the allocations. No other port of the relay's own addresses may be
        /// reached.
        allocations: Arc<Quota>,
    },
}

impl Peers {
    pub(crate) fn allow(&self, peer: SocketAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Public { own, allocations } => {
                let ip = peer.ip().to_canonical();
                if own.contains(&ip) {
                    allocations.has_port(peer.port())
                } else {
                    is_public(ip)
                }
            }
        }
    }
}

/// Whether the address is on the public internet.
pub(crate) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !RESERVED_V4.iter().any(|(first, bits)| {
            let mask = u32::MAX << (32 - bits);
            u32::from(ip) & mask == u32::from(*first)
        }),
        IpAddr::V6(ip) => !RESERVED_V6.iter().any(|(first, bits)| {
            let mask = u128::MAX << (128 - bits);
            u128::from(ip) & mask == u128::from(*first)
        }),
    }
}

#[cfg(test)]
mod tests;
