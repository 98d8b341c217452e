//! Which hosts and URLs clients take for STUN and TURN servers (RFC 7064 and RFC 7065).
//!
//! A browser throws at the constructor of `RTCPeerConnection` if it does not take one URL of a
//! list. So one mistake in a configuration would cost every user every call.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest name of a host, in bytes (RFC 1035, section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// The longest part of a name between two dots, in bytes.
const MAX_LABEL_BYTES: usize = 63;

const NO_HOST: &str = "has no host";
const NOT_A_HOST: &str = "has a host that is neither a name nor an IP address";
const NOT_AN_ADDRESS: &str = "has a host of numbers that is no IPv4 address";
const NOT_AN_IPV6_ADDRESS: &str = "has no IPv6 address in its brackets";
const NOT_A_PORT: &str = "has a port that is not 1 to 65535";

/// A URL of a STUN server that clients refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the STUN URL {url:?} {reason}")]
pub struct StunUrlError {
    url: String,
    reason: &'static str,
}

impl StunUrlError {
    /// The URL that is refused.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What is wrong with it, as the end of a sentence: `has no host`.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Checks a URL: `stun:` or `stuns:`, a host, and perhaps a port.
pub(crate) fn check_stun(url: &str) -> Result<(), StunUrlError> {
    stun(url).map_err(|reason| StunUrlError {
        url: url.to_owned(),
        reason,
    })
}

fn stun(url: &str) -> Result<(), &'static str> {
    let rest = url.strip_prefix("stun:");
    let rest = rest.or_else(|| url.strip_prefix("stuns:"));
    let rest = rest.ok_or("does not begin with stun: or stuns:")?;
    if rest.starts_with("//") {
        return Err("has slashes after the colon");
    }
    if rest.contains('?') {
        return Err("has a query, which only turn: URLs have");
    }
    let port = if let Some(rest) = rest.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(NOT_AN_IPV6_ADDRESS)?;
        let address: Result<Ipv6Addr, _> = address.parse();
        address.map_err(|_| NOT_AN_IPV6_ADDRESS)?;
        if after.is_empty() {
            return Ok(());
        }
        after.strip_prefix(':').ok_or(NOT_AN_IPV6_ADDRESS)?
    } else {
        let Some((host, port)) = rest.split_once(':') else {
            return check_name(rest);
        };
        if port.contains(':') {
            return Err("has an IPv6 address without brackets");
        }
        check_name(host)?;
        port
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(1..) if is_port => Ok(()),
        _ => Err(NOT_A_PORT),
    }
}

/// The host of a TURN server in the form that a URL needs: an IPv6 address in brackets.
///
/// # Errors
///
/// What is wrong with the host, as the end of a sentence.
pub(crate) fn turn_host(host: &str) -> Result<String, &'static str> {
    let unbracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = unbracketed.unwrap_or(host).parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    if ["turn:", "turns:", "stun:", "stuns:"]
        .iter()
        .any(|scheme| host.starts_with(scheme))
        || host.contains("://")
    {
        return Err("has a scheme, which a host has not");
    }
    if host.contains(['[', ']']) {
        return Err(NOT_AN_IPV6_ADDRESS);
    }
    let port = host.split_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) {
        return Err("has a port, which is given separately");
    }
    check_name(host)?;
    Ok(host.to_owned())
}

/// Checks a name or an IPv4 address.
fn check_name(host: &str) -> Result<(), &'static str> {
    if host.is_empty() {
        return Err(NO_HOST);
    }
    // A name that ends in a dot is looked up as it is, without the domains of the system.
    let labels = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=MAX_LABEL_BYTES).contains(&label.len()) && label.bytes().all(is_name_byte)
    };
    if labels.len() > MAX_HOST_BYTES || !labels.split('.').all(is_label) {
        return Err(NOT_A_HOST);
    }
    let last = labels.rsplit('.').next().unwrap_or_default();
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && labels.parse::<Ipv4Addr>().is_err() {
        return Err(NOT_AN_ADDRESS);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stun_urls_that_clients_take() {
        for url in [
            "stun:stun.example.org",
            "stun:stun.example.org:3478",
            "stuns:stun.example.org:5349",
            "stun:localhost",
            "stun:a",
            "stun:192.0.2.1:19302",
            "stun:[2001:db8::1]",
            "stun:[::ffff:192.0.2.1]:3478",
            "stun:3com.example",
            "stun:under_score.example.",
        ] {
            assert_eq!(check_stun(url), Ok(()), "{url}");
        }
    }

    #[test]
    fn stun_urls_that_clients_refuse() {
        for (url, reason) in [
            ("", "does not begin with stun: or stuns:"),
            ("stun.example.org", "does not begin with stun: or stuns:"),
            (
                "STUN:stun.example.org",
                "does not begin with stun: or stuns:",
            ),
            (
                "turn:turn.example.org",
                "does not begin with stun: or stuns:",
            ),
            ("stun:", NO_HOST),
            ("stun::3478", NO_HOST),
            ("stun:a:", NOT_A_PORT),
            ("stun:a:0", NOT_A_PORT),
            ("stun:a:65536", NOT_A_PORT),
            ("stun:a:+1", NOT_A_PORT),
            ("stun:a:3478/", NOT_A_PORT),
            ("stun:a:x", NOT_A_PORT),
            ("stun://a:3478", "has slashes after the colon"),
            (
                "stun:127.0.0.1:3478?transport=udp",
                "has a query, which only turn: URLs have",
            ),
            ("stun:a?", "has a query, which only turn: URLs have"),
            ("stun:::1", "has an IPv6 address without brackets"),
            ("stun:[::1", NOT_AN_IPV6_ADDRESS),
            ("stun:[]", NOT_AN_IPV6_ADDRESS),
            ("stun:[192.0.2.1]", NOT_AN_IPV6_ADDRESS),
            ("stun:[fe80::1%eth0]", NOT_AN_IPV6_ADDRESS),
            ("stun:[::1]3478", NOT_AN_IPV6_ADDRESS),
            ("stun:[::1]:", NOT_A_PORT),
            ("stun:user@a", NOT_A_HOST),
            ("stun:a b", NOT_A_HOST),
            ("stun:a..b", NOT_A_HOST),
            ("stun:.a", NOT_A_HOST),
            ("stun:höst", NOT_A_HOST),
            ("stun:a#b", NOT_A_HOST),
            ("stun:300.1.1.1", NOT_AN_ADDRESS),
            ("stun:1.2.3", NOT_AN_ADDRESS),
            ("stun:3478", NOT_AN_ADDRESS),
        ] {
            let error = check_stun(url).expect_err(url);
            assert_eq!((error.url(), error.reason()), (url, reason));
        }
        assert_eq!(
            check_stun("stun:").map_err(|error| error.to_string()),
            Err("the STUN URL \"stun:\" has no host".to_owned())
        );
    }

    #[test]
    fn turn_hosts_that_are_refused_say_why() {
        for (host, reason) in [
            ("", NO_HOST),
            ("turn:turn.example", "has a scheme, which a host has not"),
            ("https://turn.example", "has a scheme, which a host has not"),
            ("turn.example:3478", "has a port, which is given separately"),
            ("192.0.2.1:3478", "has a port, which is given separately"),
            ("turn.example:", "has a port, which is given separately"),
            ("[::1]:3478", NOT_AN_IPV6_ADDRESS),
            ("[turn.example]", NOT_AN_IPV6_ADDRESS),
            ("turn.example?transport=udp", NOT_A_HOST),
            ("2001:db8::1%eth0", NOT_A_HOST),
            ("300.1.1.1", NOT_AN_ADDRESS),
        ] {
            assert_eq!(turn_host(host), Err(reason), "{host}");
        }
        let long = ["x".repeat(63).as_str(); 4].join(".");
        assert_eq!(turn_host(&long), Err(NOT_A_HOST), "255 bytes");
        assert_eq!(turn_host(&"x".repeat(64)), Err(NOT_A_HOST));
    }
}
