//! A WebSocket client that expects: what comes next, and that nothing else comes.

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

/// Which form of the messages a client speaks.
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

    /// The message of an envelope in this form.
    ///
    /// # Panics
    /// If the envelope holds what JSON can't, which it can't.
    #[must_use]
    pub fn encode(self, envelope: &Envelope) -> Message {
        match self {
            Self::Protobuf => Message::binary(envelope.encode_to_vec()),
            Self::Json => Message::text(to_json(envelope).to_string()),
        }
    }

    /// Reads a message of the server.
    ///
    /// # Panics
    /// If it is of the other kind or not an envelope with a payload.
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

/// What comes from the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A message.
    Envelope(Envelope),
    /// A close frame with its code, 1005 for none.
    Closed(u16),
    /// The end of the stream without a close frame.
    Cut,
}

/// A connection of a user.
#[derive(Debug)]
pub struct Client {
    /// The socket, for what a well-behaved client would not do.
    pub socket: Socket,
    /// Who is connected.
    pub user: User,
    /// The session of the last join.
    pub session: String,
    codec: Codec,
    asked: u64,
}

impl Client {
    /// A new user with this name, connected.
    ///
    /// # Panics
    /// If the server refuses either.
    pub async fn new(server: &Server, name: &str, codec: Codec) -> Self {
        Self::connect(server, &server.user(name).await, codec).await
    }

    /// Connects, settling the codec by the subprotocol.
    ///
    /// # Panics
    /// If the server refuses or chooses another.
    pub async fn connect(server: &Server, user: &User, codec: Codec) -> Self {
        Self::connect_with(server, user, codec, None).await
    }

    /// Connects with a small receive buffer: the server is soon stuck once this client stops
    /// reading.
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
            .open(server.address())
            .await
            .expect("the server upgrades");
        assert_eq!(chosen.as_deref(), Some(codec.subprotocol()));
        Self::over(socket, user, codec)
    }

    /// A client over a socket that is open already.
    #[must_use]
    pub fn over(socket: Socket, user: &User, codec: Codec) -> Self {
        Self {
            socket,
            user: user.clone(),
            session: String::new(),
            codec,
            asked: 0,
        }
    }

    /// The form it speaks.
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

    /// Sends a payload with a request id of one's choice.
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

    /// Sends a payload with a fresh request id, and gives that.
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

    /// Sends what must be refused.
    ///
    /// # Panics
    /// If it is not.
    pub async fn refused(&mut self, payload: Payload) -> VoiceError {
        expect_payload!(self.ask(payload).await, VoiceError)
    }

    /// Sends what must be refused with this code, naming this channel.
    ///
    /// # Panics
    /// If it is not.
    pub async fn refused_as(&mut self, payload: Payload, code: VoiceErrorCode, channel: &str) {
        let error = self.refused(payload.clone()).await;
        assert_eq!(
            (error.code(), error.channel_id.as_str()),
            (code, channel),
            "{payload:?} gave {error:?}"
        );
    }

    /// What comes next, messages or the end.
    ///
    /// # Panics
    /// If nothing comes within the deadline.
    pub async fn incoming(&mut self) -> Incoming {
        self.incoming_within(PATIENCE)
            .await
            .unwrap_or_else(|| panic!("{}: nothing comes", self.user.name))
    }

    /// What comes next, or `None` where nothing came in that time.
    ///
    /// # Panics
    /// If what comes is not an envelope of this client's codec.
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
            end => panic!("{}: {end:?} in the place of a message", self.user.name),
        }
    }

    /// The next message, which nobody here asked for.
    ///
    /// # Panics
    /// If it carries a request id.
    pub async fn event(&mut self) -> Payload {
        let Envelope {
            request_id,
            payload,
        } = self.next().await;
        assert_eq!(
            request_id, "",
            "{}: unsolicited, yet with an id: {payload:?}",
            self.user.name
        );
        payload.expect("decoding checks that")
    }

    /// Reads on to the close frame and gives its code; what comes before it is dropped.
    ///
    /// # Panics
    /// If the connection is cut without one.
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
    /// If the server does not answer it.
    pub async fn close(mut self) {
        self.socket
            .close(None)
            .await
            .expect("the connection is open");
        self.close_code().await;
    }

    /// How others see this client just after a join.
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
