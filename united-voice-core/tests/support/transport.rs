//! A connection in memory: the transport for `drive`, and the client's end.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use futures::{Sink, Stream};
use parking_lot::Mutex;
use united_voice_core::{Frame, TransportError};

#[derive(Default)]
struct Pipe {
    to_server: VecDeque<Result<Frame, TransportError>>,
    to_client: VecDeque<Frame>,
    unflushed: bool,
    /// How often the server has flushed something.
    flushes: usize,
    /// How often the server has tried to read.
    reads: usize,
    /// If set, the transport accepts nothing, as if the client did not read and all buffers were
    /// full.
    stalled: bool,
    /// Counts the parts of messages that a stalled transport has taken.
    parts: u64,
    client_gone: bool,
    server_gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    client: Option<Waker>,
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The server's end.
pub(crate) struct ServerEnd(Arc<Mutex<Pipe>>);

/// The client's end.
pub(crate) struct ClientEnd(Arc<Mutex<Pipe>>);

pub(crate) fn pair() -> (ServerEnd, ClientEnd) {
    let pipe = Arc::new(Mutex::new(Pipe::default()));
    (ServerEnd(Arc::clone(&pipe)), ClientEnd(pipe))
}

impl ServerEnd {
    /// For `drive_counting`.
    pub(crate) fn bytes_taken(&self) -> u64 {
        self.0.lock().parts
    }
}

impl Stream for ServerEnd {
    type Item = Result<Frame, TransportError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut pipe = self.0.lock();
        pipe.reads += 1;
        if let Some(frame) = pipe.to_server.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if pipe.client_gone {
            return Poll::Ready(None);
        }
        pipe.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Sink<Frame> for ServerEnd {
    type Error = Infallible;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut pipe = self.0.lock();
        if pipe.stalled {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, frame: Frame) -> Result<(), Infallible> {
        let mut pipe = self.0.lock();
        pipe.to_client.push_back(frame);
        pipe.unflushed = true;
        wake(&mut pipe.client);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let mut pipe = self.0.lock();
        if !pipe.stalled && std::mem::take(&mut pipe.unflushed) {
            pipe.flushes += 1;
        }
        drop(pipe);
        self.poll_ready(cx)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        let mut pipe = self.0.lock();
        pipe.server_gone = true;
        wake(&mut pipe.client);
    }
}

impl ClientEnd {
    pub(crate) fn send(&self, frame: Result<Frame, TransportError>) {
        let mut pipe = self.0.lock();
        pipe.to_server.push_back(frame);
        wake(&mut pipe.reader);
    }

    /// Ends the connection without a close frame.
    pub(crate) fn hang_up(&self) {
        let mut pipe = self.0.lock();
        pipe.client_gone = true;
        wake(&mut pipe.reader);
    }

    pub(crate) fn stall(&self, stalled: bool) {
        let mut pipe = self.0.lock();
        pipe.stalled = stalled;
        wake(&mut pipe.writer);
    }

    /// Reads a part of a message. The transport still takes no other.
    pub(crate) fn read_part(&self) {
        let mut pipe = self.0.lock();
        pipe.parts += 1;
        wake(&mut pipe.writer);
    }

    /// How often the server has flushed something.
    pub(crate) fn flushes(&self) -> usize {
        self.0.lock().flushes
    }

    /// How often the server has tried to read.
    pub(crate) fn reads(&self) -> usize {
        self.0.lock().reads
    }

    /// Frames that the server has not read yet.
    pub(crate) fn unread(&self) -> usize {
        self.0.lock().to_server.len()
    }

    pub(crate) fn try_next(&self) -> Option<Frame> {
        self.0.lock().to_client.pop_front()
    }

    /// The next frame. `None` if the server has dropped its end.
    pub(crate) async fn next(&self) -> Option<Frame> {
        poll_fn(|cx| {
            let mut pipe = self.0.lock();
            if let Some(frame) = pipe.to_client.pop_front() {
                return Poll::Ready(Some(frame));
            }
            if pipe.server_gone {
                return Poll::Ready(None);
            }
            pipe.client = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}
