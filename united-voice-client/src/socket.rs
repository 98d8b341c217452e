//! One WebSocket: it writes and reads envelopes at the same time, and sends pings.

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

use crate::event::Disconnect;

/// A two-way byte stream.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for S {}

/// Frames that may wait to be written. If so many wait, the client takes no command, and so the
/// application waits.
const MAX_OUTGOING: usize = 64;

/// How long closing may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How a silent connection is probed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keepalive {
    /// Silence before a ping.
    pub(crate) interval: Duration,
    /// Silence after the ping before the connection counts as dead.
    pub(crate) timeout: Duration,
}

/// What one turn of the socket gave.
#[derive(Debug)]
pub(crate) enum Turn {
    Received(Envelope),
    /// So much was written that there is room for frames again.
    HasRoom,
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

    /// Writes what waits and, if `reading`, reads the next envelope.
    ///
    /// Both go on at the same time. A server may stop reading until the client has read its
    /// answers, and a client that writes first would wait without end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn turn(&mut self, reading: bool) -> Turn {
        if reading && !self.reading {
            // The server was not silent: this client did not read.
            self.heard = Instant::now();
        }
        self.reading = reading;
        poll_fn(|cx| self.poll_turn(cx)).await
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Turn> {
        let was_full = !self.has_room();
        loop {
            if let Poll::Ready(Err(_)) = self.poll_write(cx) {
                // A close frame that can still be read may say why the connection ended.
                if !self.reading {
                    return Poll::Ready(Turn::Ended(Disconnect::Lost));
                }
                self.outgoing.clear();
            }
            if was_full && self.has_room() {
                return Poll::Ready(Turn::HasRoom);
            }
            if !self.reading {
                return Poll::Pending;
            }
            let next = ready!(Pin::new(&mut self.stream).poll_next(cx));
            self.heard = Instant::now();
            self.pinged = false;
            match next {
                Some(Ok(Message::Close(frame))) => {
                    // tungstenite has queued the answer. It does not matter any more whether it can
                    // be written.
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
            let message = self
                .outgoing
                .pop_front()
                .expect("the queue was just seen not to be empty");
            stream.as_mut().start_send(message)?;
        }
        stream.poll_flush(cx)
    }

    /// The envelope in a message. Pings, frames of the other kind, and messages that can't be
    /// decoded give `None`.
    fn decode(&self, message: &Message) -> Option<Envelope> {
        let frame: &[u8] = match (self.codec, message) {
            (Codec::Protobuf, Message::Binary(bytes)) => bytes,
            (Codec::Json, Message::Text(text)) => text.as_bytes(),
            _ => return None,
        };
        proto::decode(self.codec, frame, self.limit).ok()
    }

    /// When to call [`is_dead`](Self::is_dead). There is no deadline while the client does not
    /// read, because it can't tell whether the server is there.
    pub(crate) fn deadline(&self, reading: bool) -> Option<Instant> {
        let silence = if self.pinged {
            self.keepalive.interval + self.keepalive.timeout
        } else {
            self.keepalive.interval
        };
        (reading && self.reading).then(|| self.heard + silence)
    }

    /// Pings a server that has been silent for some time. Returns whether it was silent for too
    /// long after that.
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

    /// Writes what waits, closes with code 1000 and waits for the answer. All of this takes at most
    /// 2 s.
    pub(crate) async fn close(mut self) {
        self.outgoing.push_back(Message::Close(Some(CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        })));
        let closing = async { while !matches!(self.turn(true).await, Turn::Ended(_)) {} };
        // A server that does not answer in time is cut off.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closing).await;
    }
}

fn closed(frame: Option<CloseFrame>) -> Disconnect {
    Disconnect::from_code(frame.map_or(1005, |frame| frame.code.into()))
}
