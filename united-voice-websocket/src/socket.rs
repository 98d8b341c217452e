//! A WebSocket (RFC 6455) as the stream and sink of frames that the library drives. It runs over
//! the connection that a server hands over after an upgrade.
//!
//! A silent connection has no buffer: reads and writes use buffers that the thread [lends](lent).
//! tungstenite's own stream keeps both buffers as long as the connection lasts, so this module uses
//! only its headers, opcodes and close codes.

use std::{
    fmt, io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tungstenite::protocol::frame::coding::CloseCode;
use united_voice_core::{CloseFrame, Frame, Limits, TransportError};

use crate::{incoming::Incoming, lent, outgoing::Outgoing};

/// How many reads in a row drop what comes, before other tasks get a turn.
const DROPPING_READS: usize = 16;

/// The server's side of a WebSocket over a connection that has left HTTP.
///
/// Reading it also answers pings and the client's close frame. A message that is too large is
/// refused as soon as its headers say so, before any more of it is collected. Each frame of a
/// message in fragments is handed out, all but the last as [`Frame::Fragment`], so that they count
/// in the client's rate. There are no extensions, so nothing is compressed.
///
/// After an error the stream gives no more frames. It reads on and drops what comes, until the
/// client closes the connection: a socket that is closed with unread data resets the connection,
/// and the close frame may not arrive. [`drive`](united_voice_core::drive) limits the time for
/// this. Once the close frame is sent, reading also closes the sending half.
///
/// A silent WebSocket has no memory on the heap. At most it holds three things: an incomplete
/// message of up to `max_message_bytes`, up to 16 KiB that were read and are not handled yet, and
/// the bytes that the socket has not taken, which are less than 8 KiB and one message.
pub struct WebSocket<S> {
    stream: S,
    /// Bytes from the socket, in a lent buffer. It is given back when all of them are handled.
    unread: Vec<u8>,
    /// How many of the unread bytes are handled.
    handled: usize,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The payload of the latest ping, if it is not answered yet. RFC 6455, section 5.5.3, allows
    /// an answer to the latest only, so a client that sends pings and reads nothing costs no more
    /// memory.
    unanswered: Option<Bytes>,
    /// An answer is in `outgoing`, but not flushed.
    answered: bool,
    close: Close,
    reading: Reading,
}

/// How far the closing handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// It has not begun.
    No,
    /// Our close frame is in `outgoing`. Nothing may follow it.
    Ours,
    /// The client's close frame has come, and ours is in `outgoing`.
    Both,
}

/// What becomes of the bytes that the client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// They are frames.
    Frames,
    /// The client broke a rule, so they are dropped.
    Dropping,
    /// The same, and the sending half is closed.
    DroppingHalfClosed,
    /// There are no more: the connection is lost, or the closing handshake is over.
    Ended,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Takes the connection over from HTTP. `read` is what HTTP has read behind the request.
    /// `max_message_bytes` of `limits` applies.
    pub fn new(stream: S, read: impl AsRef<[u8]>, limits: &Limits) -> Self {
        Self {
            stream,
            // A copy, so that HTTP's buffer, which is large, is freed here.
            unread: read.as_ref().to_vec(),
            handled: 0,
            incoming: Incoming::new(limits.max_message_bytes),
            outgoing: Outgoing::default(),
            unanswered: None,
            answered: false,
            close: Close::No,
            reading: Reading::Frames,
        }
    }

    /// How many bytes the connection has taken since the WebSocket began. It is for
    /// [`drive_counting`](united_voice_core::drive_counting), which must tell a client that reads
    /// slowly from one that does not read.
    pub fn bytes_taken(&self) -> u64 {
        self.outgoing.taken_in_all()
    }

    /// Sends the answers to pings and to the client's close frame. Pending if the socket does not
    /// take them now.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.outgoing.is_full()
            && let Some(payload) = self.unanswered.take()
        {
            self.outgoing.push(&Frame::Pong(payload));
            self.answered = true;
        }
        if self.answered {
            ready!(self.outgoing.poll_flush(&mut self.stream, cx))?;
            self.answered = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, TransportError>> {
        loop {
            let mut input = &self.unread[self.handled..];
            let frame = self.incoming.read(&mut input)?;
            self.handled = self.unread.len() - input.len();
            if input.is_empty() {
                self.handled = 0;
                lent::give_back(&mut self.unread);
            }
            if let Some(frame) = frame {
                return Poll::Ready(Ok(frame));
            }
            let mut buffer = lent::borrow();
            match pin!(self.stream.read_buf(&mut buffer)).poll(cx)? {
                // The client is gone without a close frame.
                Poll::Ready(0) => {
                    return Poll::Ready(Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
                }
                Poll::Ready(_) => self.unread = buffer,
                Poll::Pending => {
                    lent::give_back(&mut buffer);
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads and drops what comes. Ready if there is no more.
    fn poll_drop(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.unread = Vec::new();
        if self.reading == Reading::Dropping && self.close == Close::Ours {
            // A client that does not answer the close frame sees by this that the server is done.
            let closed = self
                .outgoing
                .poll_flush(&mut self.stream, cx)
                .map_err(drop)
                .is_ready()
                && Pin::new(&mut self.stream).poll_shutdown(cx).is_ready();
            if closed {
                self.reading = Reading::DroppingHalfClosed;
            }
        }
        let mut buffer = lent::borrow();
        let mut dropped = Poll::Pending;
        for read in 1..=DROPPING_READS {
            match pin!(self.stream.read_buf(&mut buffer)).poll(cx) {
                Poll::Ready(Ok(1..)) => buffer.clear(),
                Poll::Ready(Ok(0) | Err(_)) => {
                    dropped = Poll::Ready(());
                    break;
                }
                Poll::Pending => break,
            }
            if read == DROPPING_READS {
                cx.waker().wake_by_ref();
            }
        }
        lent::give_back(&mut buffer);
        dropped
    }

    /// Notes what must be answered. Returns the frame, because the library counts all of them as
    /// signs of life.
    fn answer(&mut self, frame: Frame) -> Frame {
        match frame {
            Frame::Ping(payload) => {
                if self.close == Close::No {
                    self.unanswered = Some(payload.clone());
                }
                Frame::Ping(payload)
            }
            Frame::Close(close) => {
                let close = Frame::Close(close.map(allowed));
                if self.close == Close::No {
                    // Nothing may follow a close frame, so an earlier ping stays without an answer.
                    self.unanswered = None;
                    self.outgoing.push(&close);
                    self.answered = true;
                }
                self.close = Close::Both;
                close
            }
            other => other,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Frame, TransportError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match this.reading {
            Reading::Frames => {}
            Reading::Dropping | Reading::DroppingHalfClosed => {
                ready!(this.poll_drop(cx));
                this.reading = Reading::Ended;
                return Poll::Ready(None);
            }
            Reading::Ended => return Poll::Ready(None),
        }
        let answered = this.poll_answer(cx)?;
        if this.close == Close::Both {
            ready!(answered);
            this.reading = Reading::Ended;
            return Poll::Ready(None);
        }
        let frame = ready!(this.poll_frame(cx));
        match &frame {
            Ok(_) => {}
            Err(TransportError::Io(_)) => this.reading = Reading::Ended,
            Err(_) => this.reading = Reading::Dropping,
        }
        Poll::Ready(Some(frame.map(|frame| this.answer(frame))))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Frame> for WebSocket<S> {
    type Error = TransportError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        if this.outgoing.is_full() {
            ready!(this.outgoing.poll_write(&mut this.stream, cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Frame) -> Result<(), Self::Error> {
        if self.close != Close::No {
            return Err(TransportError::Protocol);
        }
        self.outgoing.push(&frame);
        if matches!(frame, Frame::Close(_)) {
            self.close = Close::Ours;
            // Nothing may follow a close frame, so an earlier ping stays without an answer.
            self.unanswered = None;
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        ready!(this.outgoing.poll_flush(&mut this.stream, cx))?;
        // A pong that had no room before has room now.
        this.poll_answer(cx).map_err(Into::into)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if self.close == Close::No {
            self.as_mut().start_send(Frame::Close(None))?;
        }
        self.poll_flush(cx)
    }
}

impl<S> fmt::Debug for WebSocket<S> {
    /// Without the buffers: payloads must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("close", &self.close)
            .field("reading", &self.reading)
            .finish_non_exhaustive()
    }
}

/// The close frame to echo. If the client sent a code that must not be sent, such as 1005 (RFC
/// 6455, section 7.4), it is replaced by a protocol error.
fn allowed(close: CloseFrame) -> CloseFrame {
    if CloseCode::from(close.code).is_allowed() {
        return close;
    }
    CloseFrame {
        code: CloseCode::Protocol.into(),
        reason: "Protocol violation".into(),
    }
}

#[cfg(test)]
mod tests;
