//! A network: the machines of Ada, Bea and the server, and the links between them.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use united_voice_browser::Failure;
use united_voice_scenarios::{Server, ServerKind};
use united_voice_turn_tests::{Coturn, CoturnOptions};

use crate::{
    Impairment, Namespace, SERVER, Topology,
    topology::{ADA, BEA, INTERFACE},
};

/// Counts the networks of this process.
static BUILT: AtomicUsize = AtomicUsize::new(0);

/// The port of the example server. Each namespace has all ports, so no other server can have taken
/// it.
const PORT: u16 = 8080;
/// The port of STUN and TURN.
const RELAY_PORT: u16 = 3478;

/// A network with Ada, Bea and a server. Dropping it removes all of them.
#[derive(Debug)]
pub struct Network {
    ada: Namespace,
    bea: Namespace,
    server: Namespace,
    _routers: Vec<Namespace>,
}

impl Network {
    /// Builds a network. That takes about 0.2 s.
    ///
    /// # Panics
    /// If the system lacks a program or a permission. The message says what to do.
    #[must_use]
    pub fn build(topology: Topology) -> Self {
        Self::try_build(topology).unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn try_build(topology: Topology) -> Result<Self, Failure> {
        Namespace::remove_stale();
        let number = BUILT.fetch_add(1, Ordering::Relaxed);
        let [ada, bea, server] = [
            Namespace::create(number, ADA.role)?,
            Namespace::create(number, BEA.role)?,
            Namespace::create(number, "server")?,
        ];
        topology.set_up_server(&server)?;
        let mut routers = Vec::new();
        for (side, person) in [(ADA, &ada), (BEA, &bea)] {
            routers.extend(topology.connect(side, person, &server, number)?);
        }
        Ok(Self {
            ada,
            bea,
            server,
            _routers: routers,
        })
    }

    /// Ada's machine.
    #[must_use]
    pub const fn ada(&self) -> &Namespace {
        &self.ada
    }

    /// Bea's machine.
    #[must_use]
    pub const fn bea(&self) -> &Namespace {
        &self.bea
    }

    /// The machine of the example server and of coturn.
    #[must_use]
    pub const fn server(&self) -> &Namespace {
        &self.server
    }

    /// Starts an example server with this configuration.
    ///
    /// # Panics
    /// If it does not listen.
    pub async fn start_server(&self, kind: ServerKind, toml: &str) -> Server {
        Server::builder(kind)
            .config(toml)
            // Without this flag, signing in by name is allowed on loopback only.
            .flag("--dev-login")
            .bind(SocketAddr::from((SERVER, PORT)))
            .within(self.server.name())
            .start()
            .await
    }

    /// Starts a STUN and TURN server.
    ///
    /// # Panics
    /// If it does not listen.
    pub async fn start_coturn(&self) -> Coturn {
        Coturn::start(CoturnOptions {
            listening_ip: SERVER.into(),
            port: Some(RELAY_PORT),
            allow_loopback_peers: false,
            within: Some(self.server.name().to_owned()),
            ..CoturnOptions::default()
        })
        .await
    }

    /// From now on, drops all UDP to the STUN and TURN server, as the networks of some companies
    /// do.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn drop_udp_to_coturn(&self) {
        let rules = format!(
            "table ip no_udp {{
                chain to_server {{
                    type filter hook input priority filter;
                    udp dport {RELAY_PORT} drop
                }}
            }}"
        );
        self.server
            .nft(&rules)
            .unwrap_or_else(|failure| panic!("{failure}"));
    }

    /// From now on, the path between Ada and everybody else is a bad one.
    ///
    /// # Panics
    /// If the system refuses.
    #[must_use]
    pub fn impair_ada(&self) -> Impairment<'_> {
        let ends = [(&self.ada, INTERFACE), (&self.server, ADA.server_interface)];
        Impairment::between(ends).unwrap_or_else(|failure| panic!("{failure}"))
    }
}
