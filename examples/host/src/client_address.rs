//! Which client a connection or a request counts for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The header in which proxies name the client. Each appends the address that it was asked from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// A client as the limits know it: an IPv4 address, or the first 64 bits of an IPv6 address. One
/// machine may use any address that begins with the same 64 bits, so they count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Ipv6Addr::from_bits(network).into()
            }
            address => address,
        })
    }
}

/// The proxies in front of this server. What they say about their clients is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl Default for TrustedProxies {
    /// This machine.
    fn default() -> Self {
        Self(vec![
            IpNet::new_assert(Ipv4Addr::new(127, 0, 0, 0).into(), 8),
            IpNet::new_assert(Ipv6Addr::LOCALHOST.into(), 128),
        ])
    }
}

impl TrustedProxies {
    /// Trusts these addresses and networks.
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client that a trusted proxy names: the last in `X-Forwarded-For` that is no trusted
    /// proxy itself. The client itself may have written what stands before that. `None` if no
    /// client is named.
    pub(crate) fn named_client(&self, headers: &HeaderMap) -> Option<ClientAddress> {
        let values = headers.get_all(FORWARDED_FOR).iter().rev();
        // Before the proxy's entry the client may have written any bytes.
        let entries = values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            let address = address(str::from_utf8(entry).ok()?.trim())?;
            if !self.contains(address) {
                return Some(address.into());
            }
        }
        None
    }
}

/// An address or a network of a configuration: `192.0.2.1` or `192.0.2.0/24`.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().ok();
    let network = network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    // Addresses are compared in their canonical form.
    match (network.addr().to_canonical(), network.prefix_len()) {
        (address @ IpAddr::V4(_), length @ 96..) => IpNet::new(address, length - 96).ok(),
        _ => Some(network),
    }
}

/// The address in an entry. Some proxies write the port behind it.
fn address(entry: &str) -> Option<IpAddr> {
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok();
    address.or_else(|| Some(entry.parse::<SocketAddr>().ok()?.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(text: &str) -> ClientAddress {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn an_ipv6_client_is_its_network() {
        assert_eq!(client("2001:db8:1:2::3"), client("2001:db8:1:2:ffff::"));
        assert_ne!(client("2001:db8:1:2::3"), client("2001:db8:1:3::3"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
    }

    #[test]
    fn what_stands_before_the_entry_of_the_proxy_hides_nothing() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_bytes(b"\xff, 192.0.2.1").unwrap();
        headers.append(FORWARDED_FOR, value);
        let named = TrustedProxies::default().named_client(&headers);
        assert_eq!(named, Some(client("192.0.2.1")));
    }

    #[test]
    fn a_proxy_may_be_written_in_either_form() {
        for text in [
            "10.0.0.5",
            "::ffff:10.0.0.5",
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8",
        ] {
            let proxies = TrustedProxies::new(vec![network(text).unwrap()]);
            for address in ["10.0.0.5", "::ffff:10.0.0.5"] {
                assert!(
                    proxies.contains(address.parse().unwrap()),
                    "{text} {address}"
                );
            }
            assert!(!proxies.contains("192.0.2.1".parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn the_last_entry_that_no_trusted_proxy_owns_is_the_client() {
        let proxies = TrustedProxies::new(
            ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]
                .map(|text| network(text).unwrap())
                .into(),
        );
        let cases: [(&[&'static str], Option<&str>); 13] = [
            (&[], None),
            (&[""], None),
            (&["unknown"], None),
            (&["10.1.2.3"], None),
            (&["192.0.2.1"], Some("192.0.2.1")),
            (&["198.51.100.9, 192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1, 10.1.2.3, 127.0.0.1"], Some("192.0.2.1")),
            (&["198.51.100.9", "192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1, nonsense"], None),
            (&["192.0.2.1:4711"], Some("192.0.2.1")),
            (&["[2001:db8::1]:4711"], Some("2001:db8::1")),
            (&["[2001:db8::1]"], Some("2001:db8::1")),
            (&["2001:db8::1,fd00::7"], Some("2001:db8::1")),
        ];
        for (values, expected) in cases {
            let values = values.iter().map(|value| HeaderValue::from_static(value));
            let mut headers = HeaderMap::new();
            values.for_each(|value| {
                headers.append(FORWARDED_FOR, value);
            });
            assert_eq!(
                proxies.named_client(&headers),
                expected.map(client),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn this_machine_is_trusted_by_default() {
        let proxies = TrustedProxies::default();
        for (address, expected) in [
            ("127.9.9.9", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("10.0.0.1", false),
            ("::2", false),
        ] {
            assert_eq!(proxies.contains(address.parse().unwrap()), expected);
        }
    }
}
