use super::*;
use crate::Limits;

fn public(text: &str) -> bool {
    is_public(text.parse().unwrap())
}

#[test]
fn every_range_ends_where_it_should() {
    // The last address before a range, its first and last addresses, and the first address after
    // it. A neighbour that belongs to another range is left out.
    let ranges = [
        ("", "0.0.0.0", "0.255.255.255", "1.0.0.0"),
        ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
        (
            "100.63.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "100.128.0.0",
        ),
        (
            "126.255.255.255",
            "127.0.0.0",
            "127.255.255.255",
            "128.0.0.0",
        ),
        (
            "169.253.255.255",
            "169.254.0.0",
            "169.254.255.255",
            "169.255.0.0",
        ),
        (
            "172.15.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "172.32.0.0",
        ),
        ("191.255.255.255", "192.0.0.0", "192.0.0.255", "192.0.1.0"),
        ("192.0.1.255", "192.0.2.0", "192.0.2.255", "192.0.3.0"),
        (
            "192.88.98.255",
            "192.88.99.0",
            "192.88.99.255",
            "192.88.100.0",
        ),
        (
            "192.167.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "192.169.0.0",
        ),
        (
            "198.17.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.20.0.0",
        ),
        (
            "198.51.99.255",
            "198.51.100.0",
            "198.51.100.255",
            "198.51.101.0",
        ),
        (
            "203.0.112.255",
            "203.0.113.0",
            "203.0.113.255",
            "203.0.114.0",
        ),
        ("223.255.255.255", "224.0.0.0", "239.255.255.255", ""),
        ("", "240.0.0.0", "255.255.255.255", ""),
        (
            "",
            "::",
            "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "2000::",
        ),
        (
            "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:200::",
        ),
        (
            "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            "2001:db9::",
        ),
        (
            "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "2002::",
            "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "2003::",
        ),
        (
            "3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "3ffe::",
            "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "",
        ),
        (
            "",
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            "3fff:1000::",
        ),
        (
            "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "4000::",
            "7fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "",
        ),
        ("", "8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
    ];
    assert_eq!(ranges.len(), RESERVED_V4.len() + RESERVED_V6.len());
    for (before, first, last, after) in ranges {
        assert!(!public(first) && !public(last), "{first} to {last}");
        for outside in [before, after].into_iter().filter(|text| !text.is_empty()) {
            assert!(public(outside), "{outside} is outside {first} to {last}");
        }
    }
}

#[test]
fn known_targets_of_attacks_through_relays_are_refused() {
    for inside in [
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001:0:7f00:1::",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!public(inside), "{inside}");
    }
    for outside in ["8.8.8.8", "2606:4700::1111", "2a00:1450::1"] {
        assert!(public(outside), "{outside}");
    }
}

#[test]
fn loopback_allows_all_peers_and_other_addresses_only_public_ones_and_live_allocations() {
    let peer = |text: &str| text.parse().unwrap();
    assert!(Peers::Any.allow(peer("127.0.0.1:53")) && Peers::Any.allow(peer("10.0.0.1:53")));

    let quota = Arc::new(Quota::new(Limits::default()));
    let peers = Peers::Public {
        own: ["10.0.0.5".parse().unwrap(), "8.8.4.4".parse().unwrap()],
        allocations: Arc::clone(&quota),
    };
    assert!(peers.allow(peer("8.8.8.8:1")));
    for refused in [
        "10.0.0.1:50000",
        "127.0.0.1:50000",
        "10.0.0.5:50000",
        "8.8.4.4:50000",
    ] {
        assert!(!peers.allow(peer(refused)), "{refused}");
    }
    let allocation = quota.admit("alice").unwrap().with_port(50000);
    for allowed in ["10.0.0.5:50000", "8.8.4.4:50000", "[::ffff:10.0.0.5]:50000"] {
        assert!(peers.allow(peer(allowed)), "{allowed}");
    }
    assert!(!peers.allow(peer("10.0.0.5:53")) && !peers.allow(peer("10.0.0.1:50000")));
    drop(allocation);
    assert!(!peers.allow(peer("10.0.0.5:50000")));
}
