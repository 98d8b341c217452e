//! A connection that Actix keeps, as a stream of bytes: it is read from the payload of the request,
//! and written to the body of the answer.
//!
//! Both ways have backpressure. Actix stops reading the socket if 32 KiB of payload wait. A write
//! waits until Actix has taken the one before, and Actix takes none while 32 KiB of its own wait
//! for the socket.

use std::{
    cell::RefCell,
    fmt, io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Payload,
};
use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that one write hands over.
const MAX_WRITE: usize = 16 * 1024;

/// A connection that has left HTTP, although Actix keeps it. [`transport`](crate::transport) makes
/// it.
///
/// If it is dropped, Actix sends what was written, and closes the connection.
pub struct Connection {
    payload: Payload,
    /// What was read from the payload and not taken yet.
    read: Bytes,
    sender: Sender,
}

/// The body of the answer: all that the server sends.
pub(crate) struct Sent(Rc<RefCell<Handover>>);

struct Sender(Rc<RefCell<Handover>>);

/// What is between the two tasks: the one that runs the connection, and Actix's.
#[derive(Default)]
struct Handover {
    /// Written, and not taken by Actix.
    bytes: Bytes,
    /// One of the two ends is gone.
    closed: bool,
    /// Waits until there is something to take.
    taker: Option<Waker>,
    /// Waits until it is taken.
    writer: Option<Waker>,
}

/// A connection, and the body to answer with.
pub(crate) fn pair(payload: Payload) -> (Connection, Sent) {
    let handover = Rc::new(RefCell::new(Handover::default()));
    let connection = Connection {
        payload,
        read: Bytes::new(),
        sender: Sender(Rc::clone(&handover)),
    };
    (connection, Sent(handover))
}

impl Sender {
    /// Ready if Actix has taken everything.
    fn poll_taken(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut handover = self.0.borrow_mut();
        if handover.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if handover.bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        handover.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.read.is_empty() {
            match ready!(self.payload.poll_next_unpin(cx)) {
                Some(Ok(bytes)) => self.read = bytes,
                // The client is gone.
                Some(Err(_)) | None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..taken]);
        self.read.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.sender.poll_taken(cx))?;
        let written = buf.len().min(MAX_WRITE);
        let mut handover = self.sender.0.borrow_mut();
        handover.bytes = Bytes::copy_from_slice(&buf[..written]);
        let taker = handover.taker.take();
        drop(handover);
        taker.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(written))
    }

    /// Waits until Actix has taken everything. When the socket has taken it, nobody learns.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sender.poll_taken(cx)
    }

    /// Does what flushing does. Actix closes both halves together, and so after the last frame has
    /// come.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl MessageBody for Sent {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, io::Error>>> {
        let mut handover = self.0.borrow_mut();
        let bytes = std::mem::take(&mut handover.bytes);
        if bytes.is_empty() {
            if handover.closed {
                return Poll::Ready(None);
            }
            handover.taker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let writer = handover.writer.take();
        drop(handover);
        writer.into_iter().for_each(Waker::wake);
        Poll::Ready(Some(Ok(bytes)))
    }
}

impl fmt::Debug for Connection {
    /// Without the bytes: payloads must not reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        close(&self.0);
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        close(&self.0);
    }
}

/// Tells the other end that this one is gone.
fn close(handover: &RefCell<Handover>) {
    let mut handover = handover.borrow_mut();
    handover.closed = true;
    let wakers = [handover.taker.take(), handover.writer.take()];
    drop(handover);
    wakers.into_iter().flatten().for_each(Waker::wake);
}
