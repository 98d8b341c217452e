//! A STUN server and TURN relay (RFC 8489, RFC 8656) inside the process, by UDP and TCP, for trying
//! out relayed calls. In production run coturn, which is built for load and for the public
//! internet. This relay is not.
//!
//! The `turn` crate implements the protocol. This crate adds what that one leaves out:
//!
//! - **Users.** A user name is `{unix expiry}:{user id}`. Its password is the HMAC-SHA1 that
//!   [`SharedSecret::mint`](united_voice_core::SharedSecret::mint) makes of it, as with coturn's
//!   `use-auth-secret`. Every request checks the expiry, a refresh too. An allocation outlives the
//!   credential that made it: it ends ten minutes after its last refresh, or after the time that
//!   the client asked for, which is at most one hour. Its permissions end after five minutes, its
//!   channels after ten.
//! - **Peers.** The relay exchanges packets only with the public internet and with its own
//!   allocations, so that it opens no private network. If it is bound to a loopback address, it
//!   allows all peers: only programs of the same machine can use it then, and they can reach the
//!   same peers without a relay. (Linux lets such a relay reach only its own machine.) Packets to
//!   and from other peers are dropped, although the request for a permission is granted.
//! - **Limits.** [`Limits`] has the numbers of allocations and clients. A message has at most 1500
//!   bytes. A client that sends something else than messages is cut off by TCP, and ignored by UDP.
//!   A client without an allocation is forgotten after 15 s of silence, and its connection is
//!   closed. Of the requests of a client, 100 in 10 s are handled and the rest is dropped. After
//!   256 refused requests a client is cut off.
//! - **TCP** between client and relay. Between relay and peers there is only UDP.
//!
//! A request with wrong credentials is answered with error 400 (coturn: 401), a request beyond a
//! quota with 508 (coturn: 486). There is no TLS, no TCP to peers (RFC 6062), and no mobility (RFC
//! 8016).
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
//! // … and at the end:
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

/// How many ports to try for one that is free for both UDP and TCP.
const PORTS_TRIED: usize = 16;

/// Where the relay listens, and how much it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The address to listen on by UDP and TCP. Port 0 picks a port that is free for both. Relay
    /// sockets are bound to the same IP address, each to a port of its own from the system's range.
    pub listen: SocketAddr,
    /// The IP address by which peers reach the relay, of the same family as
    /// [`listen`](Self::listen). `None` stands for the IP address of `listen`. It is required if
    /// that is every address (`0.0.0.0`, `[::]`), and behind address translation.
    pub relay_ip: Option<IpAddr>,
    /// How much the relay gives.
    pub limits: Limits,
}

impl Config {
    /// A relay that listens on `listen` and relays on the same IP address, with the default limits.
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
    /// The relay is bound to every address, and [`Config::relay_ip`] does not say by which one
    /// peers reach it.
    #[error("the relay listens on every address and must be told the one by which peers reach it")]
    RelayIpMissing,
    /// Peers that are told `relay_ip` can't reach a relay that listens on `listen`.
    #[error("the relay listens on {listen}, which peers can't reach as {relay_ip}")]
    RelayIp {
        /// The address that the relay would be bound to.
        listen: IpAddr,
        /// The address that peers would be told.
        relay_ip: IpAddr,
    },
    /// The port is not available, for UDP or for TCP.
    #[error("the relay cannot listen on {address} by {transport}")]
    Listen {
        /// The address and port.
        address: SocketAddr,
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// The error of the system.
        source: io::Error,
    },
}

/// A running relay. If it is dropped it ends too, but later than `drop` returns.
pub struct EmbeddedTurn {
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// The state that all clients share.
pub(crate) struct Shared {
    credentials: Credentials,
    quota: Arc<Quota>,
    peers: Peers,
    local: SocketAddr,
    bound_ip: IpAddr,
    relay_ip: IpAddr,
    stop: CancellationToken,
    /// The tasks that [`EmbeddedTurn::close`] waits for.
    tasks: TaskTracker,
}

impl EmbeddedTurn {
    /// Starts a relay for users with credentials minted from `secret`. The relay listens when this
    /// returns.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the addresses don't fit together, or if the port is not available.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no relay runs and the port is free.
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

    /// The address that the relay listens on, with the port that was picked.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    /// Ends all allocations and connections, and waits until every task has ended and every port is
    /// free.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped early, the relay ends all the same.
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

/// The address that peers are told, if they can reach the relay by it.
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

/// Listens on the same port by both transports.
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
