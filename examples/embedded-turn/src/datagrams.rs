//! A UDP socket that shows IPv4 addresses as such, even if an IPv6 socket serves both families.

use std::{
    any::Any,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use tokio::net::UdpSocket;
use webrtc_util::Conn;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Datagrams {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Datagrams {
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    pub(crate) fn port(&self) -> u16 {
        self.local.port()
    }

    /// Waits for a datagram. A datagram that is longer than the buffer is cut.
    ///
    /// # Cancel safety
    ///
    /// No datagram is lost.
    pub(crate) async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            match self.socket.recv_from(buffer).await {
                Ok((length, from)) => return Ok((length, canonical(from))),
                // Some systems report here that an earlier datagram reached no socket.
                Err(error) if is_about_an_earlier_one(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn send(&self, datagram: &[u8], to: SocketAddr) -> io::Result<usize> {
        let to = match to.ip() {
            IpAddr::V4(ip) if self.local.is_ipv6() => (ip.to_ipv6_mapped(), to.port()).into(),
            _ => to,
        };
        self.socket.send_to(datagram, to).await
    }
}

/// The address, as IPv4 if it is an IPv4 address mapped into IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => (ip, address.port()).into(),
        IpAddr::V6(_) => address,
    }
}

fn is_about_an_earlier_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

#[async_trait]
impl Conn for Datagrams {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        Err(io::Error::from(ErrorKind::Unsupported).into())
    }

    async fn recv(&self, buffer: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.receive(buffer).await?.0)
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        Ok(self.receive(buffer).await?)
    }

    async fn send(&self, _: &[u8]) -> webrtc_util::Result<usize> {
        Err(io::Error::from(ErrorKind::NotConnected).into())
    }

    async fn send_to(&self, datagram: &[u8], to: SocketAddr) -> webrtc_util::Result<usize> {
        Ok(Self::send(self, datagram, to).await?)
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.local)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    /// The socket is closed when it is dropped.
    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_ipv6_socket_serves_both() {
        let both = Datagrams::bind("[::]:0".parse().unwrap()).await.unwrap();
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let other = Datagrams::bind(local.parse().unwrap()).await.unwrap();
            let to = SocketAddr::new(other.local.ip(), both.port());
            other.send(b"there", to).await.unwrap();
            let mut buffer = [0; 8];
            let (length, from) = both.receive(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from), (&b"there"[..], other.local));
            both.send(b"back", from).await.unwrap();
            let (length, from) = other.receive(&mut buffer).await.unwrap();
            assert_eq!((&buffer[..length], from), (&b"back"[..], to));
        }
    }
}
