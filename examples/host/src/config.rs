//! `united.toml`: what it may say, and what the library is told as a result.

mod document;
mod embedded_turn;
mod error;
mod keys;

use std::{path::Path, time::Duration};

use anyhow::Context as _;
use united_voice_core::{IceConfig, Limits, TurnConfig, TurnConfigError};

pub use self::error::ConfigError;
pub(crate) use self::{
    document::Document,
    error::shown,
    keys::{JWT_SECRET, Key, MAX_SECRET_BYTES, SECRETS, SHARED_SECRET},
};
use crate::{
    ClusterConfig, DatabaseUrl, HttpLimits, Options, Tokens, files,
    secrets::{Secret, Secrets},
};

/// The commented configuration, which spells out every default and every range.
pub const TEMPLATE: &str = include_str!("../united.toml");

/// HS256 has a digest of this length, and a shorter secret is easier to guess (RFC 7518, section
/// 3.2).
const RECOMMENDED_SECRET_BYTES: usize = 32;

/// The content of `united.toml`. A key that is absent has the value of [`TEMPLATE`]; an unknown one
/// is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    database_url: Option<DatabaseUrl>,
    cluster: ClusterConfig,
    jwt_secret: Secret,
    audience: String,
    issuer: String,
    stun_urls: Vec<String>,
    turn: TurnSection,
    limits: Limits,
    http: HttpLimits,
}

/// The section `[turn]`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TurnSection {
    enabled: bool,
    host: String,
    port: u16,
    tls_port: Option<u16>,
    shared_secret: Secret,
    credential_ttl_secs: u64,
}

/// Which relay `[turn]` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// A relay that is another program.
    External,
    /// A relay inside this program. On most addresses it needs no `[turn] host`, and its port may
    /// be 0.
    Embedded,
}

impl Config {
    /// Reads a configuration and checks it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] about the first mistake. Unknown sections and keys come first, then values
    /// in the order of [`TEMPLATE`].
    pub fn parse(text: &str, relay: Relay) -> Result<Self, ConfigError> {
        let document = Document::parse(text, &keys::ALL)?;
        let mut config = Self::default();
        document.networks(&keys::TRUSTED_PROXIES, &mut config.http.trusted_proxies)?;
        document.optional(&keys::DATABASE_URL, &mut config.database_url)?;
        read_cluster(&document, &mut config.cluster)?;
        document.secret(&keys::JWT_SECRET, &mut config.jwt_secret)?;
        document.text(&keys::AUDIENCE, &mut config.audience)?;
        document.text(&keys::ISSUER, &mut config.issuer)?;
        document.stun_urls(&keys::STUN_URLS, &mut config.stun_urls)?;
        config.turn.read(&document, relay)?;
        read_limits(&document, &mut config.limits)?;
        read_http_limits(&document, &mut config.http)?;
        Ok(config)
    }

    /// Reads the configuration from a file.
    ///
    /// # Errors
    ///
    /// If the file can't be read, and as [`parse`](Self::parse). The message begins with the path.
    pub fn load(path: &Path, relay: Relay) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{}: cannot be read", path.display()))?;
        let config = Self::parse(&text, relay).with_context(|| format!("{}", path.display()))?;
        warn_of_a_short_secret(
            &config.jwt_secret,
            &format!("{}: {}", path.display(), keys::JWT_SECRET),
        );
        Ok(config)
    }

    /// Reads the configuration from a file. If the file does not exist, [`TEMPLATE`] is written to
    /// it first.
    ///
    /// # Errors
    ///
    /// If the file can't be written, and as [`load`](Self::load).
    pub fn load_or_create(path: &Path, relay: Relay) -> anyhow::Result<Self> {
        if !path.exists() {
            files::create_private(path, TEMPLATE)
                .with_context(|| format!("{}: cannot be written", path.display()))?;
        }
        Self::load(path, relay)
    }

    /// Replaces what flags and the environment say otherwise.
    #[must_use]
    pub fn with_options(mut self, options: &Options) -> Self {
        if options.database_url.is_some() {
            self.database_url.clone_from(&options.database_url);
        }
        if options.cluster.is_some() {
            self.cluster.url.clone_from(&options.cluster);
        }
        if options.node_name.is_some() {
            self.cluster.node_name.clone_from(&options.node_name);
        }
        self.with_secrets(&options.secrets)
    }

    /// Replaces the secrets of the configuration by those of the environment, if it has some.
    #[must_use]
    pub fn with_secrets(mut self, environment: &Secrets) -> Self {
        warn_of_a_short_secret(environment.jwt_secret(), Secrets::JWT_VARIABLE);
        self.jwt_secret = environment.jwt_secret().or(&self.jwt_secret);
        let turn = &mut self.turn.shared_secret;
        *turn = environment.turn_shared_secret().or(turn);
        self
    }

    /// Whether no secret needs to be generated.
    pub fn has_secrets(&self) -> bool {
        !self.jwt_secret.is_empty() && !self.turn.shared_secret.is_empty()
    }

    /// The PostgreSQL database that takes the place of the file of SQLite.
    pub fn database_url(&self) -> Option<&DatabaseUrl> {
        self.database_url.as_ref()
    }

    /// The other servers that this one shares its channels with.
    pub fn cluster(&self) -> &ClusterConfig {
        &self.cluster
    }

    /// The secret that signs tokens: the configured one, or else the generated one.
    pub fn jwt_secret(&self, generated: &Secrets) -> Secret {
        self.jwt_secret.or(generated.jwt_secret())
    }

    /// The secret that is shared with the relay: the configured one, or else the generated one.
    pub(crate) fn turn_shared_secret(&self, generated: &Secrets) -> Secret {
        self.turn.shared_secret.or(generated.turn_shared_secret())
    }

    /// What signs and checks tokens, with the configured secret or else the generated one.
    pub fn tokens(&self, generated: &Secrets) -> Tokens {
        Tokens::new(&self.jwt_secret(generated))
            .with_audience(&self.audience)
            .with_issuer(&self.issuer)
    }

    /// The limits of WebSockets.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limits of connections and requests.
    pub fn http_limits(&self) -> &HttpLimits {
        &self.http
    }

    /// The ICE servers that clients are told of if the relay is another program.
    ///
    /// # Errors
    ///
    /// [`TurnConfigError::EmptySecret`] if the relay is enabled and there is neither a configured
    /// nor a generated secret. [`parse`](Self::parse) has refused all other mistakes.
    pub fn ice(&self, generated: &Secrets) -> Result<IceConfig, TurnConfigError> {
        let ice = self.stun(self.stun_urls.clone());
        if !self.turn.enabled {
            return Ok(ice);
        }
        let secret = self.turn_shared_secret(generated);
        Ok(ice.with_turn(self.turn.external(&secret)?))
    }

    /// STUN servers without a relay.
    fn stun(&self, urls: Vec<String>) -> IceConfig {
        IceConfig::default()
            .with_stun_urls(urls)
            .expect("`parse` has checked the URLs and the host")
    }
}

/// A warning, not an error: a site that shares its secret with another program may be unable to
/// change it today.
fn warn_of_a_short_secret(secret: &Secret, name: &str) {
    if (1..RECOMMENDED_SECRET_BYTES).contains(&secret.expose().len()) {
        tracing::warn!(
            "{name} is shorter than {RECOMMENDED_SECRET_BYTES} bytes and may be guessed"
        );
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: None,
            cluster: ClusterConfig::default(),
            jwt_secret: Secret::default(),
            audience: String::new(),
            issuer: String::new(),
            stun_urls: vec![IceConfig::DEFAULT_STUN_URL.to_owned()],
            turn: TurnSection::default(),
            limits: Limits::default(),
            http: HttpLimits::default(),
        }
    }
}

impl Default for TurnSection {
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

impl TurnSection {
    /// Values are checked even if the relay is not enabled: a mistake is easier to find now than on
    /// the day when it is.
    fn read(&mut self, document: &Document<'_>, relay: Relay) -> Result<(), ConfigError> {
        document.switch(&keys::ENABLED, &mut self.enabled)?;
        document.host(&keys::HOST, &mut self.host)?;
        let port = match relay {
            Relay::External => &keys::PORT,
            Relay::Embedded => &keys::EMBEDDED_PORT,
        };
        document.number(port, &mut self.port)?;
        document.optional_number(&keys::TLS_PORT, &mut self.tls_port)?;
        document.secret(&keys::SHARED_SECRET, &mut self.shared_secret)?;
        document.number(&keys::CREDENTIAL_TTL_SECS, &mut self.credential_ttl_secs)?;
        if relay == Relay::External && self.enabled && self.host.is_empty() {
            return Err(ConfigError::missing(&keys::HOST, "since enabled = true"));
        }
        Ok(())
    }

    /// A relay that is another program.
    fn external(&self, secret: &Secret) -> Result<TurnConfig, TurnConfigError> {
        let ttl = self.credential_ttl_secs;
        let turn = TurnConfig::new(&self.host, self.port, secret.expose(), ttl)?;
        match self.tls_port {
            Some(port) => turn.with_tls_port(port),
            None => Ok(turn),
        }
    }
}

fn read_cluster(document: &Document<'_>, cluster: &mut ClusterConfig) -> Result<(), ConfigError> {
    document.optional(&keys::CLUSTER_URL, &mut cluster.url)?;
    document.optional(&keys::NODE_NAME, &mut cluster.node_name)?;
    document.parsed(&keys::PREFIX, &mut cluster.prefix)?;
    document.number(&keys::LEASE_SECS, &mut cluster.lease_secs)?;
    document.text(&keys::CA_FILE, &mut cluster.ca_file)
}

fn read_limits(document: &Document<'_>, limits: &mut Limits) -> Result<(), ConfigError> {
    document.number(&keys::MESSAGES_PER_SECOND, &mut limits.messages_per_second)?;
    document.number(&keys::BURST, &mut limits.burst)?;
    document.number(&keys::OUTBOUND_QUEUE, &mut limits.outbound_queue)?;
    document.number(
        &keys::OUTBOUND_QUEUE_BYTES,
        &mut limits.outbound_queue_bytes,
    )?;
    document.number(&keys::MAX_MESSAGE_BYTES, &mut limits.max_message_bytes)?;
    document.number(&keys::MAX_SDP_BYTES, &mut limits.max_sdp_bytes)?;
    document.number(&keys::MAX_CANDIDATE_BYTES, &mut limits.max_candidate_bytes)?;
    let (mut interval, mut patience) = (None, None);
    document.optional_number(&keys::PING_INTERVAL_SECS, &mut interval)?;
    document.optional_number(&keys::PING_TIMEOUT_SECS, &mut patience)?;
    limits.ping_interval = interval.map_or(limits.ping_interval, Duration::from_secs);
    limits.ping_timeout = patience.map_or(limits.ping_timeout, Duration::from_secs);
    Ok(())
}

fn read_http_limits(document: &Document<'_>, http: &mut HttpLimits) -> Result<(), ConfigError> {
    document.number(&keys::MAX_CONNECTIONS, &mut http.max_connections)?;
    document.number(
        &keys::MAX_CONNECTIONS_PER_ADDRESS,
        &mut http.max_connections_per_address,
    )?;
    document.number(
        &keys::MAX_HALF_OPEN_REQUESTS,
        &mut http.max_half_open_requests,
    )?;
    document.number(
        &keys::REQUESTS_PER_MINUTE_PER_ADDRESS,
        &mut http.requests_per_minute_per_address,
    )?;
    document.number(
        &keys::SIGN_INS_PER_MINUTE_PER_ADDRESS,
        &mut http.sign_ins_per_minute_per_address,
    )
}

#[cfg(test)]
mod tests;
