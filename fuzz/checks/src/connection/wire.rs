//! A connection in memory. The client's end says how much the server's end may read and write.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The client's end.
pub(super) struct Wire(Arc<Mutex<Pipe>>);

/// The server's end.
pub(super) struct Stream(Arc<Mutex<Pipe>>);

struct Pipe {
    to_server: VecDeque<u8>,
    /// The most bytes that one read gets.
    chunk: usize,
    to_client: Vec<u8>,
    /// The bytes that the client still takes.
    room: usize,
    /// The client is gone. The flag says whether the server finds an error, and not an end.
    gone: Option<bool>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wire {
    pub(super) fn new() -> (Self, Stream) {
        let pipe = Arc::new(Mutex::new(Pipe {
            to_server: VecDeque::new(),
            chunk: 4096,
            to_client: Vec::new(),
            room: 10_000,
            gone: None,
            reader: None,
            writer: None,
        }));
        (Self(Arc::clone(&pipe)), Stream(pipe))
    }

    pub(super) fn send(&self, bytes: &[u8]) {
        let mut pipe = self.0.lock();
        pipe.to_server.extend(bytes);
        wake(&mut pipe.reader);
    }

    pub(super) fn set_chunk(&self, bytes: usize) {
        self.0.lock().chunk = bytes;
    }

    /// Takes this many bytes from now on; 0 for none at all.
    pub(super) fn read_more(&self, bytes: usize) {
        let mut pipe = self.0.lock();
        pipe.room = match bytes {
            0 => 0,
            _ => pipe.room.saturating_add(bytes),
        };
        wake(&mut pipe.writer);
    }

    pub(super) fn hang_up(&self, with_an_error: bool) {
        let mut pipe = self.0.lock();
        pipe.gone.get_or_insert(with_an_error);
        wake(&mut pipe.reader);
        wake(&mut pipe.writer);
    }

    /// Takes out what the server has written.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().to_client)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut pipe = self.0.lock();
        let count = pipe.chunk.min(buffer.remaining()).min(pipe.to_server.len());
        match pipe.gone {
            _ if count > 0 => {
                let bytes: Vec<u8> = pipe.to_server.drain(..count).collect();
                buffer.put_slice(&bytes);
                Poll::Ready(Ok(()))
            }
            Some(false) => Poll::Ready(Ok(())),
            Some(true) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            None => {
                pipe.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.lock();
        if pipe.gone == Some(true) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let count = pipe.room.min(bytes.len());
        if count == 0 && !bytes.is_empty() {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        pipe.room -= count;
        pipe.to_client.extend_from_slice(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
