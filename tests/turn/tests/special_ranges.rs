//! `turnserver.conf` denies every special-purpose range, and no public address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::deployed::{read, settings};

/// IANA's registries of special-purpose addresses (RFC 6890 and its successors), and multicast. As
/// in the registries, some entries lie inside others.
///
/// `::` is missing, and `::/96` begins after it: coturn refuses that address itself, and a range
/// that begins there would deny all of IPv4.
const SPECIAL: [&str; 52] = [
    "0.0.0.0/8",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::1/128",
    "::ffff:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
];

const IPV4_COMPATIBLE: (&str, &str) = ("::1", "::ffff:ffff");

const PUBLIC: [&str; 20] = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700::1111",
    "2a00:1450:4001::8888",
    "2001:4860:4860::8888",
    "2003::1",
];

/// The bounds of a range as numbers. Only numbers of one address family can be compared.
struct Range {
    is_ipv4: bool,
    first: u128,
    last: u128,
}

impl fmt::Debug for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |number: u128| {
            u32::try_from(number)
                .ok()
                .filter(|_| self.is_ipv4)
                .map_or_else(
                    || IpAddr::V6(number.into()),
                    |number| IpAddr::V4(number.into()),
                )
        };
        write!(f, "{}-{}", address(self.first), address(self.last))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn parse(address: &str) -> IpAddr {
    address
        .parse()
        .unwrap_or_else(|_| panic!("not an address: {address}"))
}

impl Range {
    fn between(first: &str, last: &str) -> Self {
        let (first, last) = (parse(first), parse(last));
        assert_eq!(first.is_ipv4(), last.is_ipv4(), "{first}-{last}");
        assert!(first <= last, "{first}-{last}");
        Self {
            is_ipv4: first.is_ipv4(),
            first: number(first),
            last: number(last),
        }
    }

    fn block(cidr: &str) -> Self {
        let (address, length) = cidr.split_once('/').expect("address/length");
        let (address, length) = (parse(address), length.parse::<u32>().expect("a length"));
        let bits = if address.is_ipv4() {
            Ipv4Addr::BITS
        } else {
            Ipv6Addr::BITS
        };
        let hosts = u128::MAX.checked_shr(Ipv6Addr::BITS - bits + length);
        let first = number(address);
        Self {
            is_ipv4: address.is_ipv4(),
            first,
            last: first | hosts.unwrap_or(0),
        }
    }

    fn contains(&self, other: &Self) -> bool {
        self.is_ipv4 == other.is_ipv4 && self.first <= other.first && other.last <= self.last
    }
}

fn denied() -> Vec<Range> {
    let conf = read("turnserver.conf");
    settings(&conf, "denied-peer-ip")
        .map(|range| range.split_once('-').unwrap_or((range, range)))
        .map(|(first, last)| Range::between(first, last))
        .collect()
}

fn special() -> Vec<Range> {
    let (first, last) = IPV4_COMPATIBLE;
    SPECIAL
        .into_iter()
        .map(Range::block)
        .chain([Range::between(first, last)])
        .collect()
}

#[test]
fn every_special_range_is_denied() {
    let denied = denied();
    for block in special() {
        let whole = denied.iter().any(|range| range.contains(&block));
        assert!(whole, "{block:?} is not denied");
    }
}

#[test]
fn nothing_else_is_denied() {
    let (denied, special) = (denied(), special());
    for text in PUBLIC {
        let address = Range::between(text, text);
        let hit = denied.iter().any(|range| range.contains(&address));
        assert!(!hit, "{text} is public, and denied");
    }
    for range in &denied {
        let inside = special.iter().any(|block| block.contains(range));
        assert!(inside, "{range:?} is wider than the registries' entry");
        assert!(
            range.is_ipv4 || range.first != 0,
            "to coturn, a range from :: on is all of IPv4"
        );
    }
    let conf = read("turnserver.conf");
    assert_eq!(settings(&conf, "allowed-peer-ip").count(), 0);
}
