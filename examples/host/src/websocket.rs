//! A WebSocket (RFC 6455) as the stream and sink of frames that the library drives, over whatever the framework gives
//! up when it upgrades a connection.
//!
//! A silent connection has no buffer: what is read and written goes through buffers that are [lent](lent). That is why this is not
//! tungstenite's own stream, which keeps both for as long as the connection lasts.

pub(crate) mod handshake;
mod incoming;
mod lent;
mod outgoing;
pub(crate) mod subprotocol;

use std::{
    fmt, io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use united_voice_core::{CloseFrame, Frame, Limits, TransportError};

use self::{incoming::Incoming, outgoing::Outgoing};

/// The server's side of a WebSocket over a connection that has left HTTP.
///
/// Pings and the client's close frame are answered while it is read. A message that is too large is refused by the lengths that
/// its headers announce, before the excess is collected. It offers no extension, so nothing is compressed.
///
/// While nothing is under way it has no memory but its own. Beyond that it holds the message that is coming in, up to
/// 16 KiB that were read and not yet asked for, and what the socket has not taken: less than 8 KiB and one message.
pub struct WebSocket<S> {
    stream: S,
    /// Lent; without memory once all of it is handled.
    unread: Vec<u8>,
    /// So much of it is handled.
    handled: usize,
    incoming: Incoming,
    outgoing: Outgoing,
    /// The latest ping, which has still to be answered. A client that pings without end and reads nothing costs no more.
    unanswered: Option<Bytes>,
    /// An answer is written, but not flushed.
    answered: bool,
    close: Close,
    /// Nothing more is read.
    ended: bool,
}

/// How far the closing handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Close {
    /// It has not begun.
    No,
    /// Our close frame is written, and nothing may follow it.
    Ours,
    /// Both are: the client's has come.
    Both,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Takes over from HTTP, which has `read` what came behind the request. Of `limits` it keeps `max_message_bytes`.
    pub fn new(stream: S, read: impl AsRef<[u8]>, limits: &Limits) -> Self {
        Self {
            stream,
            // HTTP's buffer can be most of a connection's memory: copied from, it ends here.
            unread: read.as_ref().to_vec(),
            handled: 0,
            incoming: Incoming::new(limits.max_message_bytes),
            outgoing: Outgoing::default(),
            unanswered: None,
            answered: false,
            close: Close::No,
            ended: false,
        }
    }

    /// Sends answers to what was read, as far as the socket takes them.
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

    /// Notes what has to be answered; hands the frame on as a sign of life.
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
                    // A ping that is not answered yet never is.
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
        if this.ended {
            return Poll::Ready(None);
        }
        let answered = this.poll_answer(cx)?;
        if this.close == Close::Both {
            ready!(answered);
            this.ended = true;
            return Poll::Ready(None);
        }
        let frame = ready!(this.poll_frame(cx));
        this.ended = frame.is_err();
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
        }
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let this = &mut *self;
        ready!(this.outgoing.poll_flush(&mut this.stream, cx))?;
        // There may have been no room for it before.
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
    /// What was said is nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("close", &self.close)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// A close frame to be echoed. Codes that must not be sent, such as 1005 (RFC 6455, section 7.4), break a rule.
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
