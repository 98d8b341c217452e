//! A server that does what the test says, over TCP on loopback or in memory. In memory the clock
//! may stand still, so that only the test and the client move it.

use std::{fmt::Debug, io, net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use united_voice_client::{
    Client, ClientBuilder, Codec, ErrorCode, Event, Events, Participant,
    proto::{
        self,
        voice::{VoiceError, VoiceJoinResponse, VoiceLeaveEvent},
        ws::{Envelope, envelope::Payload},
    },
};

/// Bytes that fit into the pipe of an in-memory connection.
const PIPE: usize = 64 << 10;

/// The longest time that anything may take over TCP.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The server's end of `dial_with`.
pub(crate) struct Memory(mpsc::UnboundedReceiver<DuplexStream>);

/// Settings of a client that connects to the returned server.
pub(crate) fn memory() -> (ClientBuilder, Memory) {
    let (dialed, dials) = mpsc::unbounded_channel();
    let builder = Client::builder("ws://voice.test/ws").dial_with(move |_| {
        let (ours, theirs) = duplex(PIPE);
        let sent = dialed.send(theirs);
        async move {
            match sent {
                Ok(()) => Ok(ours),
                Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        }
    });
    (builder, Memory(dials))
}

impl Memory {
    pub(crate) async fn accept(&mut self) -> Link<DuplexStream> {
        let stream = self.0.recv().await.expect("the client dials");
        Link::accept(stream).await
    }

    /// Answers the upgrade with an HTTP status.
    pub(crate) async fn refuse(&mut self, status: u16) -> String {
        let mut stream = self.0.recv().await.expect("the client dials");
        let head = read_head(&mut stream).await;
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.unwrap();
        head
    }
}

async fn read_head(stream: &mut DuplexStream) -> String {
    use tokio::io::AsyncReadExt;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A listener on loopback.
pub(crate) struct Loopback(TcpListener);

impl Loopback {
    pub(crate) async fn bind(address: SocketAddr) -> Self {
        Self(TcpListener::bind(address).await.unwrap())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub(crate) fn client(&self) -> ClientBuilder {
        Client::builder(format!("ws://{}/ws", self.address()))
    }

    pub(crate) async fn accept(&self) -> Link<TcpStream> {
        let (stream, _) = soon(self.0.accept()).await.unwrap();
        Link::accept(stream).await
    }
}

/// Connects a client while the server accepts it.
pub(crate) async fn connect(
    builder: ClientBuilder,
    server: &mut Memory,
) -> (Client, Events, Link<DuplexStream>) {
    let (connected, link) = tokio::join!(builder.connect(), server.accept());
    let (client, events) = connected.unwrap();
    (client, events, link)
}

/// The server's end of a connection.
pub(crate) struct Link<S> {
    pub(crate) socket: WebSocketStream<S>,
    pub(crate) authorization: Option<String>,
    codec: Codec,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Debug> Link<S> {
    #[expect(clippy::result_large_err, reason = "tungstenite's callback type")]
    pub(crate) async fn accept(stream: S) -> Self {
        let (mut authorization, mut codec) = (None, None);
        let upgrade = |request: &Request, mut response: Response| -> Result<_, ErrorResponse> {
            let header = |name| request.headers().get(name).cloned();
            authorization = header(AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
            let offered = header(SEC_WEBSOCKET_PROTOCOL).expect("a subprotocol is offered");
            codec = Codec::from_subprotocol(offered.to_str().unwrap());
            response
                .headers_mut()
                .insert(SEC_WEBSOCKET_PROTOCOL, offered);
            Ok(response)
        };
        let socket = accept_hdr_async(stream, upgrade).await.unwrap();
        Self {
            socket,
            authorization,
            codec: codec.expect("a known subprotocol"),
        }
    }

    /// The next message that is not a ping or pong.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            let message = soon(self.socket.next())
                .await
                .expect("the connection is open")
                .unwrap();
            if !matches!(message, Message::Ping(_) | Message::Pong(_)) {
                return message;
            }
        }
    }

    pub(crate) async fn next(&mut self) -> (String, Payload) {
        let message = self.message().await;
        let bytes = match (self.codec, &message) {
            (Codec::Protobuf, Message::Binary(bytes)) => bytes.to_vec(),
            (Codec::Json, Message::Text(text)) => text.as_bytes().to_vec(),
            _ => panic!("{message:?}"),
        };
        let envelope = proto::decode(self.codec, &bytes, usize::MAX).unwrap();
        (envelope.request_id, envelope.payload.unwrap())
    }

    pub(crate) async fn send(&mut self, request_id: &str, payload: Payload) {
        let message = self.message_of(request_id, payload);
        soon(self.socket.send(message)).await.unwrap();
    }

    pub(crate) fn message_of(&self, request_id: &str, payload: Payload) -> Message {
        let envelope = Envelope {
            request_id: request_id.to_owned(),
            payload: Some(payload),
        };
        match self.codec {
            Codec::Protobuf => Message::Binary(proto::encode_protobuf(&envelope)),
            Codec::Json => Message::text(proto::encode_json(&envelope)),
        }
    }

    /// Expects a join and accepts it.
    pub(crate) async fn let_in(&mut self, session: &str, others: &[&str]) {
        let (id, payload) = self.next().await;
        let Payload::VoiceJoinRequest(request) = payload else {
            panic!("{payload:?}")
        };
        let response = VoiceJoinResponse {
            participants: others.iter().map(|id| participant(id)).collect(),
            channel_id: request.channel_id,
            session_id: session.to_owned(),
            ..VoiceJoinResponse::default()
        };
        self.send(&id, Payload::VoiceJoinResponse(response)).await;
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).await.unwrap();
        // Closing a socket with unread data may destroy the close frame on its way, so read the
        // rest first.
        while let Some(Ok(_)) = soon(self.socket.next()).await {}
    }

    /// The code of the client's close frame, which has to come next.
    pub(crate) async fn closed(&mut self) -> u16 {
        match self.message().await {
            Message::Close(Some(frame)) => frame.code.into(),
            message => panic!("{message:?}"),
        }
    }
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("within the deadline")
}

/// The next event. The deadline is longer than any pause.
pub(crate) async fn next(events: &mut Events) -> Event {
    let deadline = Duration::from_secs(600);
    let event = tokio::time::timeout(deadline, events.next()).await;
    event.expect("an event").expect("the events go on")
}

pub(crate) fn participant(user_id: &str) -> Participant {
    Participant {
        user_id: user_id.to_owned(),
        session_id: format!("session of {user_id}"),
        ..Participant::default()
    }
}

pub(crate) fn error(code: ErrorCode, channel: &str) -> Payload {
    Payload::VoiceError(VoiceError {
        code: code.into(),
        message: "because".into(),
        channel_id: channel.into(),
    })
}

pub(crate) fn leave_event(channel: &str, session: &str) -> Payload {
    Payload::VoiceLeaveEvent(VoiceLeaveEvent {
        channel_id: channel.into(),
        session_id: session.into(),
        ..VoiceLeaveEvent::default()
    })
}
