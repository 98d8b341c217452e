//! The transport of STUN messages.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
};

/// A stream of bytes in both directions.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A datagram socket or a stream.
pub struct Wire(Kind);

enum Kind {
    Datagrams(UdpSocket),
    Stream {
        stream: Box<dyn Stream>,
        // The received part of the next message. It is kept here, so that a cancelled call loses
        // nothing.
        received: Vec<u8>,
    },
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Datagrams(_) => "Wire(datagrams)",
            Kind::Stream { .. } => "Wire(stream)",
        })
    }
}

const HEADER_BYTES: usize = 20;

impl Wire {
    pub(crate) async fn udp(server: SocketAddr) -> Self {
        let any: SocketAddr = if server.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(any).await.expect("a socket can be made");
        socket.connect(server).await.expect("the server is near");
        Self(Kind::Datagrams(socket))
    }

    pub(crate) async fn tcp(server: SocketAddr) -> Self {
        Self::stream(TcpStream::connect(server).await.expect("coturn accepts"))
    }

    /// A wire over an open stream.
    #[must_use]
    pub fn stream(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Kind::Stream {
            stream: Box::new(stream),
            received: Vec::new(),
        })
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        match &mut self.0 {
            Kind::Datagrams(socket) => {
                let sent = socket.send(message).await.expect("coturn listens");
                assert_eq!(sent, message.len());
            }
            Kind::Stream { stream, .. } => {
                stream.write_all(message).await.expect("coturn reads");
                stream.flush().await.expect("coturn reads");
            }
        }
    }

    /// Receives the next message.
    ///
    /// # Cancel safety
    /// If the future is dropped, no message is lost.
    pub(crate) async fn receive(&mut self) -> Vec<u8> {
        match &mut self.0 {
            Kind::Datagrams(socket) => {
                let mut buffer = vec![0; 2048];
                let length = socket.recv(&mut buffer).await.expect("coturn listens");
                buffer.truncate(length);
                buffer
            }
            Kind::Stream { stream, received } => loop {
                if let Some(length) = whole_message(received) {
                    let rest = received.split_off(length);
                    return std::mem::replace(received, rest);
                }
                let read = stream.read_buf(received).await.expect("coturn answers");
                assert_ne!(read, 0, "coturn closed the connection");
            },
        }
    }
}

/// The length of the first message, if all of it has come.
fn whole_message(received: &[u8]) -> Option<usize> {
    let length = [*received.get(2)?, *received.get(3)?];
    let length = HEADER_BYTES + usize::from(u16::from_be_bytes(length));
    (received.len() >= length).then_some(length)
}
