//! Connections to the engine.
//!
//! A connection is never mended. Whoever gets an error that a connection may not survive drops it
//! and dials anew, since only a new connection notices that the engine restarted, that another
//! engine took its place, or that it became a replica.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, ErrorKind, InfoDict, IntoConnectionInfo,
    RedisError, TlsCertificates, Value, aio::MultiplexedConnection, io::tcp::TcpSettings,
};
use thiserror::Error;
use tokio::time::timeout;
use tokio_rustls::rustls::{
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::Scripts;

/// How long the engine may take for an answer, and for a new connection.
///
/// Two thirds of the shortest lease are 2 s. A dead connection has to be found before that.
pub const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// The oldest engine that has what the scripts need: flags of scripts, and how many entries a Stream
/// ever had.
const OLDEST: (u32, u32) = (7, 0);

/// Makes connections to one engine. It has the password and does not show it.
#[derive(Clone)]
pub struct Dialer {
    client: Client,
    scripts: Arc<Scripts>,
    /// It was logged that the engine may throw out keys. Each connection finds out again.
    has_warned: Arc<AtomicBool>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let address = self.client.get_connection_info().addr().to_string();
        f.debug_struct("Dialer")
            .field("address", &address)
            .finish_non_exhaustive()
    }
}

/// A connection, and which run of which engine it leads to.
#[derive(Clone, Debug)]
pub struct Link {
    /// To send commands.
    pub connection: MultiplexedConnection,
    /// The engine makes it at its start. Another one means a restart or another engine, which may
    /// lack the last second.
    pub run_id: String,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Commands that the engine answers at once: an answer that takes longer than
    /// [`ANSWER_TIMEOUT`] is an error.
    Calls,
    /// Reading the inbox, which waits. Two missing ticks tell that the connection is dead.
    Inbox,
}

/// The engine's address cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not `redis://[user:password@]host[:port][/db]` or `rediss://`. The text is not shown, since
    /// it may have a password.
    #[error("not a URL of the form redis://[user:password@]host[:port][/db] or rediss://")]
    Url,
    /// The roots are not PEM, or have no certificate.
    #[error("roots without a certificate in PEM")]
    NoCertificate,
    /// The certificates cannot be used.
    #[error("certificates that cannot be used")]
    Certificates(#[source] RedisError),
}

/// No connection.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// No answer within [`ANSWER_TIMEOUT`].
    #[error("the engine does not answer")]
    Timeout,
    /// The connection failed.
    #[error("the engine cannot be reached")]
    Engine(#[source] RedisError),
    /// Waiting does not help: the engine does not accept the user and password of the URL.
    #[error("the engine refuses the user or the password of the URL")]
    Denied(#[source] RedisError),
    /// Waiting does not help: the engine accepts the user of the URL, and its ACL lacks something
    /// that a node needs.
    #[error("the engine does not allow the user of the URL what a node needs")]
    Forbidden(#[source] RedisError),
    /// Waiting does not help: the engine is older than 7.0.
    #[error("the engine has version {0}, older than 7.0")]
    TooOld(String),
    /// It is a replica: another engine has become the primary, or will soon.
    #[error("the engine is a replica; a node needs the primary")]
    NotPrimary,
    /// Waiting does not help: the engine would throw out keys of any kind if its memory were full.
    #[error("the engine has the maxmemory-policy {0}; it must be noeviction")]
    Evicts(String),
    /// It does not say who it is.
    #[error("the engine does not tell its version, its run id or its role")]
    Unknown,
}

impl DialError {
    /// Whether the next attempt can only fail in the same way, so that a server should not start.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::TooOld(_) | Self::Evicts(_) | Self::Denied(_) | Self::Forbidden(_)
        )
    }
}

impl From<RedisError> for DialError {
    fn from(error: RedisError) -> Self {
        // A pipeline fails with a list, most often of one error many times.
        let first = error.clone().into_server_errors();
        let first = first.and_then(|errors| errors.first().map(|(_, error)| error.clone()));
        let error = first.map_or(error, RedisError::from);
        match error.code() {
            Some("NOPERM") => Self::Forbidden(error),
            Some("NOAUTH" | "WRONGPASS") => Self::Denied(error),
            _ if error.kind() == ErrorKind::AuthenticationFailed => Self::Denied(error),
            _ => Self::Engine(error),
        }
    }
}

impl Dialer {
    /// For the engine at `url`. `roots` are the certificates, in PEM, that a `rediss://` engine must
    /// be signed by; `None` for the system's. If the process has no default for rustls' cryptography
    /// yet, a `rediss://` URL makes it *ring*.
    ///
    /// # Errors
    ///
    /// The URL or the certificates cannot be used.
    pub fn new(
        url: &str,
        roots: Option<Vec<u8>>,
        scripts: Arc<Scripts>,
    ) -> Result<Self, AddressError> {
        let info = url.into_connection_info().map_err(|_| AddressError::Url)?;
        if let Some(roots) = &roots {
            // Without this, an empty file would show only as an engine that nobody trusts.
            let mut certificates = CertificateDer::pem_slice_iter(roots);
            if !matches!(certificates.next(), Some(Ok(_))) {
                return Err(AddressError::NoCertificate);
            }
        }
        let tcp = TcpSettings::default().set_nodelay(true);
        // Without this, a connection to a host that vanished would hang for many minutes.
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(2 * ANSWER_TIMEOUT);
        let info = info.set_tcp_settings(tcp);
        let client = Self::client(url, info, roots).map_err(AddressError::Certificates)?;
        Ok(Self {
            client,
            scripts,
            has_warned: Arc::default(),
        })
    }

    fn client(
        url: &str,
        info: ConnectionInfo,
        roots: Option<Vec<u8>>,
    ) -> Result<Client, RedisError> {
        if !url.starts_with("rediss:") {
            return Client::open(info);
        }
        if CryptoProvider::get_default().is_none() {
            // It fails only if somebody else was faster, and then there is a default.
            let _ = ring::default_provider().install_default();
        }
        let certificates = TlsCertificates {
            client_tls: None,
            root_cert: roots,
        };
        Client::build_with_tls(info, certificates)
    }

    /// Makes a connection, asks the engine who it is, and loads the scripts.
    ///
    /// # Errors
    ///
    /// There is no connection, or the engine is not fit for use.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves nothing behind but loaded scripts.
    pub async fn dial(&self, purpose: Purpose) -> Result<Link, DialError> {
        let answer = match purpose {
            Purpose::Calls => Some(ANSWER_TIMEOUT),
            Purpose::Inbox => None,
        };
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(ANSWER_TIMEOUT))
            .set_response_timeout(answer);
        let dialing = async {
            let mut connection = self
                .client
                .get_multiplexed_async_connection_with_config(&config)
                .await?;
            let mut questions = redis::pipe();
            questions.cmd("INFO").arg("server");
            questions.cmd("INFO").arg("memory");
            questions.cmd("ROLE");
            let (server, memory, role): (InfoDict, InfoDict, Value) =
                questions.query_async(&mut connection).await?;
            let run_id = check(&server, &memory, &role, &self.has_warned)?;
            self.scripts.load().exec_async(&mut connection).await?;
            Ok(Link { connection, run_id })
        };
        timeout(2 * ANSWER_TIMEOUT, dialing)
            .await
            .map_err(|_| DialError::Timeout)?
    }

    /// The scripts that each connection loads.
    pub fn scripts(&self) -> &Scripts {
        &self.scripts
    }
}

/// Returns the run id if the engine is fit for use.
fn check(
    server: &InfoDict,
    memory: &InfoDict,
    role: &Value,
    has_warned: &AtomicBool,
) -> Result<String, DialError> {
    let version: String = server.get("redis_version").ok_or(DialError::Unknown)?;
    let run_id: String = server.get("run_id").ok_or(DialError::Unknown)?;
    if parse_version(&version).ok_or(DialError::Unknown)? < OLDEST {
        return Err(DialError::TooOld(version));
    }
    let is_primary = match role {
        Value::Array(parts) => parts.first() == Some(&Value::BulkString(b"master".into())),
        _ => return Err(DialError::Unknown),
    };
    if !is_primary {
        return Err(DialError::NotPrimary);
    }
    // Some providers hide it.
    let policy: String = memory.get("maxmemory_policy").unwrap_or_default();
    if policy.starts_with("allkeys-") {
        return Err(DialError::Evicts(policy));
    }
    let may_evict = !policy.is_empty() && policy != "noeviction";
    if may_evict && !has_warned.swap(true, Ordering::Relaxed) {
        tracing::error!(policy, "the engine's maxmemory-policy must be noeviction");
    }
    Ok(run_id)
}

/// Valkey says 7.2.4 here, whatever its own version is.
fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// How long to wait before the next attempt to dial: 50 ms at first, then twice as long each time,
/// up to 1 s, and between half of that and all of it, so that nodes do not come at once.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    attempts: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(1);

    /// The next wait. `random` is any number, evenly distributed.
    pub fn next_wait(&mut self, random: u32) -> Duration {
        let longest = (Self::FIRST * (1 << self.attempts.min(5))).min(Self::LONGEST);
        self.attempts = self.attempts.saturating_add(1);
        longest / 2 + longest / 2 * (random >> 16) / (1 << 16)
    }

    /// An attempt succeeded.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(version: &str, policy: &str, role: &[u8]) -> Result<String, DialError> {
        let server = InfoDict::new(&format!("redis_version:{version}\r\nrun_id:abc\r\n"));
        let memory = InfoDict::new(&format!("maxmemory_policy:{policy}\r\n"));
        check(
            &server,
            &memory,
            &Value::Array(vec![Value::BulkString(role.into())]),
            &AtomicBool::new(false),
        )
    }

    #[test]
    fn an_engine_is_judged_by_version_role_and_policy() {
        assert_eq!(
            judge("7.0.15", "noeviction", b"master").expect("fit"),
            "abc"
        );
        assert_eq!(
            judge("10.1.0", "volatile-lru", b"master").expect("fit"),
            "abc"
        );
        let old = judge("6.2.14", "noeviction", b"master").expect_err("too old");
        assert!(matches!(old, DialError::TooOld(_)) && old.is_final());
        let evicts = judge("7.0.0", "allkeys-lru", b"master").expect_err("evicts");
        assert!(matches!(evicts, DialError::Evicts(_)) && evicts.is_final());
        let replica = judge("7.0.0", "noeviction", b"slave").expect_err("a replica");
        assert!(matches!(replica, DialError::NotPrimary) && !replica.is_final());
        assert!(matches!(
            judge("seven", "", b"master"),
            Err(DialError::Unknown)
        ));
    }

    #[test]
    fn waits_grow_to_a_second_and_differ() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..8)
            .map(|_| backoff.next_wait(u32::MAX).as_millis())
            .collect();
        assert_eq!(longest, [49, 99, 199, 399, 799, 999, 999, 999]);
        backoff.reset();
        assert_eq!(backoff.next_wait(0), Duration::from_millis(25));
    }

    #[test]
    fn the_password_is_not_shown() {
        let keys = crate::Keys::new("test").expect("plain");
        let scripts = Arc::new(Scripts::new(keys));
        let dialer = Dialer::new("redis://ann:hidden@localhost/3", None, Arc::clone(&scripts));
        let shown = format!("{:?}", dialer.expect("a URL"));
        assert!(
            shown.contains("localhost:6379") && !shown.contains("hidden"),
            "{shown}"
        );
        let bad = Dialer::new("http://ann:hidden@localhost", None, scripts);
        let shown = format!("{:?}", bad.expect_err("not redis"));
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
