//! The least that a server can be: it forwards messages and knows nothing else. What another needs beyond that is what its
//! logic costs.
//!
//! A client's first message is a line of text, `pair ROOM MEMBER` or `room ROOM MEMBER`; the answer is `seated` and the
//! names of those who are there, who are told `arrived MEMBER`. From then on each binary message goes, as it is, to all
//! others of a pair, or to all of a room.

mod actix;
mod axum;
mod forward;
#[cfg(feature = "peers")]
mod socketioxide;
mod tokio;

use std::net::{SocketAddr, TcpListener};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use socket2::{Domain, Protocol, Socket, Type};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// What the example servers have, and what a storm of joins needs.
const BACKLOG: i32 = 4096;

/// The usual 128 KiB are cleared before each read, and are most of what a connection takes.
const BUFFER_BYTES: usize = 4 * 1024;

/// Which server to be, and where.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What it is built on
    #[arg(long)]
    framework: Framework,
    /// Where it listens
    #[arg(long)]
    bind: SocketAddr,
}

/// What a bare server is built on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Framework {
    /// tokio-tungstenite on an accepted socket
    Tokio,
    /// Axum and its own WebSockets
    Axum,
    /// Actix, which upgrades, and tokio-tungstenite on the upgraded connection
    Actix,
    /// socketioxide on Axum: rooms of its own, Socket.IO's protocol (needs the feature `peers`)
    Socketioxide,
}

impl Framework {
    /// As the command line has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Axum => "axum",
            Self::Actix => "actix",
            Self::Socketioxide => "socketioxide",
        }
    }
}

/// Serves until it is killed.
pub(crate) fn command(options: &Options) -> anyhow::Result<()> {
    let runtime = ::tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener =
            listen(options.bind).with_context(|| format!("cannot listen on {}", options.bind))?;
        match options.framework {
            Framework::Tokio => tokio::serve(listener).await,
            Framework::Axum => axum::serve(listener).await,
            Framework::Actix => actix::serve(listener).await,
            #[cfg(feature = "peers")]
            Framework::Socketioxide => socketioxide::serve(listener).await,
            #[cfg(not(feature = "peers"))]
            Framework::Socketioxide => anyhow::bail!("built without the feature `peers`"),
        }
    })
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
}
