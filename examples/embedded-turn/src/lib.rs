//! A STUN server and TURN relay (RFC 8489, RFC 8656) inside the process, by UDP and TCP, for trying relayed calls out. In
//! production run coturn: it is built for strangers and for load, this is not.
//!
//! The protocol is the `turn` crate's. What it leaves to its user is here:
//!
//! - **Who may use it.** User names are `{unix expiry}:{user id}`, passwords the HMAC-SHA1 that
//!   [`SharedSecret::mint`](united_voice_core::SharedSecret::mint) makes of them, as with coturn's `use-auth-secret`. The
//!   expiry is checked by each request, a refresh too. An allocation that exists at that moment lives on until its
//!   lifetime ends: ten minutes after the last refresh unless the client asked for another time, one hour at most; its
//!   permissions end after five minutes, its channels after ten.
//! - **Whom it talks to.** Only peers on the public internet, and its own allocations, so that nobody gets at the
//!   network behind it. Bound to a loopback address it talks to anybody: only programs of the same machine can use it
//!   then, and they need no relay to reach what it reaches. (Linux lets it reach nothing but that machine anyway.)
//!   A packet to or from others is dropped; the request for a permission is granted all the same.
//! - **How much of it there is.** [`Limits`] has allocations of a user and in all, and clients. A message has at most 1500
//!   bytes; a client that sends what is no message is cut off if it comes by TCP, and ignored by UDP. A client without an
//!   allocation that is silent for 15 s is forgotten, its connection closed. 100 requests in 10 s are handled, more
//!   are dropped. After 256 refused requests a client is cut off.
//! - **TCP** between client and relay. Towards peers there is UDP alone.
//!
//! Credentials that are refused are answered with error 400 (coturn: 401), a quota that is used up with 508 (coturn: 486).
//! There is no TLS, no TCP towards peers (RFC 6062), no mobility.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use united_voice_core::SharedSecret;
//! use united_voice_embedded_turn::{Config, EmbeddedTurn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let secret = SharedSecret::new("north");
//! let config = Config::new("127.0.0.1:0".parse().unwrap());
//! let relay = EmbeddedTurn::start(config, secret.clone()).await?;
//! println!("turn:{}", relay.local_addr());
//! let credentials = secret.mint("alice", Duration::from_secs(3600), SystemTime::now());
//! // … and when it is over:
//! relay.close().await;
//! # Ok::<_, united_voice_embedded_turn::StartError>(()) }).unwrap();
//! ```

mod client;
mod credentials;
mod datagrams;
mod framing;
mod listeners;
mod peers;
mod quota;
mod relay;
mod session;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpListener;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use united_voice_core::SharedSecret;

pub use crate::quota::Limits;
use crate::{credentials::Credentials, datagrams::Datagrams, peers::Peers, quota::Quota};

/// How often to look for a port that is free for UDP and TCP before giving up.
const PORTS_TRIED: usize = 16;

/// Where to listen and what to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The address to listen on by UDP and TCP. Port 0 picks one that is free for both. Relay sockets are bound to
    /// the same IP address, each to a port of its own from the system's range.
    pub listen: SocketAddr,
    /// The IP address of the relay as peers reach it, of the family of the one it is bound to. `None`: that same one.
    /// Needed where [`listen`](Self::listen) is every address (`0.0.0.0`, `[::]`), and behind address translation.
    pub relay_ip: Option<IpAddr>,
    /// The most to give.
    pub limits: Limits,
}

impl Config {
    /// Listens on `listen`, relays on the same IP address, with the default limits.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            relay_ip: None,
            limits: Limits::default(),
        }
    }
}

/// Why the relay can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The relay is bound to every address and wasn't told by which one peers reach it.
    #[error("the relay listens on every address and needs to know one of them")]
    RelayIpMissing,
    /// Peers can't reach what the relay is bound to by the address they would be told.
    #[error("the relay listens on {listen}, which can't be reached by {relay_ip}")]
    RelayIp {
        /// What it would be bound to.
        listen: IpAddr,
        /// What peers would be told.
        relay_ip: IpAddr,
    },
    /// The port can't be had, for UDP or for TCP.
    #[error("the relay cannot listen on {address} by {transport}")]
    Listen {
        /// Where it wanted to listen.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// A running relay. Dropping it ends it as well, some time later.
pub struct EmbeddedTurn {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// What all clients share.
pub(crate) struct Shared {
    credentials: Credentials,
    quota: Arc<Quota>,
    peers: Peers,
    local: SocketAddr,
    bound_ip: IpAddr,
    relay_ip: IpAddr,
    stop: CancellationToken,
    /// Everything that has to end before the relay has.
    tasks: TaskTracker,
}

impl EmbeddedTurn {
    /// Starts a relay for users with credentials minted from `secret`. It listens when this returns.
    ///
    /// # Errors
    ///
    /// [`StartError`] where the addresses don't fit together or the port can't be had.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    pub async fn start(config: Config, secret: SharedSecret) -> Result<Self, StartError> {
        let listen = datagrams::canonical(config.listen);
        let relay_ip = relay_ip(listen.ip(), config.relay_ip)?;
        let (udp, tcp) = listen_on(listen).await?;
        let local = SocketAddr::new(listen.ip(), udp.port());
        let quota = Arc::new(Quota::new(config.limits));
        let peers = if listen.ip().is_loopback() {
            Peers::Any
        } else {
            Peers::Public {
                own: [listen.ip(), relay_ip],
                allocations: Arc::clone(&quota),
            }
        };
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            credentials: Credentials::new(secret),
            quota,
            peers,
            local,
            bound_ip: listen.ip(),
            relay_ip,
            stop: stop.clone(),
            tasks: TaskTracker::new(),
        });
        let tasks = &shared.tasks;
        tasks.spawn(listeners::by_udp(udp, Arc::clone(&shared)));
        tasks.spawn(listeners::by_tcp(tcp, Arc::clone(&shared)));
        Ok(Self {
            shared,
            _stop: stop.drop_guard(),
        })
    }

    /// The address it listens on, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// Ends all allocations and connections, and waits until every task has ended and every port is free.
    ///
    /// # Cancel safety
    ///
    /// Dropped early, the relay ends all the same.
    pub async fn close(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl fmt::Debug for EmbeddedTurn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedTurn")
            .field("local", &self.shared.local)
            .field("relay_ip", &self.shared.relay_ip)
            .finish_non_exhaustive()
    }
}

/// The address that peers are told.
fn relay_ip(listen: IpAddr, told: Option<IpAddr>) -> Result<IpAddr, StartError> {
    let relay_ip = told.map(|ip| ip.to_canonical());
    let relay_ip = match relay_ip {
        Some(ip) => ip,
        None if listen.is_unspecified() => return Err(StartError::RelayIpMissing),
        None => listen,
    };
    // A socket on `[::]` serves IPv4 as well.
    let same_family = listen.is_ipv4() == relay_ip.is_ipv4();
    let reachable = same_family || (listen.is_ipv6() && listen.is_unspecified());
    if relay_ip.is_unspecified() || !reachable || (listen.is_loopback() && !relay_ip.is_loopback())
    {
        return Err(StartError::RelayIp { listen, relay_ip });
    }
    Ok(relay_ip)
}

/// Listens by both transports on the same port.
async fn listen_on(address: SocketAddr) -> Result<(Datagrams, TcpListener), StartError> {
    let mut tries = if address.port() == 0 { PORTS_TRIED } else { 1 };
    loop {
        tries -= 1;
        let tcp = TcpListener::bind(address).await;
        let tcp = tcp.map_err(failed(address, "TCP"))?;
        let picked = tcp.local_addr().map_err(failed(address, "TCP"))?;
        match Datagrams::bind(picked).await {
            Ok(udp) => return Ok((udp, tcp)),
            Err(error) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(failed(picked, "UDP")(error)),
        }
    }
}

fn failed(address: SocketAddr, transport: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::Listen {
        address,
        transport,
        source,
    }
}
