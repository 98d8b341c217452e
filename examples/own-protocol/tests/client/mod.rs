//! A client of Parley over a stream in memory. The clock of its tests stands still while anything
//! can be done, so a deadline passes only if nothing would ever happen.

#![allow(dead_code, reason = "each test uses its part")]

use std::{sync::Arc, time::Duration};

use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::{io::DuplexStream, task::JoinHandle, time::timeout};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use united_voice_core::{
    IceConfig,
    proto::voice::{VoiceError, VoiceJoinRequest, VoiceJoinResponse, VoiceParticipantJoinedEvent},
};
use united_voice_own_protocol::{
    Account, Channel, Chat, Limits, Server, VoiceSettings,
    wire::{Envelope, Failure, Say, SignIn, envelope::Payload, failure::Reason},
};

const DEADLINE: Duration = Duration::from_secs(40);

/// Text channel 1, voice channel 2, voice channel 3 for one. Accounts 1 to 3 with their numbers as
/// tokens.
pub(crate) fn server(limits: Limits, ice: IceConfig) -> Arc<Server> {
    let for_one = VoiceSettings {
        max_participants: std::num::NonZeroU32::new(1),
    };
    let chat = Chat::default()
        .with_account("1", Account::new(1, "Alice"))
        .with_account("2", Account::new(2, "Bob"))
        .with_account("3", Account::new(3, "Carol"))
        .with_channel(1, Channel::new("text"))
        .with_channel(2, Channel::new("talk").with_voice(VoiceSettings::default()))
        .with_channel(3, Channel::new("booth").with_voice(for_one));
    Server::new(chat, limits, ice)
}

pub(crate) fn default_server() -> Arc<Server> {
    server(Limits::default(), IceConfig::default())
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<DuplexStream>,
    pub(crate) served: JoinHandle<()>,
    requests: u32,
}

impl Client {
    /// A connection that is not signed in, over a pipe that holds `pipe` bytes.
    pub(crate) async fn open(server: &Arc<Server>, pipe: usize) -> Self {
        let (ours, theirs) = tokio::io::duplex(pipe);
        let server = Arc::clone(server);
        let served = tokio::spawn(async move { server.serve_stream(theirs).await });
        let (socket, _) = client_async("ws://parley/", ours).await.unwrap();
        Self {
            socket,
            served,
            requests: 0,
        }
    }

    pub(crate) async fn signed_in_over(server: &Arc<Server>, user: u64, pipe: usize) -> Self {
        let mut client = Self::open(server, pipe).await;
        let token = user.to_string();
        let answer = client.ask(Payload::SignIn(SignIn { token })).await;
        assert!(matches!(answer, Payload::Welcome(welcome) if welcome.user == user));
        client
    }

    pub(crate) async fn signed_in(server: &Arc<Server>, user: u64) -> Self {
        Self::signed_in_over(server, user, 64 << 10).await
    }

    pub(crate) async fn send(&mut self, payload: Payload) -> u32 {
        self.requests += 1;
        let request = self.requests;
        self.send_as(request, payload).await;
        request
    }

    pub(crate) async fn send_as(&mut self, request: u32, payload: Payload) {
        let payload = Some(payload);
        let envelope = Envelope { request, payload };
        let message = Message::binary(envelope.encode_to_vec());
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> Message {
        let message = async {
            loop {
                let message = self.socket.next().await.expect("an open socket");
                match message.expect("a message") {
                    Message::Ping(_) | Message::Pong(_) => {}
                    message => return message,
                }
            }
        };
        timeout(DEADLINE, message).await.expect("a message in time")
    }

    pub(crate) async fn next(&mut self) -> Envelope {
        match self.message().await {
            Message::Binary(message) => Envelope::decode(message).unwrap(),
            other => panic!("not an envelope: {other:?}"),
        }
    }

    /// Sends, and takes the next message for the answer.
    pub(crate) async fn ask(&mut self, payload: Payload) -> Payload {
        let request = self.send(payload).await;
        let answer = self.next().await;
        assert_eq!(answer.request, request, "{answer:?}");
        answer.payload.unwrap()
    }

    /// The next message, which nobody asked for.
    pub(crate) async fn told(&mut self) -> Payload {
        let told = self.next().await;
        assert_eq!(told.request, 0, "{told:?}");
        told.payload.unwrap()
    }

    /// Reads up to the close frame.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(close) = self.message().await {
                return close.expect("a code").code.into();
            }
        }
    }

    pub(crate) async fn join(&mut self, channel: &str) -> VoiceJoinResponse {
        match self.ask(join_request(channel)).await {
            Payload::VoiceJoinResponse(response) => response,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn voice_error(&mut self, payload: Payload) -> VoiceError {
        match self.ask(payload).await {
            Payload::VoiceError(error) => error,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn told_joined(&mut self) -> VoiceParticipantJoinedEvent {
        match self.told().await {
            Payload::VoiceParticipantJoinedEvent(event) => event,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn failure(&mut self, payload: Payload) -> Reason {
        match self.ask(payload).await {
            Payload::Failure(Failure { reason }) => Reason::try_from(reason).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Checks that nothing was sent to this client unasked: the answer to a request is what comes
    /// next.
    pub(crate) async fn heard_nothing(&mut self) {
        let say = Payload::Say(Say {
            channel: 0,
            text: String::new(),
        });
        assert_eq!(self.failure(say).await, Reason::NoChannel);
    }
}

pub(crate) fn join_request(channel: &str) -> Payload {
    Payload::VoiceJoinRequest(VoiceJoinRequest {
        channel_id: channel.into(),
    })
}

pub(crate) fn say(channel: u32, text: &str) -> Payload {
    let text = text.into();
    Payload::Say(Say { channel, text })
}
