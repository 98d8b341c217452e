//! Connections that end in two steps, so that the client gets the last bytes the server sent.
//!
//! If a socket is closed while the client still sends, the kernel answers with a reset. The reset
//! can destroy bytes that the client has not read yet: the close frame, or an answer of 413. So a
//! connection that is dropped goes to a task, which shuts down the sending half and then reads and
//! drops what the client sends, until the client closes too.

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::{
    Host, Peer, descriptors,
    gate::{Gate, HalfOpen, Refusal},
    request_clock::{Expired, RequestClock, Sent},
    turn::Reading,
};

/// How long a client may keep sending.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much it may send in that time.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// The most that is read at once before a connection becomes a WebSocket. A framework keeps every
/// request that it has read, so it must not read many at once.
const READ_BYTES: usize = 2048;

/// How an answer begins that says that the client has made a mistake.
const REFUSED: &[u8] = b"HTTP/1.1 4";

/// How many connections may end like this at the same time. Each costs its socket and 8 KiB. Any
/// more are closed at once.
const MAX_LINGERING: usize = 1024;

/// Wraps the connections of one server, and limits how many there are and how many of them end in
/// two steps at the same time. Clones share the limits.
#[derive(Clone, Debug)]
pub struct Lingering {
    slots: Arc<Semaphore>,
    gate: Arc<Gate>,
}

impl Lingering {
    /// Wraps the connections of a server with the limits of `host`.
    pub fn new(host: &Host) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(MAX_LINGERING)),
            gate: Arc::clone(&host.gate),
        }
    }

    /// Wraps a connection that was just accepted, makes it send without delay, and limits how long
    /// the client may take for each request. `None` if the process has too few descriptors left for
    /// it, or if there are too many connections. The connection is closed then.
    pub fn stream(&self, stream: TcpStream) -> Option<LingeringStream> {
        if descriptors::are_gone(descriptors::of(&stream)) {
            self.gate.count_refused(Refusal::Descriptors);
            return None;
        }
        // If it has no address, the client has gone already.
        let address = stream.peer_addr().ok()?.ip();
        let peer = Peer::connect(&self.gate, address)?;
        let half_open = peer.begin_head()?;
        // Signals are small and somebody waits for each. Nagle's algorithm would hold them back for
        // up to 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot turn Nagle's algorithm off");
        }
        Some(LingeringStream {
            stream: Some(stream),
            client_is_done: false,
            half_open: Some(half_open),
            has_read: false,
            is_given_up: false,
            peer,
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
    peer: Peer,
    /// `None` for a WebSocket.
    clock: Option<RequestClock>,
    /// Counts the request whose head has begun.
    half_open: Option<HalfOpen>,
    /// The last read was a full one, and the framework must look at it before the next.
    has_read: bool,
    /// The client's time is up.
    is_given_up: bool,
    slots: Arc<Semaphore>,
}

impl LingeringStream {
    /// The other end, for the handlers of the requests.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("only `drop` takes it"))
    }

    /// Reads a part of a request.
    fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.peer.turn().poll_reading(cx) {
            Poll::Ready(Reading::Allowed) => {}
            Poll::Ready(Reading::Over) => return Poll::Ready(Ok(())),
            Poll::Pending => return self.poll_end(cx),
        }
        if mem::take(&mut self.has_read) {
            // Some frameworks read as long as something comes.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut bytes = [0; READ_BYTES];
        let room = buf.remaining().min(READ_BYTES);
        let mut part = ReadBuf::new(&mut bytes[..room]);
        let poll = self.stream().poll_read(cx, &mut part);
        match poll {
            Poll::Ready(Ok(())) => {
                let came = part.filled();
                buf.put_slice(came);
                self.client_is_done |= came.is_empty() && room > 0;
                self.has_read = came.len() == READ_BYTES;
                if !came.is_empty() && !self.note_received(came) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
            }
            Poll::Ready(Err(_)) => self.client_is_done = true,
            Poll::Pending => return self.poll_end(cx),
        }
        poll
    }

    /// Whether the request may go on.
    fn note_received(&mut self, bytes: &[u8]) -> bool {
        let Some(clock) = &mut self.clock else {
            return true;
        };
        clock.received(bytes, Instant::now());
        if !clock.is_half_open() {
            self.half_open = None;
        } else if self.half_open.is_none() {
            self.half_open = self.peer.begin_head();
            return self.half_open.is_some();
        }
        true
    }

    /// The end of the stream as soon as the client's time is up, as if the client had gone:
    /// frameworks take that for what it is, and some log an error as their own.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(clock) = &mut self.clock else {
            return Poll::Pending;
        };
        let expired = ready!(clock.poll_expired(cx));
        self.give_up(expired);
        Poll::Ready(Ok(()))
    }

    fn give_up(&mut self, expired: Expired) {
        // The framework may ask several times.
        if mem::replace(&mut self.is_given_up, true) {
            return;
        }
        match expired {
            Expired::Idle => {}
            Expired::Request => self.peer.count_refused(Refusal::TooSlow),
            Expired::Answer => {
                self.peer.count_refused(Refusal::Unread);
                // The kernel would keep trying to send what the client does not read.
                let reset = self
                    .stream
                    .as_ref()
                    .map(|stream| SockRef::from(stream).set_linger(Some(Duration::ZERO)));
                if let Some(Err(error)) = reset {
                    tracing::debug!(%error, "cannot reset a connection");
                }
                self.client_is_done = true;
            }
        }
    }

    /// What becomes of an attempt to send these bytes.
    fn note_sent(
        &mut self,
        cx: &mut Context<'_>,
        sent: Poll<io::Result<usize>>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(clock) = &mut self.clock else {
            return sent;
        };
        match sent {
            Poll::Ready(Ok(1..)) => {
                if self.peer.turn().is_unasked() && bytes.starts_with(REFUSED) {
                    // The framework itself has refused what the client sent.
                    self.peer.count_refused(Refusal::BadRequest);
                }
                self.half_open = None;
                let became = clock.sent(bytes, Instant::now());
                // If no WebSocket was granted, it is a text in the middle of an answer.
                if became == Sent::Switched && self.peer.turn().is_granted() {
                    self.clock = None;
                }
            }
            Poll::Pending => {
                clock.blocked(Instant::now());
                let expired = ready!(clock.poll_expired(cx));
                self.give_up(expired);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            Poll::Ready(_) => {}
        }
        sent
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
        if self.clock.is_some() {
            return self.poll_request(cx, buf);
        }
        let (filled, room) = (buf.filled().len(), buf.remaining());
        let poll = self.stream().poll_read(cx, buf);
        self.client_is_done |= match &poll {
            Poll::Ready(Ok(())) => buf.filled().len() == filled && room > 0,
            Poll::Ready(Err(_)) => true,
            Poll::Pending => false,
        };
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
        self.note_sent(cx, sent, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The stream itself holds nothing back, so all that the framework had is sent.
        if let Some(clock) = &mut self.clock {
            clock.flushed(Instant::now());
            self.peer.turn().flushed();
        }
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
        self.note_sent(cx, sent, bufs.first().map_or(&[], |buf| buf))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }
}
