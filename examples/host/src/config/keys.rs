//! Every key of the configuration: its section, its name, and the values that it takes.

use std::fmt;

use united_voice_core::TurnConfig;

use crate::{ClusterPrefix, ClusterUrl, DatabaseUrl, NodeName};

/// The longest secret, in bytes.
pub(crate) const MAX_SECRET_BYTES: usize = 4096;

/// The most STUN servers.
pub(crate) const MAX_STUN_URLS: usize = 100;

/// The longest name of an audience or an issuer, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 512;

/// The most trusted addresses and networks.
pub(crate) const MAX_NETWORKS: usize = 100;

pub(crate) static TRUSTED_PROXIES: Key = Key::new("server", "trusted_proxies", Takes::Networks);
pub(crate) static DATABASE_URL: Key =
    Key::new("database", "url", Takes::Url(DatabaseUrl::EXPECTED));
pub(crate) static CLUSTER_URL: Key = Key::new("cluster", "url", Takes::Url(ClusterUrl::EXPECTED));
pub(crate) static NODE_NAME: Key =
    Key::new("cluster", "node_name", Takes::Word(NodeName::EXPECTED));
pub(crate) static PREFIX: Key = Key::new("cluster", "prefix", Takes::Word(ClusterPrefix::EXPECTED));
pub(crate) static LEASE_SECS: Key = Key::new("cluster", "lease_secs", Takes::Number(3, 60));
pub(crate) static CA_FILE: Key = Key::new("cluster", "ca_file", Takes::Text);
pub(crate) static JWT_SECRET: Key = Key::new("auth", "jwt_secret", Takes::Secret);
pub(crate) static AUDIENCE: Key = Key::new("auth", "audience", Takes::Text);
pub(crate) static ISSUER: Key = Key::new("auth", "issuer", Takes::Text);
pub(crate) static STUN_URLS: Key = Key::new("ice", "stun_urls", Takes::StunUrls);
pub(crate) static ENABLED: Key = Key::new("turn", "enabled", Takes::Switch);
pub(crate) static HOST: Key = Key::new("turn", "host", Takes::Host);
pub(crate) static PORT: Key = Key::new("turn", "port", Takes::Number(1, PORT_MAX));
/// `[turn] port` when the server runs the relay itself: 0 picks a free port.
pub(crate) static EMBEDDED_PORT: Key = Key::new("turn", "port", Takes::Number(0, PORT_MAX));
pub(crate) static TLS_PORT: Key = Key::new("turn", "tls_port", Takes::Number(1, PORT_MAX));
pub(crate) static SHARED_SECRET: Key = Key::new("turn", "shared_secret", Takes::Secret);
pub(crate) static CREDENTIAL_TTL_SECS: Key = Key::new(
    "turn",
    "credential_ttl_secs",
    Takes::Number(1, TurnConfig::MAX_CREDENTIAL_TTL_SECS),
);
pub(crate) static MESSAGES_PER_SECOND: Key = limit("messages_per_second", RATE_MAX);
pub(crate) static BURST: Key = limit("burst", RATE_MAX);
pub(crate) static OUTBOUND_QUEUE: Key = limit("outbound_queue", 1_000_000);
pub(crate) static OUTBOUND_QUEUE_BYTES: Key = limit("outbound_queue_bytes", 1 << 30);
pub(crate) static MAX_MESSAGE_BYTES: Key = limit("max_message_bytes", MESSAGE_MAX);
pub(crate) static MAX_SDP_BYTES: Key = limit("max_sdp_bytes", MESSAGE_MAX);
pub(crate) static MAX_CANDIDATE_BYTES: Key = limit("max_candidate_bytes", MESSAGE_MAX);
pub(crate) static PING_INTERVAL_SECS: Key = limit("ping_interval_secs", DAY_SECS);
pub(crate) static PING_TIMEOUT_SECS: Key = limit("ping_timeout_secs", DAY_SECS);
pub(crate) static MAX_CONNECTIONS: Key = limit("max_connections", CONNECTIONS_MAX);
pub(crate) static MAX_CONNECTIONS_PER_ADDRESS: Key =
    limit("max_connections_per_address", CONNECTIONS_MAX);
pub(crate) static MAX_HALF_OPEN_REQUESTS: Key = limit("max_half_open_requests", CONNECTIONS_MAX);
pub(crate) static REQUESTS_PER_MINUTE_PER_ADDRESS: Key =
    limit("requests_per_minute_per_address", RATE_MAX);
pub(crate) static SIGN_INS_PER_MINUTE_PER_ADDRESS: Key =
    limit("sign_ins_per_minute_per_address", RATE_MAX);

/// The keys of `united.toml`, in the order of the template.
pub(crate) static ALL: [&Key; 31] = [
    &TRUSTED_PROXIES,
    &DATABASE_URL,
    &CLUSTER_URL,
    &NODE_NAME,
    &PREFIX,
    &LEASE_SECS,
    &CA_FILE,
    &JWT_SECRET,
    &AUDIENCE,
    &ISSUER,
    &STUN_URLS,
    &ENABLED,
    &HOST,
    &PORT,
    &TLS_PORT,
    &SHARED_SECRET,
    &CREDENTIAL_TTL_SECS,
    &MESSAGES_PER_SECOND,
    &BURST,
    &OUTBOUND_QUEUE,
    &OUTBOUND_QUEUE_BYTES,
    &MAX_MESSAGE_BYTES,
    &MAX_SDP_BYTES,
    &MAX_CANDIDATE_BYTES,
    &PING_INTERVAL_SECS,
    &PING_TIMEOUT_SECS,
    &MAX_CONNECTIONS,
    &MAX_CONNECTIONS_PER_ADDRESS,
    &MAX_HALF_OPEN_REQUESTS,
    &REQUESTS_PER_MINUTE_PER_ADDRESS,
    &SIGN_INS_PER_MINUTE_PER_ADDRESS,
];

/// The keys of `secrets.toml`.
pub(crate) static SECRETS: [&Key; 2] = [&JWT_SECRET, &SHARED_SECRET];

const PORT_MAX: u64 = 65_535;

/// The rate limiter counts in nanoseconds, so a higher rate would be no limit at all.
const RATE_MAX: u64 = 1_000_000_000;

/// 16 MiB. A larger message is no signaling.
const MESSAGE_MAX: u64 = 16 << 20;

/// More than a machine has.
const CONNECTIONS_MAX: u64 = 10_000_000;

const DAY_SECS: u64 = 24 * 60 * 60;

/// A key of the configuration. It displays as `[turn] port`.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) section: &'static str,
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
}

/// The values that a key takes. It displays as what an error says about another value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// `true` or `false`.
    Switch,
    /// A whole number from the first to the second, both included.
    Number(u64, u64),
    /// A host name or an IP address.
    Host,
    /// A list of `stun:` and `stuns:` URLs.
    StunUrls,
    /// A list of IP addresses and networks.
    Networks,
    /// A text.
    Text,
    /// A text that no error shows.
    Secret,
    /// A text of a form that this says.
    Word(&'static str),
    /// A URL of a form that this says. No error shows it.
    Url(&'static str),
}

impl Key {
    const fn new(section: &'static str, name: &'static str, takes: Takes) -> Self {
        Self {
            section,
            name,
            takes,
        }
    }
}

const fn limit(name: &'static str, most: u64) -> Key {
    // A limit of 0 would let nothing through.
    Key::new("limits", name, Takes::Number(1, most))
}

impl Takes {
    /// Whether no error may show the value.
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Url(_))
    }

    /// Whether this is a number that is allowed.
    pub(super) fn number(self, number: u64) -> bool {
        matches!(self, Self::Number(least, most) if (least..=most).contains(&number))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.section, self.name)
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => write!(f, "must be true or false, without quotes"),
            Self::Number(least, most) => write!(f, "must be {least} to {most}"),
            Self::Host => write!(f, "must be a host name or an IP address, in quotes"),
            Self::StunUrls => write!(
                f,
                "must be a list of at most {MAX_STUN_URLS} URLs such as \
                 \"stun:stun.example.org:3478\""
            ),
            Self::Networks => write!(
                f,
                "must be a list of at most {MAX_NETWORKS} addresses and networks such as \
                 \"192.0.2.1\" and \"10.0.0.0/8\""
            ),
            Self::Text => write!(
                f,
                "must be a text in quotes of at most {MAX_TEXT_BYTES} bytes"
            ),
            Self::Secret => write!(
                f,
                "must be a text in quotes of at most {MAX_SECRET_BYTES} bytes (the value is not shown)"
            ),
            Self::Word(expected) | Self::Url(expected) => f.write_str(expected),
        }
    }
}
