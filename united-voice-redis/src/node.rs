//! A node: the backend of a cluster for core, and the task that runs it.

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
    time::{Duration, Instant},
};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout_at},
};
use united_voice_core::cluster::Replica;

pub use self::{config::NodeConfig, metrics::NodeMetrics, shared::NodeState};
use self::{
    loops::Run,
    metrics::Counters,
    shared::{Ask, Shared, random_node},
    trouble::with_causes,
};
use crate::{
    AddressError, Backoff, Calls, DialError, Dialer, Keys, Nid, Outbox, PrefixError, Pulse,
    Purpose, RegisterError, Registered, Registration, Scripts,
};

mod apply;
mod backend;
mod compare;
mod config;
mod convert;
mod kicks;
mod loops;
mod message;
mod metrics;
mod repair;
mod serve;
mod shared;
mod trouble;

/// The shortest and the longest lease.
const LEASES: RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(60);
const MAX_NAME_BYTES: usize = 32;
/// What the secrets sign for [`Introduction`](crate::Introduction).
const FINGERPRINT: &[u8] = b"united-voice-redis";
const ROTATED: &[u8] = b"united-voice-redis rotated";

/// Why a process could not become a node.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL or the certificates cannot be used.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The prefix cannot be used.
    #[error(transparent)]
    Prefix(#[from] PrefixError),
    /// The lease is shorter than 3 s or longer than 60 s.
    #[error("a lease of {0:?}; it must be 3 s to 60 s")]
    Lease(Duration),
    /// The name is longer than 32 bytes.
    #[error("a name of {0} bytes; it may have {MAX_NAME_BYTES}")]
    Name(usize),
    /// There is no engine that can be used.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The cluster does not take this process.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

/// A node of a cluster on Redis or Valkey: what
/// [`VoiceServerBuilder::cluster`](united_voice_core::VoiceServerBuilder::cluster) takes.
///
/// Cloning copies a pointer.
#[derive(Clone)]
pub struct RedisNode {
    shared: Arc<Shared>,
}

/// Runs a node. It does nothing until it is given the server's [`Replica`].
#[must_use = "a node that nobody runs does not hear what the engine decided"]
pub struct NodeTask {
    shared: Arc<Shared>,
    run: Run,
}

impl fmt::Debug for RedisNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisNode")
            .field("name", &self.shared.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeTask").finish_non_exhaustive()
    }
}

impl RedisNode {
    /// Makes this process a node of a cluster. It tries for `patience` to reach the engine and to
    /// register there.
    ///
    /// # Errors
    ///
    /// [`ConnectError`]. With its sources it reads well in one line, and it has no secret. Waiting
    /// longer helps only against [`ConnectError::Dial`] and [`RegisterError::Call`], and not against
    /// all of those ([`DialError::is_final`], [`RegisterError::is_final`]).
    ///
    /// # Cancel safety
    ///
    /// A registration that was made is forgotten by the cluster after a lease.
    pub async fn connect(
        config: NodeConfig,
        patience: Duration,
    ) -> Result<(Self, NodeTask), ConnectError> {
        if !LEASES.contains(&config.lease) {
            return Err(ConnectError::Lease(config.lease));
        }
        if config.name.len() > MAX_NAME_BYTES {
            return Err(ConnectError::Name(config.name.len()));
        }
        let scripts = Arc::new(Scripts::new(Keys::new(&config.prefix)?));
        let dialer = Dialer::new(&config.url, config.roots, scripts)?;
        let deadline = Instant::now() + patience;
        reach(&dialer, deadline).await?;
        let shared = Arc::new(Shared {
            me: random_node(),
            name: config.name,
            lease: config.lease,
            fingerprint: fingerprint(&config.secret, FINGERPRINT),
            rotated: fingerprint(&config.rotated_secret, ROTATED),
            calls: Calls::new(dialer.clone()),
            kicks: Mutex::default(),
            dialer,
            outbox: Mutex::new(Outbox::forgetting(Ask::is_told)),
            work: Notify::new(),
            beat_now: Notify::new(),
            registration: Mutex::new(Registration {
                boot: Vec::new(),
                nid: Nid::new(0, 0),
            }),
            pulse: Mutex::new(Pulse::new(config.lease, Instant::now())),
            epoch: AtomicU64::new(0),
            recovering: AtomicBool::new(false),
            state: watch::Sender::new(NodeState::Ok),
            routes: Mutex::default(),
            closed: watch::Sender::new(false),
            counters: Counters::default(),
            outage: Mutex::default(),
        });
        let registered = first_registration(&shared, deadline).await?;
        if registered.differs_in_rotated {
            tracing::warn!(
                node = shared.name,
                "another node has another rotated secret; give all nodes the same one soon"
            );
        }
        let run = Run::new(&shared);
        let node = Self {
            shared: Arc::clone(&shared),
        };
        Ok((node, NodeTask { shared, run }))
    }

    /// What the node can do at present.
    pub fn state(&self) -> NodeState {
        *self.shared.state.borrow()
    }

    /// Waits until the node can do everything. A server listens after that: as long as the engine
    /// recovers, other nodes may hold seats that the engine does not know.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn ready(&self) {
        let mut state = self.shared.state.subscribe();
        // The sender lives as long as this node.
        let _ = state.wait_for(|state| *state == NodeState::Ok).await;
    }
}

impl NodeTask {
    /// Runs the node until its server is closed. Spawn it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the node falls silent. The others end its seats after a lease.
    pub async fn serve(self, replica: Replica) {
        serve::serve(&self.run, &self.shared, &replica).await;
    }
}

/// Waits until there is an engine that can be used.
async fn reach(dialer: &Dialer, deadline: Instant) -> Result<(), DialError> {
    let mut backoff = Backoff::default();
    let mut last = None;
    loop {
        let error = match timeout_at(deadline.into(), dialer.dial(Purpose::Calls)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => error,
            // What the engine said before tells more than that it said no more.
            Err(_) => return Err(last.unwrap_or(DialError::Timeout)),
        };
        let wait = backoff.next_wait(random_node());
        if error.is_final() || Instant::now() + wait >= deadline {
            return Err(error);
        }
        if last.is_none() {
            let error = with_causes(&error);
            tracing::warn!(error, "the engine cannot be used; this node tries again");
        }
        sleep(wait).await;
        last = Some(error);
    }
}

/// Registers at an engine that was reached a moment ago. It may have failed since, or take no writes
/// yet.
async fn first_registration(
    shared: &Shared,
    deadline: Instant,
) -> Result<Registered, RegisterError> {
    let mut backoff = Backoff::default();
    loop {
        // Each attempt has time-outs of its own.
        let error = match shared.register(1, false).await {
            Err(error) if !error.is_final() => error,
            registered => return registered,
        };
        let wait = backoff.next_wait(random_node());
        if Instant::now() + wait >= deadline {
            return Err(error);
        }
        shared.engine_failed(&error, "the node could not register yet");
        sleep(wait).await;
    }
}

fn fingerprint(secret: &[u8], constant: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return Vec::new();
    };
    mac.update(constant);
    mac.finalize().into_bytes().to_vec()
}
