//! The servers that can be put under load.

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use united_voice_proto::Codec;

use crate::dialect::{Bare, Dialect, Matchbox, PeerJs, Purpose, SocketIo, Spreed, Ticket, Voice};

/// A server, and the protocol to speak with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
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
    /// The floor in the framework of one of our servers.
    pub(crate) const fn floor(self) -> Option<Self> {
        match self {
            Self::Axum | Self::AxumJson => Some(Self::FloorAxum),
            Self::Actix | Self::ActixJson => Some(Self::FloorActix),
            _ => None,
        }
    }

    /// The package of one of our servers, which is also the name of its executable.
    pub(crate) const fn package(self) -> Option<&'static str> {
        match self {
            Self::Axum | Self::AxumJson => Some("united-voice-axum"),
            Self::Actix | Self::ActixJson => Some("united-voice-actix"),
            _ => None,
        }
    }

    /// Whether it is another project's.
    pub(crate) const fn is_peer(self) -> bool {
        matches!(
            self,
            Self::Matchbox | Self::Socketioxide | Self::Spreed | Self::Peerjs
        )
    }

    /// Whether it is one of ours, spoken to in protobuf.
    pub(crate) const fn speaks_protobuf(self) -> bool {
        matches!(self, Self::Axum | Self::Actix)
    }

    /// How it is called in tables.
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

    /// Messages that arrive for each broadcast in a room of that size: the sender gets its own where the server does that.
    pub(crate) const fn deliveries(self, seats: u64) -> u64 {
        match self {
            Self::Matchbox | Self::Spreed | Self::Peerjs => seats - 1,
            _ => seats,
        }
    }

    /// How often, once a room of that size is full, somebody in it has been told of somebody.
    pub(crate) const fn announcements(self, seats: u64) -> u64 {
        match self {
            // A newcomer is told of nobody.
            Self::Matchbox => seats * (seats - 1) / 2,
            Self::Peerjs => 0,
            _ => seats * (seats - 1),
        }
    }

    /// A client that is not connected yet.
    pub(crate) fn dialect(self, ticket: Ticket) -> Box<dyn Dialect> {
        match self {
            Self::FloorTokio | Self::FloorAxum | Self::FloorActix => Box::new(Bare::new(ticket)),
            Self::Axum | Self::Actix => Box::new(Voice::new(ticket, Codec::Protobuf)),
            Self::AxumJson | Self::ActixJson => Box::new(Voice::new(ticket, Codec::Json)),
            Self::Matchbox => Box::new(Matchbox::new(ticket)),
            Self::Socketioxide => Box::new(SocketIo::new(ticket)),
            Self::Spreed => Box::new(Spreed::new(ticket)),
            Self::Peerjs => Box::new(PeerJs::new(ticket)),
        }
    }

    /// Makes the users and channels that the rooms need, where the server must know them beforehand.
    pub(crate) async fn tickets(
        self,
        address: &str,
        rooms: usize,
        seats: usize,
        purpose: Purpose,
    ) -> anyhow::Result<Vec<Ticket>> {
        let mut tickets = Vec::with_capacity(rooms * seats);
        let registrar = self.floor().map(|_| Registrar::new(address));
        for room in 0..rooms {
            let users: Vec<String> = (0..seats).map(|seat| format!("u{room}-{seat}")).collect();
            let first = tickets.len();
            for user in &users {
                tickets.push(Ticket {
                    room: format!("r{room}"),
                    user: user.clone(),
                    users: users.clone(),
                    token: String::new(),
                    purpose,
                });
            }
            if let Some(registrar) = &registrar {
                registrar.register(&mut tickets[first..]).await?;
            }
        }
        Ok(tickets)
    }
}

/// Makes users and channels over the REST interface of our servers.
struct Registrar {
    client: Client,
    address: String,
}

impl Registrar {
    fn new(address: &str) -> Self {
        Self {
            client: Client::new(),
            address: address.to_owned(),
        }
    }

    /// A room's users, and the channel that they will sit in.
    async fn register(&self, tickets: &mut [Ticket]) -> anyhow::Result<()> {
        for ticket in tickets.iter_mut() {
            let name = json!({ "displayName": ticket.user });
            let answer = call(self.post("api/dev/login").json(&name)).await?;
            ticket.user = field(&answer, "userId")?;
            ticket.token = field(&answer, "token")?;
        }
        let Some(first) = tickets.first() else {
            return Ok(());
        };
        let channel = json!({ "name": first.room, "kind": "voice" });
        let create = self.post("api/channels").bearer_auth(&first.token);
        let room = field(&call(create.json(&channel)).await?, "id")?;
        for ticket in tickets {
            ticket.room.clone_from(&room);
        }
        Ok(())
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("http://{}/{path}", self.address))
    }
}

async fn call(request: RequestBuilder) -> anyhow::Result<Value> {
    let response = request.send().await?;
    let status = response.status();
    ensure!(status.is_success(), "the server answers {status}");
    Ok(response.json().await?)
}

fn field(answer: &Value, name: &str) -> anyhow::Result<String> {
    let text = answer[name].as_str();
    Ok(text.with_context(|| format!("no {name}"))?.to_owned())
}
