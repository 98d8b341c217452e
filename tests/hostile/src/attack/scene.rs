//! Where an attack takes place, and what attackers need.

use anyhow::{anyhow, ensure};
use tokio::io::AsyncWriteExt as _;
use united_voice_scenarios::{Client, Codec, Handshake, Incoming, Payload, Server, User, ws};

use crate::innocents::Room;

/// How much an attack does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Enough to see that the server does the right thing.
    Short,
    /// Enough to measure what it costs.
    Long,
}

impl Form {
    /// One of two amounts.
    #[must_use]
    pub fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }
}

/// A server with innocents.
#[derive(Debug)]
pub struct Scene {
    /// The server.
    pub server: Server,
    /// The rooms of the innocents.
    pub rooms: Vec<Room>,
    /// How much is to be done.
    pub form: Form,
}

impl Scene {
    /// A new user.
    pub(super) async fn attacker(&self, name: &str) -> User {
        self.server.user(name).await
    }

    /// A connection.
    pub(super) async fn connect(&self, user: &User, codec: Codec) -> anyhow::Result<Client> {
        let handshake = Handshake {
            bearer: Some(&user.token),
            subprotocols: &[codec.subprotocol()],
            ..Handshake::default()
        };
        let opened = handshake.open(self.server.address()).await;
        let (socket, _) = opened.map_err(|refusal| anyhow!("no WebSocket: {refusal:?}"))?;
        Ok(Client::over(socket, user, codec))
    }

    /// The channel of one of the rooms. The numbers go round.
    pub(super) fn channel(&self, number: usize) -> &str {
        &self.rooms[number % self.rooms.len()].channel
    }

    /// A connection of a new user in one of the rooms.
    pub(super) async fn intruder(&self, name: &str, room: usize) -> anyhow::Result<Client> {
        let user = self.attacker(name).await;
        let mut client = self.connect(&user, Codec::Protobuf).await?;
        join(&mut client, self.channel(room)).await?;
        Ok(client)
    }
}

/// Joins, whatever else comes meanwhile.
pub(super) async fn join(client: &mut Client, channel: &str) -> anyhow::Result<()> {
    let joining = united_voice_scenarios::request::join(channel);
    let id = client.send_request(joining).await;
    loop {
        match client.incoming().await {
            Incoming::Envelope(envelope) if envelope.request_id == id => {
                let joined = matches!(envelope.payload, Some(Payload::VoiceJoinResponse(_)));
                ensure!(joined, "a join is answered with {:?}", envelope.payload);
                return Ok(());
            }
            Incoming::Envelope(_) => {}
            end => return Err(anyhow!("{end:?} instead of an answer to a join")),
        }
    }
}

/// Writes bytes as they are.
pub(super) async fn write(client: &mut Client, bytes: &[u8]) -> std::io::Result<()> {
    client.socket.get_mut().write_all(bytes).await
}

/// Reads up to the end of the connection, which must be a close frame with one of these codes.
pub(super) async fn closed(client: &mut Client, codes: &[u16]) -> anyhow::Result<u16> {
    loop {
        match client.incoming().await {
            Incoming::Envelope(_) => {}
            Incoming::Closed(code) => {
                ensure!(
                    codes.contains(&code),
                    "closed with {code} instead of {codes:?}"
                );
                return Ok(code);
            }
            Incoming::Cut => return Err(anyhow!("cut instead of closed with {codes:?}")),
        }
    }
}

/// An envelope in protobuf.
pub(super) fn protobuf(request_id: &str, payload: Payload) -> Vec<u8> {
    let envelope = ws::Envelope {
        request_id: request_id.to_owned(),
        payload: Some(payload),
    };
    Codec::Protobuf.encode(&envelope).into_data().to_vec()
}
