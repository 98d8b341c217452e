//! ICE servers and time-limited TURN credentials.
//!
//! Credentials follow the TURN REST draft (draft-uberti-behave-turn-rest-00), which coturn
//! implements as `use-auth-secret`. The user name is `{unix expiry}:{user id}`. The credential is
//! the HMAC-SHA1 (RFC 2104) of the user name, in standard base64, under a secret that the TURN
//! server (RFC 8656) knows too.
//!
//! All credentials are made with the one secret that is configured. To change the secret, let
//! coturn accept both the old and the new secret until the last credential of the old one has
//! expired.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use united_voice_proto::voice::IceServer;

use crate::{
    UserId,
    ice_url::{self, StunUrlError},
};

/// The characters that are encoded, since coturn refuses some of them in user names: all but
/// `A-Z a-z 0-9 . _ ~ @ : -`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@')
    .remove(b':')
    .remove(b'-');

/// A user name and its password. Both are valid until the time in the user name.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// `{unix expiry}:{user id}`. Characters of the user id other than `A-Z a-z 0-9 . _ ~ @ : -`
    /// are percent-encoded, since coturn answers 400 to spaces, quotes and backslashes.
    pub username: String,
    /// Base64 of 20 bytes: 28 characters.
    pub credential: String,
}

impl fmt::Debug for TurnCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnCredentials").finish_non_exhaustive()
    }
}

/// Mints credentials that expire `ttl_secs` seconds from now.
///
/// [`SharedSecret::mint`] does the same with a key that is prepared once, at a time that the caller
/// passes in.
///
/// ```
/// let credentials = united_voice_core::generate_turn_credentials("alice", "north", 3600);
/// assert!(credentials.username.ends_with(":alice"));
/// ```
pub fn generate_turn_credentials(
    username: &str,
    shared_secret: &str,
    ttl_secs: u64,
) -> TurnCredentials {
    let ttl = Duration::from_secs(ttl_secs);
    SharedSecret::new(shared_secret).mint(username, ttl, SystemTime::now())
}

/// A secret shared with a TURN server, kept as a prepared key. It can't be read back, and `Debug`
/// does not show it.
#[derive(Clone)]
pub struct SharedSecret {
    key: Hmac<Sha1>,
    is_empty: bool,
}

impl SharedSecret {
    /// Prepares the key from `secret`.
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref();
        Self {
            key: Hmac::new_from_slice(secret).expect("HMAC takes keys of any length"),
            is_empty: secret.is_empty(),
        }
    }

    /// Mints credentials for `user` that expire `ttl` after `now`.
    ///
    /// The expiry is in whole seconds, rounded down. A time before 1970 counts as 1970.
    pub fn mint(&self, user: &str, ttl: Duration, now: SystemTime) -> TurnCredentials {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let expiry = now.as_secs().saturating_add(ttl.as_secs());
        let username = format!("{expiry}:{}", utf8_percent_encode(user, ENCODED));
        let mut mac = self.key.clone();
        mac.update(username.as_bytes());
        let credential = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        TurnCredentials {
            username,
            credential,
        }
    }
}

impl From<&str> for SharedSecret {
    fn from(secret: &str) -> Self {
        Self::new(secret)
    }
}

impl From<String> for SharedSecret {
    fn from(secret: String) -> Self {
        Self::new(secret)
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// A TURN server: its URLs, and the secret and lifetime of its credentials.
#[derive(Debug, Clone)]
pub struct TurnConfig {
    urls: Vec<String>,
    host: String,
    secret: SharedSecret,
    ttl: Duration,
}

/// Why a TURN configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TurnConfigError {
    /// Clients would refuse URLs with this host.
    #[error("the TURN host {host:?} {reason}")]
    Host {
        /// The host.
        host: String,
        /// What is wrong with it, as the end of a sentence: `has no host`.
        reason: &'static str,
    },
    /// A port is 0.
    #[error("a TURN port must be 1 to 65535")]
    Port,
    /// The shared secret is empty.
    #[error("the TURN shared secret must not be empty")]
    EmptySecret,
    /// The lifetime of a credential is 0 or longer than [`TurnConfig::MAX_CREDENTIAL_TTL_SECS`].
    #[error(
        "the lifetime of TURN credentials must be 1 to {} seconds",
        TurnConfig::MAX_CREDENTIAL_TTL_SECS
    )]
    Ttl,
}

impl TurnConfig {
    /// The longest lifetime of a credential: 30 days, in seconds.
    pub const MAX_CREDENTIAL_TTL_SECS: u64 = 30 * 24 * 60 * 60;

    /// A TURN server at `host` that listens on `port` by UDP and TCP. `host` is a name or an IP
    /// address; an IPv6 address may be in brackets.
    ///
    /// # Errors
    ///
    /// [`TurnConfigError`] names the first value that is not allowed.
    pub fn new(
        host: &str,
        port: u16,
        shared_secret: impl Into<SharedSecret>,
        credential_ttl_secs: u64,
    ) -> Result<Self, TurnConfigError> {
        let host = ice_url::turn_host(host).map_err(|reason| TurnConfigError::Host {
            host: host.to_owned(),
            reason,
        })?;
        let secret = shared_secret.into();
        if port == 0 {
            return Err(TurnConfigError::Port);
        }
        if secret.is_empty {
            return Err(TurnConfigError::EmptySecret);
        }
        if !(1..=Self::MAX_CREDENTIAL_TTL_SECS).contains(&credential_ttl_secs) {
            return Err(TurnConfigError::Ttl);
        }
        Ok(Self {
            urls: vec![
                format!("turn:{host}:{port}?transport=udp"),
                format!("turn:{host}:{port}?transport=tcp"),
            ],
            host,
            secret,
            ttl: Duration::from_secs(credential_ttl_secs),
        })
    }

    /// Adds `turns:` over TCP on `port`.
    ///
    /// # Errors
    ///
    /// [`TurnConfigError::Port`] if `port` is 0.
    pub fn with_tls_port(mut self, port: u16) -> Result<Self, TurnConfigError> {
        if port == 0 {
            return Err(TurnConfigError::Port);
        }
        self.urls
            .push(format!("turns:{}:{port}?transport=tcp", self.host));
        Ok(self)
    }

    /// How long a credential lives.
    pub fn credential_ttl(&self) -> Duration {
        self.ttl
    }
}

/// The STUN and TURN servers that clients use as `RTCConfiguration.iceServers`.
#[derive(Debug, Clone)]
pub struct IceConfig {
    stun_urls: Vec<String>,
    turn: Option<Arc<TurnConfig>>,
}

impl Default for IceConfig {
    /// [`IceConfig::DEFAULT_STUN_URL`] and no TURN server.
    fn default() -> Self {
        Self {
            stun_urls: vec![Self::DEFAULT_STUN_URL.into()],
            turn: None,
        }
    }
}

impl IceConfig {
    /// The STUN server that is used if none is configured.
    pub const DEFAULT_STUN_URL: &str = "stun:stun.l.google.com:19302";

    /// Replaces the STUN servers. With an empty list, clients are told no STUN server.
    ///
    /// A URL is `stun:` or `stuns:`, a host, and perhaps `:` and a port (RFC 7064). An IPv6 address
    /// is in brackets.
    ///
    /// # Errors
    ///
    /// [`StunUrlError`] names the first URL that clients would refuse. One such URL in the list
    /// keeps a browser from making any connection.
    pub fn with_stun_urls(mut self, urls: Vec<String>) -> Result<Self, StunUrlError> {
        urls.iter().try_for_each(|url| ice_url::check_stun(url))?;
        self.stun_urls = urls;
        Ok(self)
    }

    /// Adds a TURN server.
    #[must_use]
    pub fn with_turn(mut self, turn: TurnConfig) -> Self {
        self.turn = Some(Arc::new(turn));
        self
    }

    /// How old a participant's credentials may become before the server sends new ones: three
    /// quarters of their lifetime. `None` if there is no TURN server.
    pub fn refresh_after(&self) -> Option<Duration> {
        self.turn.as_ref().map(|turn| turn.ttl * 3 / 4)
    }

    /// The list for `user`: STUN first, then TURN with credentials that are made at the time `now`.
    pub fn ice_servers(&self, user: &UserId, now: SystemTime) -> Vec<IceServer> {
        let stun = (!self.stun_urls.is_empty()).then(|| IceServer {
            urls: self.stun_urls.clone(),
            ..IceServer::default()
        });
        let turn = self.turn.as_ref().map(|turn| {
            let credentials = turn.secret.mint(user.as_str(), turn.ttl, now);
            IceServer {
                urls: turn.urls.clone(),
                username: credentials.username,
                credential: credentials.credential,
            }
        });
        stun.into_iter().chain(turn).collect()
    }
}
