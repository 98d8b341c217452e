//! The least that a server can be: it forwards messages and knows nothing else. What another server
//! costs beyond that is the cost of its logic.
//!
//! A client's first message is a line of text, `pair ROOM MEMBER` or `room ROOM MEMBER`. The answer
//! is `seated` and the names of the members that are there already. Those members are told `arrived
//! MEMBER`. From then on each binary message is forwarded as it is: in a pair to the other member,
//! in a room to all members.
//!
//! `listen.rs` has the socket settings, `forward.rs` the forwarding, and the other files one
//! framework each. This folder is a server of its own: it uses nothing of the load generator.

mod actix;
mod axum;
mod forward;
mod listen;
#[cfg(feature = "peers")]
mod socketioxide;
mod tokio;

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::{Args, ValueEnum};

pub(crate) use self::listen::{READ_BUFFER_BYTES, SMALL_READ_BUFFER_BYTES};

/// Which server to be, and its address.
#[derive(Debug, Args)]
pub(crate) struct FloorOptions {
    /// The framework to build on
    #[arg(long)]
    framework: Framework,
    /// The address to listen on
    #[arg(long)]
    bind: SocketAddr,
    /// Bytes that are read from a socket at once, at most
    #[arg(long, default_value_t = READ_BUFFER_BYTES)]
    read_buffer: usize,
}

/// The framework of a bare server.
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
    /// The name on the command line.
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
pub(crate) fn command(options: &FloorOptions) -> anyhow::Result<()> {
    let runtime = ::tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let read_buffer = options.read_buffer;
    runtime.block_on(async {
        let listener = listen::listen(options.bind)
            .with_context(|| format!("cannot listen on {}", options.bind))?;
        match options.framework {
            Framework::Tokio => tokio::serve(listener, read_buffer).await,
            Framework::Axum => axum::serve(listener, read_buffer).await,
            Framework::Actix => actix::serve(listener, read_buffer).await,
            #[cfg(feature = "peers")]
            Framework::Socketioxide => socketioxide::serve(listener, read_buffer).await,
            #[cfg(not(feature = "peers"))]
            Framework::Socketioxide => anyhow::bail!("built without the feature `peers`"),
        }
    })
}
