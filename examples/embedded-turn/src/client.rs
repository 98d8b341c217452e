//! The near side: one client, by UDP or TCP, as the relay sees it.
//!
//! Every client has a relay server of its own, at the cost of two tasks and a few KiB. A server
//! never forgets a nonce; with a server for each client, the nonces go when the client goes, and no
//! client can fill the memory of another's server.

use std::{
    any::Any,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use parking_lot::Mutex;
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    select,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::{
    codec::FramedRead,
    sync::{CancellationToken, DropGuard},
    task::task_tracker::TaskTrackerToken,
};
use turn::server::{
    Server,
    config::{ConnConfig, ServerConfig},
};
use webrtc_util::Conn;

use crate::{
    Shared,
    credentials::REALM,
    datagrams::Datagrams,
    framing::{self, Framing, MAX_MESSAGE},
    quota::ClientPermit,
    relay::RelaySockets,
    session::{Checkpoint, Session},
};

/// How long a client without an allocation may be silent. A client with an allocation is kept until
/// that has expired.
pub(crate) const IDLE: Duration = Duration::from_secs(15);

/// How long it may take to write a message to a TCP client. Other messages to that client wait in
/// the system's buffers, or are lost.
const WRITING_PATIENCE: Duration = Duration::from_secs(5);

/// Where messages come from.
enum Source {
    Udp(mpsc::Receiver<Bytes>),
    Tcp(FramedRead<OwnedReadHalf, Framing>),
}

/// Where answers go.
enum Outlet {
    Udp(Arc<Datagrams>),
    Tcp(tokio::sync::Mutex<OwnedWriteHalf>),
}

/// One client. The client and its server end together.
pub(crate) struct Client {
    source: tokio::sync::Mutex<Source>,
    outlet: Outlet,
    address: SocketAddr,
    local: SocketAddr,
    session: Arc<Session>,
    allowance: Mutex<Allowance>,
    /// Cancelled when the client is cut off, and when it is dropped.
    end: CancellationToken,
    _ending: DropGuard,
    _permit: ClientPermit,
    _tracked: TaskTrackerToken,
}

impl Client {
    pub(crate) fn udp(
        shared: &Shared,
        permit: ClientPermit,
        (messages, socket): (mpsc::Receiver<Bytes>, Arc<Datagrams>),
        address: SocketAddr,
    ) -> Self {
        Self::new(
            shared,
            permit,
            (Source::Udp(messages), Outlet::Udp(socket)),
            address,
        )
    }

    pub(crate) fn tcp(
        shared: &Shared,
        permit: ClientPermit,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Self {
        let (reading, writing) = stream.into_split();
        let source = Source::Tcp(FramedRead::with_capacity(reading, Framing, MAX_MESSAGE));
        let outlet = Outlet::Tcp(tokio::sync::Mutex::new(writing));
        Self::new(shared, permit, (source, outlet), address)
    }

    fn new(
        shared: &Shared,
        permit: ClientPermit,
        (source, outlet): (Source, Outlet),
        address: SocketAddr,
    ) -> Self {
        let end = CancellationToken::new();
        Self {
            source: tokio::sync::Mutex::new(source),
            outlet,
            address,
            local: shared.local,
            session: Arc::default(),
            allowance: Mutex::new(Allowance::new(Instant::now())),
            _ending: end.clone().drop_guard(),
            end,
            _permit: permit,
            _tracked: shared.tasks.token(),
        }
    }

    /// Serves the client until it is gone, or the relay ends.
    pub(crate) async fn serve(self, shared: Arc<Shared>) {
        let (session, end) = (Arc::clone(&self.session), self.end.clone());
        let server = Server::new(ServerConfig {
            conn_configs: vec![ConnConfig {
                conn: Arc::new(self),
                relay_addr_generator: Box::new(RelaySockets::new(
                    Arc::clone(&shared),
                    Arc::clone(&session),
                )),
            }],
            realm: REALM.to_owned(),
            auth_handler: Arc::new(Checkpoint {
                credentials: shared.credentials.clone(),
                session,
            }),
            // Zero stands for the crate's default, ten minutes.
            channel_bind_timeout: Duration::ZERO,
            alloc_close_notify: None,
        });
        // The server's tasks end when it is dropped.
        let _server = server.await.expect("there is one connection");
        select! {
            () = end.cancelled() => {}
            () = shared.stop.cancelled() => {}
        }
    }

    /// Waits for the next message, without a limit of time. Cancel safe: no message is lost.
    async fn next(&self) -> io::Result<Bytes> {
        let mut source = self.source.lock().await;
        let message = match &mut *source {
            Source::Udp(messages) => messages.recv().await.map(Ok),
            Source::Tcp(frames) => frames.next().await,
        };
        message.unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()))
    }

    /// Waits for the next message, unless the client is silent for too long.
    async fn next_in_time(&self) -> io::Result<Bytes> {
        loop {
            select! {
                () = self.end.cancelled() => return Err(ErrorKind::ConnectionAborted.into()),
                next = timeout(IDLE, self.next()) => match next {
                    Ok(next) => return next,
                    Err(_) if self.session.has_allocation() => {}
                    Err(_) => return Err(ErrorKind::TimedOut.into()),
                }
            }
        }
    }

    async fn write(&self, message: &[u8]) -> io::Result<()> {
        match &self.outlet {
            Outlet::Udp(socket) => socket.send(message, self.address).await.map(drop),
            Outlet::Tcp(stream) => {
                let write = async { stream.lock().await.write_all(message).await };
                let written = timeout(WRITING_PATIENCE, write).await;
                let written = written.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
                // A part of the message may be written already, so nothing can follow.
                written.inspect_err(|_| self.end.cancel())
            }
        }
    }
}

#[async_trait]
impl Conn for Client {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Err(io::Error::from(ErrorKind::Unsupported).into())
    }

    async fn recv(&self, buffer: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// An error ends the client, and `end` has to be cancelled here: the allocations hold the
    /// client, so it would not be dropped before the server ends them.
    async fn recv_from(&self, buffer: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        loop {
            let next = self.next_in_time().await;
            let message = next.inspect_err(|_| self.end.cancel())?;
            let excess = framing::is_request(&message)
                && !self.allowance.lock().take_request(Instant::now());
            if message.len() <= buffer.len() && !excess {
                buffer[..message.len()].copy_from_slice(&message);
                return Ok((message.len(), self.address));
            }
        }
    }

    async fn send(&self, message: &[u8]) -> webrtc_util::Result<usize> {
        self.send_to(message, self.address).await
    }

    async fn send_to(&self, message: &[u8], _: SocketAddr) -> webrtc_util::Result<usize> {
        if framing::is_error(message) && !self.allowance.lock().take_error() {
            tracing::debug!("a client with too many refused requests is cut off");
            self.end.cancel();
        }
        self.write(message).await?;
        Ok(message.len())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.local)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        Some(self.address)
    }

    /// The server calls this at the end of each allocation. The client goes on: it still waits for
    /// the answer to the request that ended the allocation.
    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// Limits what the relay keeps for one client. A refused request may leave a nonce of some hundred
/// bytes for as long as the client stays. A granted request may leave a permission for five
/// minutes. The limits allow at most 256 nonces and 3000 permissions.
#[derive(Debug)]
struct Allowance {
    window: Instant,
    requests: u32,
    errors: u32,
}

impl Allowance {
    /// Requests of a client that are handled within one [`WINDOW`](Self::WINDOW); the rest is
    /// dropped. A browser makes two for each candidate of the other side.
    const REQUESTS: u32 = 100;
    const WINDOW: Duration = Duration::from_secs(10);

    /// Refusals after which a client is cut off. A browser causes one for each allocation, and one
    /// an hour after that.
    const ERRORS: u32 = 256;

    fn new(now: Instant) -> Self {
        Self {
            window: now,
            requests: 0,
            errors: 0,
        }
    }

    fn take_request(&mut self, now: Instant) -> bool {
        if now.duration_since(self.window) >= Self::WINDOW {
            (self.window, self.requests) = (now, 0);
        }
        self.requests += 1;
        self.requests <= Self::REQUESTS
    }

    fn take_error(&mut self) -> bool {
        self.errors += 1;
        self.errors <= Self::ERRORS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_limited_by_the_window_and_errors_for_good() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        for window in 0..3 {
            let now = start + window * Allowance::WINDOW;
            let taken = (0..1000).filter(|_| allowance.take_request(now)).count();
            assert_eq!(taken, 100, "window {window}");
        }
        let taken = (0..1000).filter(|_| allowance.take_error()).count();
        assert_eq!(taken, 256);
    }
}
