//! The servers that can be put under load.

use clap::ValueEnum;
use serde::Serialize;

/// A server, and the protocol to speak with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// A bare relay on plain tokio-tungstenite
    FloorTokio,
    /// A bare relay on Axum's WebSockets
    FloorAxum,
    /// A bare relay on a connection that Actix has upgraded
    FloorActix,
    /// The example server on Axum, in protobuf
    Axum,
    /// The example server on Actix, in protobuf
    Actix,
    /// The example server on Axum, in JSON
    AxumJson,
    /// The example server on Actix, in JSON
    ActixJson,
    /// `matchbox_server`, a full mesh
    Matchbox,
    /// A small server on socketioxide
    Socketioxide,
    /// Nextcloud's signaling server
    Spreed,
    /// The PeerJS server
    Peerjs,
}

impl Target {
    /// The floor in the same framework, if this is one of our servers.
    pub(crate) const fn floor(self) -> Option<Self> {
        match self {
            Self::Axum | Self::AxumJson => Some(Self::FloorAxum),
            Self::Actix | Self::ActixJson => Some(Self::FloorActix),
            _ => None,
        }
    }

    /// The executable, if this is one of our servers. Its package has the same name.
    pub(crate) const fn executable(self) -> Option<&'static str> {
        match self {
            Self::Axum | Self::AxumJson => Some("axum-server"),
            Self::Actix | Self::ActixJson => Some("actix-server"),
            _ => None,
        }
    }

    /// Whether the server is another project's.
    pub(crate) const fn is_peer(self) -> bool {
        matches!(
            self,
            Self::Matchbox | Self::Socketioxide | Self::Spreed | Self::Peerjs
        )
    }

    /// Whether the server is one of ours and the clients speak protobuf with it.
    pub(crate) const fn speaks_protobuf(self) -> bool {
        matches!(self, Self::Axum | Self::Actix)
    }

    /// The name in tables.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::FloorTokio => "bare relay, tokio",
            Self::FloorAxum => "bare relay, Axum",
            Self::FloorActix => "bare relay, Actix",
            Self::Axum => "united-voice on Axum",
            Self::Actix => "united-voice on Actix",
            Self::AxumJson => "united-voice on Axum, JSON",
            Self::ActixJson => "united-voice on Actix, JSON",
            Self::Matchbox => "matchbox_server",
            Self::Socketioxide => "socketioxide",
            Self::Spreed => "nextcloud-spreed-signaling",
            Self::Peerjs => "PeerJS server",
        }
    }

    /// Messages that arrive for each broadcast in a room of that size. Some servers send the
    /// sender's own message back.
    pub(crate) const fn deliveries(self, seats: u64) -> u64 {
        match self {
            Self::Matchbox | Self::Spreed | Self::Peerjs => seats - 1,
            _ => seats,
        }
    }

    /// The number of times that a member has been told of another one when a room of that size is
    /// full.
    pub(crate) const fn announcements(self, seats: u64) -> u64 {
        match self {
            // It tells the members of a newcomer, but tells a newcomer nothing.
            Self::Matchbox => seats * (seats - 1) / 2,
            Self::Peerjs => 0,
            _ => seats * (seats - 1),
        }
    }
}
