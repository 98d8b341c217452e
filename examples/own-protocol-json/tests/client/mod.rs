//! A client of Tavern over TCP. It speaks JSON and knows none of the library's types.

#![allow(dead_code, reason = "each test uses its part")]

use std::{net::SocketAddr, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};
use united_voice_core::Limits;
use united_voice_own_protocol_json::{Chat, Server};

/// Nothing here takes so long, not even on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// Little enough that a client that does not read soon stops the server's writes.
const SOCKET_BUFFER: u32 = 16 << 10;

/// A running server. It has the voice channel `lounge`, and its accounts have their names as tokens.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub(crate) fn start(limits: Limits) -> Self {
        let chat = ["alice", "bob", "carol"]
            .into_iter()
            .fold(Chat::default(), |chat, name| chat.with_account(name, name))
            .with_channel("lounge");
        let server = Server::new(chat, limits);
        let socket = TcpSocket::new_v4().unwrap();
        // Sockets inherit it when they are accepted.
        socket.set_send_buffer_size(SOCKET_BUFFER).unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stop_asked = async {
            // An error means that the test has ended.
            let _ = stopped.await;
        };
        let served = tokio::spawn(server.serve(listener, stop_asked));
        Self {
            address,
            stop,
            served,
        }
    }

    pub(crate) async fn client(&self, token: &str) -> Client {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SOCKET_BUFFER).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let url = format!("ws://{}/ws?token={token}", self.address);
        let (socket, _) = client_async(url, stream).await.unwrap();
        Client { socket }
    }

    /// Alice and Bob, both in the lounge. Alice was there first, and was told of Bob.
    pub(crate) async fn alice_and_bob(&self) -> (Client, Client) {
        let (mut alice, mut bob) = (self.client("alice").await, self.client("bob").await);
        let first = alice.join().await;
        assert_eq!(first["participants"], json!([]));
        let snapshot = bob.join().await;
        assert_eq!(snapshot["participants"][0]["userId"], "alice");
        let joined = alice.told("voiceParticipantJoinedEvent").await;
        assert_eq!(joined["participant"]["userId"], "bob");
        (alice, bob)
    }

    pub(crate) fn stop(self) -> JoinHandle<std::io::Result<()>> {
        self.stop.send(()).unwrap();
        self.served
    }
}

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub(crate) async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        let sent = self.socket.send(Message::text(text));
        timeout(DEADLINE, sent).await.expect("in time").unwrap();
    }

    /// Sends a voice message.
    pub(crate) async fn voice(&mut self, request_id: &str, name: &str, payload: Value) {
        let message = json!({"type": "voice", "requestId": request_id, name: payload});
        self.send(&message).await;
    }

    pub(crate) async fn chat(&mut self, text: &str) {
        self.send(&json!({"type": "chat", "channel": "lounge", "text": text}))
            .await;
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

    pub(crate) async fn next(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("not JSON: {other:?}"),
        }
    }

    /// The payload of the next message, which must be of this name and have this request id.
    pub(crate) async fn answer(&mut self, request_id: &str, name: &str) -> Value {
        let message = self.next().await;
        assert_eq!(message["type"], "voice", "{message}");
        assert_eq!(message["requestId"], request_id, "{message}");
        assert!(message[name].is_object(), "not {name}: {message}");
        message[name].clone()
    }

    /// The payload of the next message, which nobody asked for.
    pub(crate) async fn told(&mut self, name: &str) -> Value {
        self.answer("", name).await
    }

    pub(crate) async fn error(&mut self, request_id: &str) -> String {
        let error = self.answer(request_id, "voiceError").await;
        error["code"].as_str().expect("a code").to_owned()
    }

    pub(crate) async fn join(&mut self) -> Value {
        let lounge = json!({"channelId": "lounge"});
        self.voice("join", "voiceJoinRequest", lounge).await;
        self.answer("join", "voiceJoinResponse").await
    }

    /// The next message, which must be a line of text.
    pub(crate) async fn line(&mut self) -> (String, String) {
        let line = self.next().await;
        assert_eq!(line["type"], "said", "{line}");
        let text = |key: &str| line[key].as_str().expect("a text").to_owned();
        (text("user"), text("text"))
    }

    /// Checks that nothing else was sent to this client: its own line is what comes next.
    pub(crate) async fn heard_nothing(&mut self) {
        self.chat("is anybody there?").await;
        assert_eq!(self.line().await.1, "is anybody there?");
    }

    /// Reads up to the close frame.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(close) = self.message().await {
                return close.expect("a code").code.into();
            }
        }
    }
}

pub(crate) fn candidate(target: &str, text: &str) -> Value {
    json!({"channelId": "lounge", "targetUserId": target, "candidateJson": text})
}

pub(crate) fn description(target: &str, sdp: &str) -> Value {
    json!({"channelId": "lounge", "targetUserId": target, "sdp": sdp})
}
