//! `united.toml`: what it may say, and what the library is told in consequence.

mod embedded_turn;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use serde::Deserialize;
use united_voice_core::{IceConfig, Limits, LimitsError, TurnConfig, TurnConfigError};

use crate::{
    files,
    secrets::{Secret, Secrets},
};

/// The commented configuration, which spells out every default.
pub const TEMPLATE: &str = include_str!("../united.toml");

/// The content of `united.toml`. Keys that are left out have the values of [`TEMPLATE`]; unknown ones are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    auth: Auth,
    ice: Ice,
    turn: Turn,
    limits: LimitsSection,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Auth {
    jwt_secret: Secret,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Ice {
    stun_urls: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Turn {
    enabled: bool,
    host: String,
    port: u16,
    tls_port: Option<u16>,
    shared_secret: Secret,
    credential_ttl_secs: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    messages_per_second: u32,
    burst: u32,
    outbound_queue: usize,
    outbound_queue_bytes: usize,
    max_message_bytes: usize,
    max_sdp_bytes: usize,
    max_candidate_bytes: usize,
    ping_interval_secs: u64,
    ping_timeout_secs: u64,
}

/// Whose relay `[turn]` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// Another program's.
    External,
    /// This program's own, which needs no `[turn] host` on most addresses and may pick its port.
    Embedded,
}

/// A configuration that can't be used. No message quotes a value, since it may be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not TOML, an unknown key or a value of the wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the key's name.
        message: String,
    },
    /// A value of `[turn]` that can't be.
    #[error("[turn] {0}")]
    Turn(#[from] TurnConfigError),
    /// A value of `[limits]` that can't be.
    #[error("[limits] {0}")]
    Limits(#[from] LimitsError),
    /// An entry of `[ice] stun_urls` that is not the address of a STUN server.
    #[error("[ice] stun_urls: every entry must begin with \"stun:\" or \"stuns:\"")]
    StunUrl,
}

impl ConfigError {
    pub(crate) fn syntax(text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start);
        Self::Syntax {
            line: text.get(..start).unwrap_or(text).matches('\n').count() + 1,
            message: error.message().to_owned(),
        }
    }
}

impl Config {
    /// Reads a configuration and checks it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the key that is unknown or whose value can't be.
    pub fn parse(text: &str, relay: Relay) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigError::syntax(text, &error))?;
        config.limits()?;
        config.check_stun_urls()?;
        match relay {
            Relay::External => config.check_turn()?,
            Relay::Embedded => config.check_embedded_turn()?,
        }
        Ok(config)
    }

    /// Reads the configuration from a file.
    ///
    /// # Errors
    ///
    /// When the file can't be read, and as [`parse`](Self::parse).
    pub fn load(path: &Path, relay: Relay) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the configuration {}", path.display()))?;
        Self::parse(&text, relay)
            .with_context(|| format!("in the configuration {}", path.display()))
    }

    /// Reads the configuration from a file, after writing [`TEMPLATE`] to it if it isn't there.
    ///
    /// # Errors
    ///
    /// When the file can't be written, and as [`load`](Self::load).
    pub fn load_or_create(path: &Path, relay: Relay) -> anyhow::Result<Self> {
        if !path.exists() {
            files::create_private(path, TEMPLATE)
                .with_context(|| format!("cannot write the configuration {}", path.display()))?;
        }
        Self::load(path, relay)
    }

    /// What signs tokens: the configured secret, or the generated one.
    pub fn jwt_secret(&self, generated: &Secrets) -> Secret {
        self.auth.jwt_secret.or(generated.jwt_secret())
    }

    /// The limits of connections.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Limits`] where one is zero.
    pub fn limits(&self) -> Result<Limits, ConfigError> {
        let section = &self.limits;
        let mut limits = Limits::default();
        limits.messages_per_second = section.messages_per_second;
        limits.burst = section.burst;
        limits.outbound_queue = section.outbound_queue;
        limits.outbound_queue_bytes = section.outbound_queue_bytes;
        limits.max_message_bytes = section.max_message_bytes;
        limits.max_sdp_bytes = section.max_sdp_bytes;
        limits.max_candidate_bytes = section.max_candidate_bytes;
        limits.ping_interval = Duration::from_secs(section.ping_interval_secs);
        limits.ping_timeout = Duration::from_secs(section.ping_timeout_secs);
        limits.validate()?;
        Ok(limits)
    }

    /// The ICE servers that clients are told of, where the relay is another program.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Turn`] for a value of `[turn]` that can't be.
    pub fn ice(&self, generated: &Secrets) -> Result<IceConfig, ConfigError> {
        let ice = IceConfig::default().with_stun_urls(self.ice.stun_urls.clone());
        if !self.turn.enabled {
            return Ok(ice);
        }
        let secret = self.turn.shared_secret.or(generated.turn_shared_secret());
        Ok(ice.with_turn(self.turn.build(&self.turn.host, &secret)?))
    }

    fn check_stun_urls(&self) -> Result<(), ConfigError> {
        let is_stun = |url: &String| url.starts_with("stun:") || url.starts_with("stuns:");
        if !self.ice.stun_urls.iter().all(is_stun) {
            return Err(ConfigError::StunUrl);
        }
        Ok(())
    }

    /// A section that is switched off is checked as well, but for the host, which only a switched-on one needs: the
    /// mistake is easier to find now than on the day it is switched on.
    fn check_turn(&self) -> Result<(), ConfigError> {
        let host = if self.turn.enabled {
            &self.turn.host
        } else {
            "unused"
        };
        self.turn.build(host, &Secret::new("not empty"))?;
        Ok(())
    }
}

impl Turn {
    fn build(&self, host: &str, secret: &Secret) -> Result<TurnConfig, TurnConfigError> {
        let turn = TurnConfig::new(host, self.port, secret.expose(), self.credential_ttl_secs)?;
        match self.tls_port {
            Some(port) => turn.with_tls_port(port),
            None => Ok(turn),
        }
    }
}

impl Default for Ice {
    fn default() -> Self {
        Self {
            stun_urls: vec![united_voice_core::DEFAULT_STUN_URL.to_owned()],
        }
    }
}

impl Default for Turn {
    fn default() -> Self {
        Self {
            enabled: false,
            host: String::new(),
            port: 3478,
            tls_port: None,
            shared_secret: Secret::default(),
            credential_ttl_secs: 24 * 60 * 60,
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            messages_per_second: limits.messages_per_second,
            burst: limits.burst,
            outbound_queue: limits.outbound_queue,
            outbound_queue_bytes: limits.outbound_queue_bytes,
            max_message_bytes: limits.max_message_bytes,
            max_sdp_bytes: limits.max_sdp_bytes,
            max_candidate_bytes: limits.max_candidate_bytes,
            ping_interval_secs: limits.ping_interval.as_secs(),
            ping_timeout_secs: limits.ping_timeout.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use united_voice_core::{DEFAULT_STUN_URL, SharedSecret, UserId};

    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, Relay::External)
    }

    #[test]
    fn the_template_spells_out_the_defaults() {
        assert_eq!(parse(TEMPLATE).unwrap(), Config::default());
        let values: toml::Table = toml::from_str(TEMPLATE).unwrap();
        let keys: usize = values
            .values()
            .map(|section| section.as_table().unwrap().len())
            .sum();
        assert_eq!(
            keys, 16,
            "every key but the one that has no default, tls_port"
        );
        let with_tls = TEMPLATE.replace("# tls_port", "tls_port");
        assert_eq!(parse(&with_tls).unwrap().turn.tls_port, Some(5349));
    }

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn mistakes_are_refused_by_name() {
        let cases = [
            ("[turn]\ncolour = 1", "line 2: unknown field `colour`"),
            ("[trun]", "unknown field `trun`"),
            ("bind = \"x\"", "unknown field `bind`"),
            ("[limits]\nburst = 0", "burst"),
            ("[limits]\nping_interval_secs = 0", "ping_interval"),
            ("[limits]\nburst = -1", "line 2"),
            ("[turn]\ncredential_ttl_secs = 0", "ttl"),
            ("[turn]\ncredential_ttl_secs = 2592001", "ttl"),
            ("[turn]\nenabled = true", "host"),
            ("[turn]\nport = 0", "port"),
            ("[turn]\nport = 65536", "line 2"),
            ("[turn]\ntls_port = 0", "port"),
            ("[ice]\nstun_urls = [\"example.org\"]", "stun_urls"),
            ("[turn", "line 1"),
        ];
        for (text, expected) in cases {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_error_quotes_a_secret() {
        for text in [
            "[auth]\njwt_secret = 424242",
            "[auth]\njwt_secret = hunter2",
            "[turn]\nshared_secret = \"hunter2",
        ] {
            let error = parse(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("hunter2") && !shown.contains("424242"),
                "{shown}"
            );
        }
        let config =
            parse("[auth]\njwt_secret = \"hunter2\"\n[turn]\nshared_secret = \"hunter3\"").unwrap();
        assert!(!format!("{config:?}").contains("hunter"));
    }

    #[test]
    fn a_configured_secret_wins_over_a_generated_one() {
        let dir = tempfile::tempdir().unwrap();
        let generated = Secrets::load_or_create(&dir.path().join("secrets.toml")).unwrap();
        let config = parse("[auth]\njwt_secret = \"mine\"").unwrap();
        assert_eq!(config.jwt_secret(&generated).expose(), "mine");
        assert_eq!(
            &Config::default().jwt_secret(&generated),
            generated.jwt_secret()
        );
    }

    #[test]
    fn a_relay_is_offered_where_it_is_enabled_with_the_generated_secret() {
        let dir = tempfile::tempdir().unwrap();
        let generated = Secrets::load_or_create(&dir.path().join("secrets.toml")).unwrap();
        let (user, now) = (UserId::new("ada").unwrap(), SystemTime::UNIX_EPOCH);
        let servers = |text| {
            parse(text)
                .unwrap()
                .ice(&generated)
                .unwrap()
                .ice_servers(&user, now)
        };
        assert_eq!(servers("").len(), 1);

        let relayed = servers(
            "[turn]\nenabled = true\nhost = \"relay.example\"\ntls_port = 443\ncredential_ttl_secs = 60",
        );
        let urls: Vec<_> = relayed.iter().flat_map(|server| &server.urls).collect();
        assert_eq!(
            urls,
            [
                DEFAULT_STUN_URL,
                "turn:relay.example:3478?transport=udp",
                "turn:relay.example:3478?transport=tcp",
                "turns:relay.example:443?transport=tcp",
            ]
        );
        let secret = SharedSecret::new(generated.turn_shared_secret().expose());
        let expected = secret.mint("ada", Duration::from_secs(60), now);
        let relay = relayed.last().unwrap();
        assert_eq!(
            (&relay.username, &relay.credential),
            (&expected.username, &expected.credential)
        );
    }

    #[test]
    fn values_reach_the_library() {
        let config = parse("[limits]\nburst = 7\nping_timeout_secs = 3").unwrap();
        let limits = config.limits().unwrap();
        assert_eq!(
            (limits.burst, limits.ping_timeout),
            (7, Duration::from_secs(3))
        );
        assert_eq!(
            limits.messages_per_second,
            Limits::default().messages_per_second
        );
    }
}
