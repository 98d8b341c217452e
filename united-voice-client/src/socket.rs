//! One WebSocket: envelopes out and in at the same time, and pings.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::{Sink, Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};
use united_voice_proto::{self as proto, Codec, ws::Envelope};

use crate::Disconnect;

/// A two-way byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for S {}

/// Frames that may wait to be written. Beyond it no command is taken, so that the application waits.
const MAX_OUTGOING: usize = 64;

/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a silent connection is probed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keepalive {
    /// Silence before a ping.
    pub(crate) interval: Duration,
    /// Silence after it before the connection counts as dead.
    pub(crate) timeout: Duration,
}

/// What the socket gave.
#[derive(Debug)]
pub(crate) enum Turn {
    Received(Envelope),
    Ended(Disconnect),
}

#[derive(Debug)]
pub(crate) struct Socket {
    stream: WebSocketStream<Box<dyn Io>>,
    codec: Codec,
    limit: usize,
    keepalive: Keepalive,
    outgoing: VecDeque<Message>,
    heard: Instant,
    pinged: bool,
    reading: bool,
}

impl std::fmt::Debug for dyn Io {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Io")
    }
}

impl Socket {
    pub(crate) fn new(
        stream: WebSocketStream<Box<dyn Io>>,
        codec: Codec,
        limit: usize,
        keepalive: Keepalive,
    ) -> Self {
        Self {
            stream,
            codec,
            limit,
            keepalive,
            outgoing: VecDeque::new(),
            heard: Instant::now(),
            pinged: false,
            reading: true,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outgoing.len() < MAX_OUTGOING
    }

    pub(crate) fn queue(&mut self, envelope: &Envelope) {
        let message = match self.codec {
            Codec::Protobuf => Message::Binary(proto::encode_protobuf(envelope)),
            Codec::Json => Message::text(proto::encode_json(envelope)),
        };
        self.outgoing.push_back(message);
    }

    /// Writes what waits and, if it is to, reads the next envelope.
    ///
    /// Both go on at the same time: a server that stops reading until its answers have been read would wait for ever
    /// for a client that writes first. Nothing is lost where the future is dropped.
    pub(crate) async fn turn(&mut self, reading: bool) -> Turn {
        if reading && !self.reading {
            // It was us who did not listen.
            self.heard = Instant::now();
        }
        self.reading = reading;
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            if let Poll::Ready(Err(_)) = self.poll_write(cx) {
                // Why it ended stands in what can still be read.
                if !self.reading {
                    return Poll::Ready(Turn::Ended(Disconnect::Lost));
                }
                self.outgoing.clear();
            }
            if !self.reading {
                return Poll::Pending;
            }
            let next = ready!(Pin::new(&mut self.stream).poll_next(cx));
            self.heard = Instant::now();
            self.pinged = false;
            match next {
                Some(Ok(Message::Close(frame))) => {
                    // The answer to it is queued; whether it can be written is no matter any more.
                    let _ = Pin::new(&mut self.stream).poll_flush(cx);
                    return Poll::Ready(Turn::Ended(closed(frame)));
                }
                Some(Ok(message)) => {
                    if let Some(envelope) = self.decode(&message) {
                        return Poll::Ready(Turn::Received(envelope));
                    }
                }
                Some(Err(_)) | None => return Poll::Ready(Turn::Ended(Disconnect::Lost)),
            }
        }
    }

    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), tokio_tungstenite::tungstenite::Error>> {
        let mut stream = Pin::new(&mut self.stream);
        while !self.outgoing.is_empty() {
            ready!(stream.as_mut().poll_ready(cx))?;
            let message = self.outgoing.pop_front().expect("there is one");
            stream.as_mut().start_send(message)?;
        }
        stream.poll_flush(cx)
    }

    /// Frames of the other kind, pings, and payloads that this version does not know are none.
    fn decode(&self, message: &Message) -> Option<Envelope> {
        let frame: &[u8] = match (self.codec, message) {
            (Codec::Protobuf, Message::Binary(bytes)) => bytes,
            (Codec::Json, Message::Text(text)) => text.as_bytes(),
            _ => return None,
        };
        proto::decode(self.codec, frame, self.limit).ok()
    }

    /// When to call [`is_dead`](Self::is_dead). Who does not read can't tell whether the server is there.
    pub(crate) fn deadline(&self, reading: bool) -> Option<Instant> {
        let silence = if self.pinged {
            self.keepalive.interval + self.keepalive.timeout
        } else {
            self.keepalive.interval
        };
        (reading && self.reading).then(|| self.heard + silence)
    }

    /// Pings a server that has been silent for some time; true where that was in vain.
    pub(crate) fn is_dead(&mut self, now: Instant) -> bool {
        let silence = now.saturating_duration_since(self.heard);
        if !self.reading || silence < self.keepalive.interval {
            return false;
        }
        if !self.pinged {
            self.pinged = true;
            self.outgoing.push_back(Message::Ping(Bytes::new()));
        }
        silence >= self.keepalive.interval + self.keepalive.timeout
    }

    /// Writes what waits, closes with 1000 and waits for the answer, all of it for 2 s at most.
    pub(crate) async fn close(mut self) {
        self.outgoing.push_back(Message::Close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        })));
        let closing = async { while let Turn::Received(_) = self.turn(true).await {} };
        // Whoever does not answer a close frame in time is cut off.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }
}

fn closed(frame: Option<CloseFrame>) -> Disconnect {
    Disconnect::from_code(frame.map_or(1005, |frame| frame.code.into()))
}
