//! The addresses of STUN and TURN servers.

use std::time::UNIX_EPOCH;

use united_voice_core::{IceConfig, TurnConfig, UserId};

use crate::input::Input;

/// Reads the bytes as a URL, as a host, and as a host with ports and a lifetime.
///
/// # Panics
///
/// If an address is accepted that clients could not take, or an error does not show the address.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    stun_url(&text);
    stun_url(&format!("stun:{text}"));
    turn(&text, 3478, 1, None);

    let mut input = Input::new(bytes);
    let port = u16::from_be_bytes([input.byte(), input.byte()]);
    let tls_port = u16::from_be_bytes([input.byte(), input.byte()]);
    let ttl = u64::from(input.byte()) << input.below(64);
    let host = String::from_utf8_lossy(input.rest());
    turn(&host, port, ttl, Some(tls_port));
}

fn stun_url(url: &str) {
    match IceConfig::default().with_stun_urls(vec![url.to_owned()]) {
        Ok(config) => {
            let rest = url
                .strip_prefix("stun:")
                .or_else(|| url.strip_prefix("stuns:"));
            is_address(rest.expect("a scheme"));
            let user = UserId::new("alice").expect("a valid id");
            let servers = config.ice_servers(&user, UNIX_EPOCH);
            assert_eq!(servers[0].urls, [url]);
        }
        Err(error) => {
            assert_eq!(error.url(), url);
            assert!(!error.reason().is_empty());
        }
    }
}

fn turn(host: &str, port: u16, ttl: u64, tls_port: Option<u16>) {
    let config = TurnConfig::new(host, port, "a secret of the test", ttl);
    let config = config.and_then(|config| match tls_port {
        Some(port) => config.with_tls_port(port),
        None => Ok(config),
    });
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            let message = error.to_string();
            assert!(!message.is_empty());
            assert!(!message.contains("a secret of the test"));
            return;
        }
    };
    assert!(port > 0 && tls_port != Some(0));
    assert!((1..=TurnConfig::MAX_CREDENTIAL_TTL_SECS).contains(&ttl));
    let user = UserId::new("alice").expect("a valid id");
    let servers = IceConfig::default()
        .with_turn(config)
        .ice_servers(&user, UNIX_EPOCH);
    let relays = servers.iter().filter(|server| !server.username.is_empty());
    let urls: Vec<&str> = relays
        .flat_map(|server| &server.urls)
        .map(String::as_str)
        .collect();
    assert_eq!(urls.len(), 2 + usize::from(tls_port.is_some()));
    for url in urls {
        let (scheme, rest) = url.split_once(':').expect("a scheme");
        assert!(scheme == "turn" || scheme == "turns", "{url}");
        let (address, query) = rest.split_once('?').expect("a query");
        assert!(
            query == "transport=udp" || query == "transport=tcp",
            "{url}"
        );
        is_address(address);
    }
}

/// A host and perhaps a port, of characters that no URL parser takes for something else.
fn is_address(address: &str) {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    assert!(
        !address.is_empty() && address.bytes().all(allowed),
        "{address:?}"
    );
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').expect("a closing bracket");
            host.parse::<std::net::Ipv6Addr>().expect("an IPv6 address");
            (host, rest.strip_prefix(':'))
        }
        None => match address.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (address, None),
        },
    };
    assert!(!host.is_empty() && host.len() <= 255, "{address:?}");
    if let Some(port) = port {
        assert_ne!(port.parse(), Ok(0_u16), "{address:?}");
        assert!(port.parse::<u16>().is_ok(), "{address:?}");
    }
}
