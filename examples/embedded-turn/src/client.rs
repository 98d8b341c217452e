//! The near side: one client, by UDP or TCP, as the relay sees it.
//!
//! Every client has a relay server of its own. It costs two tasks and a few KiB, and buys that nothing one client does adds to
//! what is kept for another: the nonces of the server, which it never forgets, go with the client.

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

/// How long a client without an allocation may be silent. One with an allocation is kept until that has run out.
pub(crate) const IDLE: Duration = Duration::from_secs(15);

/// How long a message to a TCP client may take. What it doesn't take meanwhile waits in the system's buffers or is lost.
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

/// One client. Its server ends with it, and it with its server.
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
            // Zero is the crate's default, ten minutes.
            channel_bind_timeout: Duration::ZERO,
            alloc_close_notify: None,
        });
        // Dropping the server ends its tasks.
        let _server = server.await.expect("there is one connection");
        select! {
            () = end.cancelled() => {}
            () = shared.stop.cancelled() => {}
        }
    }

    /// The next message, which may take any time. Cancel safe.
    async fn next(&self) -> io::Result<Bytes> {
        let mut source = self.source.lock().await;
        let message = match &mut *source {
            Source::Udp(messages) => messages.recv().await.map(Ok),
            Source::Tcp(frames) => frames.next().await,
        };
        message.unwrap_or_else(|| Err(ErrorKind::UnexpectedEof.into()))
    }

    /// The next message of a client that is worth having.
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
                // Half a message may have been written, so nothing can follow.
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

    /// An error is the end of the client, which has to be said: its allocations, which only the end of its server ends, have
    /// hold of it.
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
            tracing::debug!("a client whose requests are refused time and again is cut off");
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

    /// Called at the end of each allocation, which need not be the end of the client: the answer to the request that ended
    /// it is still to come.
    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

/// What one client may cause to be kept: each request that is refused may leave a nonce of some hundred bytes for as long as
/// the client stays, each that is granted a permission for five minutes. So there are 256 nonces and 3000 permissions at
/// most.
#[derive(Debug)]
struct Allowance {
    window: Instant,
    requests: u32,
    errors: u32,
}

impl Allowance {
    /// Requests of a client that are handled within one [`WINDOW`](Self::WINDOW); more are lost. A browser makes two for
    /// each candidate of the other side.
    const REQUESTS: u32 = 100;
    const WINDOW: Duration = Duration::from_secs(10);

    /// Refusals after which a client is cut off. A browser causes one for each allocation and one an hour.
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
