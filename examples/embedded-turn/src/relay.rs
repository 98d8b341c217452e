//! The far side: the sockets by which allocations exchange packets with peers.

use std::{
    any::Any,
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
};

use async_trait::async_trait;
use turn::relay::RelayAddressGenerator;
use webrtc_util::Conn;

use crate::{
    Shared,
    datagrams::Datagrams,
    peers::Peers,
    quota::AllocationPermit,
    session::{Allocated, Session},
};

/// Makes the relay sockets of one client.
pub(crate) struct RelaySockets {
    shared: Arc<Shared>,
    session: Arc<Session>,
}

impl RelaySockets {
    pub(crate) fn new(shared: Arc<Shared>, session: Arc<Session>) -> Self {
        Self { shared, session }
    }
}

#[async_trait]
impl RelayAddressGenerator for RelaySockets {
    fn validate(&self) -> Result<(), turn::Error> {
        Ok(())
    }

    /// A client that asks for no address family gets the family of the relay. RFC 8656 allows only
    /// IPv4 here.
    async fn allocate_conn(
        &self,
        use_ipv4: bool,
        requested_port: u16,
    ) -> Result<(Arc<dyn Conn + Send + Sync>, SocketAddr), turn::Error> {
        let shared = &self.shared;
        if shared.relay_ip.is_ipv4() && !use_ipv4 {
            return Err(io::Error::from(ErrorKind::AddrNotAvailable).into());
        }
        let user = self.session.user().ok_or(turn::Error::ErrNoSuchUser)?;
        let permit = shared
            .quota
            .admit(&user)
            .inspect_err(|error| tracing::debug!(%error, "an allocation is refused"))
            .map_err(io::Error::other)?;
        let socket = Datagrams::bind((shared.bound_ip, requested_port).into()).await?;
        let port = socket.port();
        let relay = Relay {
            socket,
            peers: shared.peers.clone(),
            _permit: permit.with_port(port),
            _allocated: self.session.allocated(),
        };
        Ok((Arc::new(relay), (shared.relay_ip, port).into()))
    }
}

/// The socket of an allocation. It drops packets to and from peers that are not allowed. The
/// allocation is over when this is dropped.
struct Relay<C> {
    socket: C,
    peers: Peers,
    _permit: AllocationPermit,
    _allocated: Allocated,
}

#[async_trait]
impl<C: Conn + Send + Sync + 'static> Conn for Relay<C> {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Err(io::Error::from(ErrorKind::Unsupported).into())
    }

    async fn recv(&self, buffer: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        loop {
            let (length, from) = self.socket.recv_from(buffer).await?;
            // A datagram that fills the buffer may have been cut.
            if length < buffer.len() && self.peers.allow(from) {
                return Ok((length, from));
            }
        }
    }

    async fn send(&self, _: &[u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(ErrorKind::NotConnected).into())
    }

    /// A packet to a peer that is not allowed is dropped without an error, as UDP may drop any
    /// packet.
    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> webrtc_util::Result<usize> {
        if !self.peers.allow(to) {
            tracing::debug!("a peer that is not on the public internet is refused");
            return Ok(datagram.len());
        }
        self.socket.send_to(datagram, to).await
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        self.socket.close().await
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

#[cfg(test)]
mod tests;
