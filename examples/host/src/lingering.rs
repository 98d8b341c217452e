//! Connections that end in two steps, so that the client gets the last bytes the server sent.
//!
//! If a socket is closed while the client still sends, the kernel answers with a reset. The reset
//! can destroy bytes that the client has not read yet: the close frame, or an answer of 413. So a
//! connection that is dropped goes to a task, which shuts down the sending half and then reads and
//! drops what the client sends, until the client closes too.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{
    descriptors,
    request_clock::{RequestClock, Sent},
};

/// How long a client may keep sending.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much it may send in that time.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// How many connections may end like this at the same time. Each costs its socket and 8 KiB. Any
/// more are closed at once.
const MAX_LINGERING: usize = 1024;

/// Wraps the connections of one server, and limits how many of them end in two steps at the same
/// time. Clones share the limit.
#[derive(Clone, Debug)]
pub struct Lingering {
    slots: Arc<Semaphore>,
}

impl Default for Lingering {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(MAX_LINGERING)),
        }
    }
}

impl Lingering {
    /// Wraps a connection that was just accepted, makes it send without delay, and limits how long
    /// the client may take for each request. `None` if the process has too few descriptors left for
    /// it. The connection is closed then.
    pub fn stream(&self, stream: TcpStream) -> Option<LingeringStream> {
        if descriptors::are_gone(descriptors::of(&stream)) {
            return None;
        }
        // Signals are small and somebody waits for each. Nagle's algorithm would hold them back for
        // up to 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot turn Nagle's algorithm off");
        }
        Some(LingeringStream {
            stream: Some(stream),
            client_is_done: false,
            clock: Some(RequestClock::new(Instant::now())),
            slots: Arc::clone(&self.slots),
        })
    }
}

/// A connection that ends in two steps when it is dropped.
#[derive(Debug)]
pub struct LingeringStream {
    /// `None` only while the connection is dropped.
    stream: Option<TcpStream>,
    client_is_done: bool,
    /// `None` for a WebSocket.
    clock: Option<RequestClock>,
    slots: Arc<Semaphore>,
}

impl LingeringStream {
    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("only `drop` takes it"))
    }

    fn note_sent(&mut self, sent: &Poll<io::Result<usize>>, bytes: &[u8]) {
        if let (Some(clock), Poll::Ready(Ok(1..))) = (&mut self.clock, sent)
            && clock.sent(bytes, Instant::now()) == Sent::Switched
        {
            self.clock = None;
        }
    }
}

impl Drop for LingeringStream {
    fn drop(&mut self) {
        let (Some(stream), false) = (self.stream.take(), self.client_is_done) else {
            return;
        };
        if descriptors::are_scarce(descriptors::of(&stream)) {
            // Others need the descriptor more than this client needs a clean end.
            return;
        }
        if let (Ok(runtime), Ok(slot)) = (
            Handle::try_current(),
            Arc::clone(&self.slots).try_acquire_owned(),
        ) {
            runtime.spawn(linger(stream, slot));
        }
    }
}

async fn linger(mut stream: TcpStream, _slot: OwnedSemaphorePermit) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut dropped = vec![0; 8 * 1024];
    let mut allowance = MAX_BYTES;
    let drain = async {
        while let Ok(read @ 1..) = stream.read(&mut dropped).await {
            let Some(left) = allowance.checked_sub(read) else {
                return;
            };
            allowance = left;
        }
    };
    // The socket closes now, whether the client was done or not.
    let _ = timeout(PATIENCE, drain).await;
}

impl AsyncRead for LingeringStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (filled, room) = (buf.filled().len(), buf.remaining());
        let poll = self.stream().poll_read(cx, buf);
        let nothing_came = buf.filled().len() == filled && room > 0;
        match &poll {
            Poll::Ready(Ok(())) => {
                self.client_is_done |= nothing_came;
                if let (Some(clock), false) = (&mut self.clock, nothing_came) {
                    clock.received(&buf.filled()[filled..], Instant::now());
                }
            }
            Poll::Ready(Err(_)) => self.client_is_done = true,
            Poll::Pending => {
                if let Some(clock) = &mut self.clock
                    && clock.poll_expired(cx).is_ready()
                {
                    // The end of the stream, as if the client had gone: frameworks take that for
                    // what it is, and some log an error as their own.
                    return Poll::Ready(Ok(()));
                }
            }
        }
        poll
    }
}

impl AsyncWrite for LingeringStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.stream().poll_write(cx, buf);
        self.note_sent(&sent, buf);
        sent
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = self.stream().poll_write_vectored(cx, bufs);
        self.note_sent(&sent, bufs.first().map_or(&[], |buf| buf));
        sent
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }
}
