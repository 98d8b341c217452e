//! A client of `drive`. Tokio's clock is paused, so waiting takes no real time and timers fire in
//! order.

use std::time::Duration;

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use united_voice_core::{
    Codec, Disconnect, Frame, TransportError, drive_counting,
    proto::{
        decode, encode_json, encode_protobuf,
        ws::{Envelope, envelope::Payload},
    },
};

use super::{
    lines::line,
    payloads,
    server::Server,
    transport::{ClientEnd, ServerEnd, pair},
    user,
};

pub(crate) struct Peer {
    pub(crate) wire: ClientEnd,
    /// The encoding of the sent messages.
    pub(crate) codec: Codec,
    /// The encoding of the last message that arrived.
    pub(crate) arrived_as: Option<Codec>,
    /// The number of pings that arrived.
    pub(crate) pings: usize,
    pub(crate) answers_pings: bool,
    task: JoinHandle<Disconnect>,
}

impl Peer {
    /// A connection whose subprotocol is protobuf.
    pub(crate) fn new(server: &Server, name: &str) -> Self {
        Self::with_codec(server, name, Some(Codec::Protobuf))
    }

    /// A connection with this subprotocol, or none.
    pub(crate) fn with_codec(server: &Server, name: &str, settled: Option<Codec>) -> Self {
        let (server_end, wire) = pair();
        let (server, user) = (server.clone(), user(name));
        let count = ServerEnd::bytes_taken;
        let run = async move { drive_counting(&server, server_end, user, settled, count).await };
        Self {
            wire,
            codec: settled.unwrap_or(Codec::Protobuf),
            arrived_as: None,
            pings: 0,
            answers_pings: true,
            task: tokio::spawn(run),
        }
    }

    /// A connection that has joined and has read the response.
    pub(crate) async fn joined(server: &Server, name: &str, channel: &str) -> Self {
        let mut peer = Self::new(server, name);
        peer.ask("join", payloads::join(channel));
        let told = peer.told().await;
        assert!(told.starts_with("#join response"), "{told}");
        peer
    }

    pub(crate) fn ask(&self, request_id: &str, payload: Payload) {
        let request_id = request_id.into();
        self.send(&Envelope {
            request_id,
            payload: Some(payload),
        });
    }

    pub(crate) fn send(&self, envelope: &Envelope) {
        self.frame(match self.codec {
            Codec::Protobuf => Frame::Binary(encode_protobuf(envelope)),
            Codec::Json => Frame::Text(encode_json(envelope).into()),
        });
    }

    pub(crate) fn frame(&self, frame: Frame) {
        self.wire.send(Ok(frame));
    }

    pub(crate) fn fail(&self, error: TransportError) {
        self.wire.send(Err(error));
    }

    /// The next message as a line, or `close CODE`, or `end`. Answers pings while it waits, and
    /// panics if nothing comes for an hour.
    pub(crate) async fn told(&mut self) -> String {
        let hour = Duration::from_secs(3600);
        timeout(hour, self.next_line())
            .await
            .expect("nothing came for an hour")
    }

    async fn next_line(&mut self) -> String {
        loop {
            match self.wire.next().await {
                Some(Frame::Ping(content)) => {
                    self.pings += 1;
                    if self.answers_pings {
                        self.frame(Frame::Pong(content));
                    }
                }
                Some(frame) => return self.read(&frame),
                None => return "end".into(),
            }
        }
    }

    fn read(&mut self, frame: &Frame) -> String {
        let (codec, bytes) = match frame {
            Frame::Binary(bytes) => (Codec::Protobuf, &bytes[..]),
            Frame::Text(text) => (Codec::Json, str::as_bytes(text)),
            Frame::Close(Some(close)) => return format!("close {}", close.code),
            other => panic!("not expected: {other:?}"),
        };
        self.arrived_as = Some(codec);
        line(&decode(codec, bytes, usize::MAX).expect("a server's message"))
    }

    /// All messages that arrive until every task waits.
    pub(crate) async fn lines(&mut self) -> Vec<String> {
        settle().await;
        let mut lines = Vec::new();
        while let Some(frame) = self.wire.try_next() {
            match frame {
                Frame::Ping(_) => self.pings += 1,
                frame => lines.push(self.read(&frame)),
            }
        }
        lines
    }

    /// Answers pings for `time`. Panics if anything else comes.
    pub(crate) async fn idle(&mut self, time: Duration) {
        let told = timeout(time, self.next_line()).await;
        assert!(told.is_err(), "told {told:?}");
    }

    /// Stops reading, and waits until the server counts this client as stalled. For that something
    /// must wait for it, so `other` speaks, who must be in its channel `a`.
    pub(crate) async fn stall(&self, other: &Self) {
        self.wire.stall(true);
        other.ask("", payloads::speaking("a"));
        sleep(Duration::from_millis(1100)).await;
    }

    /// Waits until `drive` returns, and returns its result.
    pub(crate) async fn disconnect(self) -> Disconnect {
        self.task.await.expect("drive does not panic")
    }

    /// Drops the future of `drive`.
    pub(crate) fn abort(&self) {
        self.task.abort();
    }

    pub(crate) fn is_done(&self) -> bool {
        self.task.is_finished()
    }
}

/// alice and bob in channel `a`. bob watches.
pub(crate) async fn two(server: &Server) -> (Peer, Peer) {
    let mut bob = Peer::joined(server, "bob", "a").await;
    let alice = Peer::joined(server, "alice", "a").await;
    assert_eq!(bob.told().await, "joined a alice");
    (alice, bob)
}

/// Runs every task until it waits. The clock advances by one millisecond.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Virtual seconds since `start`, rounded.
pub(crate) fn seconds_since(start: Instant) -> u64 {
    (start.elapsed() + Duration::from_millis(500)).as_secs()
}
