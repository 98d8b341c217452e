//! One of the servers of a cluster.

use std::{net::SocketAddr, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use united_voice_redis_server::Proxy;
use united_voice_scenarios::{Server, ServerBuilder};

use crate::{cluster::SECRETS, settles};

/// One of the servers of a cluster, and its way to the engine.
#[derive(Debug)]
pub struct Node {
    /// Between this node and the engine.
    pub way: Proxy,
    address: SocketAddr,
    server: Option<Box<Server>>,
    /// How to start it again on the same port.
    builder: ServerBuilder,
    is_frozen: bool,
}

impl Node {
    pub(crate) async fn start(way: Proxy, builder: ServerBuilder) -> Self {
        let server = builder.clone().start().await;
        let address = server.address();
        Self {
            way,
            address,
            server: Some(Box::new(server)),
            builder: builder.bind(address),
            is_frozen: false,
        }
    }

    /// Where clients connect, whether it runs or not.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The running server.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.running().expect("the node runs")
    }

    /// The server, if it runs and is not frozen.
    #[must_use]
    pub fn running(&self) -> Option<&Server> {
        self.server.as_deref().filter(|_| !self.is_frozen)
    }

    /// Ends it without warning.
    ///
    /// # Panics
    /// If a secret is in its log.
    pub fn kill(&mut self) {
        let server = self.server.take().expect("the node runs");
        self.is_frozen = false;
        let log = server.log();
        for secret in SECRETS {
            assert!(!log.contains(secret), "{secret} is in the log");
        }
        // Dropping it looks for all that looks like a secret.
        drop(server);
    }

    /// Stops it as the kernel may, with SIGSTOP.
    ///
    /// # Panics
    /// If it has ended.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
        self.is_frozen = true;
    }

    /// Ends a freeze.
    ///
    /// # Panics
    /// If it has ended.
    pub fn thaw(&mut self) {
        self.is_frozen = false;
        self.signal(Signal::CONT);
    }

    /// Ends it in order, and waits for that.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn end(&mut self) -> ExitStatus {
        self.server().terminate();
        let server = self.server.as_mut().expect("the node runs");
        let status = server.exit().await;
        self.kill();
        status
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// If it does not start, or runs.
    pub async fn start_again(&mut self) {
        assert!(self.server.is_none(), "the node runs");
        let server = self.builder.clone().start().await;
        self.server = Some(Box::new(server));
    }

    /// The first word of `/healthz`, and status and first word of `/readyz`.
    ///
    /// # Panics
    /// If it does not run, or the answers are not in the form of the contract.
    pub async fn health(&self) -> (String, u16, String) {
        let server = self.server();
        let (status, health) = server.get_text("/healthz").await;
        assert_eq!(status, 200, "{health}");
        let (status, readiness) = server.get_text("/readyz").await;
        let word = |text: &str| text.split_whitespace().next().map(str::to_owned);
        (
            word(&health).expect("a word"),
            status,
            word(&readiness).expect("a word"),
        )
    }

    /// Waits until `/healthz` and `/readyz` say this, and returns how long that took.
    ///
    /// # Panics
    /// If they do not.
    pub async fn is(&self, state: &str, within: Duration) -> Duration {
        let expected = match state {
            "ok" => ("ok".to_owned(), 200, "ready".to_owned()),
            state => (state.to_owned(), 503, state.to_owned()),
        };
        settles("the state of a node", within, async || {
            let health = self.health().await;
            if health == expected {
                return Ok(());
            }
            Err(format!("{health:?}, not {expected:?}"))
        })
        .await
    }

    /// The value of one of the node's metrics.
    ///
    /// # Panics
    /// If it has no such metric.
    pub async fn metric(&self, name: &str) -> f64 {
        let (status, text) = self.server().get_text("/metrics").await;
        assert_eq!(status, 200);
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.parse().expect("a number")
    }

    fn signal(&self, signal: Signal) {
        let server = self.server.as_ref().expect("the node runs");
        let pid = i32::try_from(server.process_id()).expect("a pid is an i32");
        let pid = Pid::from_raw(pid).expect("a pid is not 0");
        kill_process(pid, signal).expect("it runs");
    }
}
