//! A WebSocket client whose methods check that the expected message comes next, and no other.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tokio_tungstenite::tungstenite::{Error, Message, protocol::frame::coding::CloseCode};

pub use crate::ws::envelope::Payload;
use crate::{
    Handshake, PATIENCE, Server, Socket, User, expect_payload, from_json, to_json,
    voice::{VoiceError, VoiceErrorCode, VoiceParticipant},
    ws::Envelope,
};

/// The encoding of a client's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// Binary messages.
    Protobuf,
    /// Text messages.
    Json,
}

impl Codec {
    /// The WebSocket subprotocol.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Protobuf => "united.voice.v1.proto",
            Self::Json => "united.voice.v1.json",
        }
    }

    /// Encodes an envelope as a WebSocket message.
    ///
    /// # Panics
    /// If the envelope can't be written as JSON. Every envelope can.
    #[must_use]
    pub fn encode(self, envelope: &Envelope) -> Message {
        match self {
            Self::Protobuf => Message::binary(envelope.encode_to_vec()),
            Self::Json => Message::text(to_json(envelope).to_string()),
        }
    }

    /// Decodes a message of the server.
    ///
    /// # Panics
    /// If the message has the other encoding, or is not an envelope with a payload.
    #[must_use]
    pub fn decode(self, message: &Message) -> Envelope {
        let envelope = match (self, message) {
            (Self::Protobuf, Message::Binary(bytes)) => {
                Envelope::decode(bytes.clone()).expect("an envelope")
            }
            (Self::Json, Message::Text(text)) => {
                from_json(serde_json::from_str(text).expect("JSON"))
            }
            (_, other) => panic!("a client that speaks {self:?} got {other:?}"),
        };
        assert!(envelope.payload.is_some(), "an envelope without a payload");
        envelope
    }
}

/// Something that the server sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A message.
    Envelope(Envelope),
    /// A close frame and its code; 1005 if the frame has none.
    Closed(u16),
    /// The end of the stream without a close frame.
    Cut,
}

/// A connection of a user.
#[derive(Debug)]
pub struct Client {
    /// The socket, for tests that do what a well-behaved client would not do.
    pub socket: Socket,
    /// The user of this connection.
    pub user: User,
    /// The session id from the last join.
    pub session: String,
    codec: Codec,
    asked: u64,
    /// How long this client waits for what other nodes may still send.
    pub(crate) lag: Duration,
}

impl Client {
    /// Creates a user with this name and connects it.
    ///
    /// # Panics
    /// If the server refuses the sign-in or the connection.
    pub async fn new(server: &Server, name: &str, codec: Codec) -> Self {
        Self::connect(server, &server.user(name).await, codec).await
    }

    /// Connects and asks for the codec as the subprotocol.
    ///
    /// # Panics
    /// If the server refuses, or chooses another subprotocol.
    pub async fn connect(server: &Server, user: &User, codec: Codec) -> Self {
        Self::connect_with(server, user, codec, None).await
    }

    /// Connects with a small receive buffer, so that the server soon can't write if this client
    /// stops reading.
    ///
    /// # Panics
    /// If the server refuses.
    pub async fn connect_narrow(server: &Server, user: &User, codec: Codec) -> Self {
        Self::connect_with(server, user, codec, Some(4096)).await
    }

    async fn connect_with(
        server: &Server,
        user: &User,
        codec: Codec,
        receive_buffer: Option<u32>,
    ) -> Self {
        let subprotocols = &[codec.subprotocol()];
        let handshake = Handshake {
            bearer: Some(&user.token),
            subprotocols,
            receive_buffer,
            query: None,
        };
        let (socket, chosen) = handshake
            .open(server.address_for(user))
            .await
            .expect("the server upgrades");
        assert_eq!(chosen.as_deref(), Some(codec.subprotocol()));
        Self {
            lag: server.lag(),
            ..Self::over(socket, user, codec)
        }
    }

    /// Creates a client over an open socket.
    #[must_use]
    pub fn over(socket: Socket, user: &User, codec: Codec) -> Self {
        Self {
            socket,
            user: user.clone(),
            session: String::new(),
            codec,
            asked: 0,
            lag: Duration::ZERO,
        }
    }

    /// The encoding that this client uses.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Sends a WebSocket message as it is.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send_message(&mut self, message: Message) {
        self.socket
            .send(message)
            .await
            .expect("the connection is open");
    }

    /// Sends a payload with this request id.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send_as(&mut self, request_id: &str, payload: Payload) {
        let envelope = Envelope {
            request_id: request_id.to_owned(),
            payload: Some(payload),
        };
        self.send_message(self.codec.encode(&envelope)).await;
    }

    /// Sends a payload without a request id.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send(&mut self, payload: Payload) {
        self.send_as("", payload).await;
    }

    /// Sends a payload with a new request id, and returns the id.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send_request(&mut self, payload: Payload) -> String {
        self.asked += 1;
        let id = format!("ask-{}", self.asked);
        self.send_as(&id, payload).await;
        id
    }

    /// Sends a request; the next message must be its answer.
    ///
    /// # Panics
    /// If another message comes first.
    pub async fn ask(&mut self, payload: Payload) -> Payload {
        let id = self.send_request(payload).await;
        let Envelope {
            request_id,
            payload,
        } = self.next().await;
        assert_eq!(
            request_id, id,
            "{}: not the answer to the request: {payload:?}",
            self.user.name
        );
        payload.expect("decoding checks that")
    }

    /// Sends a request that the server must refuse.
    ///
    /// # Panics
    /// If the server does not.
    pub async fn refused(&mut self, payload: Payload) -> VoiceError {
        expect_payload!(self.ask(payload).await, VoiceError)
    }

    /// Sends a request that the server must refuse with this code and this channel.
    ///
    /// # Panics
    /// If the server does not.
    pub async fn refused_as(&mut self, payload: Payload, code: VoiceErrorCode, channel: &str) {
        let error = self.refused(payload.clone()).await;
        assert_eq!(
            (error.code(), error.channel_id.as_str()),
            (code, channel),
            "{payload:?} gave {error:?}"
        );
    }

    /// The next message, or the end of the connection.
    ///
    /// # Panics
    /// If nothing comes within the deadline.
    pub async fn incoming(&mut self) -> Incoming {
        self.incoming_within(PATIENCE)
            .await
            .unwrap_or_else(|| panic!("{}: nothing comes", self.user.name))
    }

    /// The next message or the end, or `None` if nothing comes within `time`.
    ///
    /// # Panics
    /// If the message is not an envelope in this client's encoding.
    pub async fn incoming_within(&mut self, time: Duration) -> Option<Incoming> {
        let deadline = tokio::time::Instant::now() + time;
        loop {
            return match tokio::time::timeout_at(deadline, self.socket.next()).await {
                Err(_) => None,
                Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
                Ok(Some(Ok(Message::Close(frame)))) => Some(Incoming::Closed(
                    frame.map_or(CloseCode::Status, |frame| frame.code).into(),
                )),
                Ok(Some(Ok(message))) => Some(Incoming::Envelope(self.codec.decode(&message))),
                Ok(
                    None | Some(Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_))),
                ) => Some(Incoming::Cut),
                Ok(Some(Err(error))) => panic!("{}: {error}", self.user.name),
            };
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// If the connection ends instead.
    pub async fn next(&mut self) -> Envelope {
        match self.incoming().await {
            Incoming::Envelope(envelope) => envelope,
            end => panic!("{}: {end:?} instead of a message", self.user.name),
        }
    }

    /// The next message, which must be an event that answers no request.
    ///
    /// # Panics
    /// If the message carries a request id.
    pub async fn event(&mut self) -> Payload {
        let Envelope {
            request_id,
            payload,
        } = self.next().await;
        assert_eq!(
            request_id, "",
            "{}: an event with a request id: {payload:?}",
            self.user.name
        );
        payload.expect("decoding checks that")
    }

    /// Reads up to the close frame and returns its code. Earlier messages are dropped.
    ///
    /// # Panics
    /// If the connection ends without a close frame.
    pub async fn close_code(&mut self) -> u16 {
        loop {
            match self.incoming().await {
                Incoming::Envelope(_) => {}
                Incoming::Closed(code) => return code,
                Incoming::Cut => panic!("{}: cut without a close frame", self.user.name),
            }
        }
    }

    /// Closes as a browser does, and waits for the server's close frame.
    ///
    /// # Panics
    /// If the server does not send one.
    pub async fn close(mut self) {
        self.socket
            .close(None)
            .await
            .expect("the connection is open");
        self.close_code().await;
    }

    /// This client as others see it just after it joined.
    #[must_use]
    pub fn as_participant(&self) -> VoiceParticipant {
        VoiceParticipant {
            user_id: self.user.id.clone(),
            display_name: self.user.name.clone(),
            pubkey: self.user.pubkey.clone(),
            muted: false,
            deafened: false,
            session_id: self.session.clone(),
        }
    }
}
