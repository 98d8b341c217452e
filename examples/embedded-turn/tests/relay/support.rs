//! A relay on this machine, and clients of it.

use std::{
    any::Any,
    io::ErrorKind,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream, UdpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Mutex,
    time::{Instant, timeout},
};
use turn::client::{Client, ClientConfig};
use united_voice_core::{SharedSecret, TurnCredentials};
use united_voice_embedded_turn::{Config, EmbeddedTurn, Limits};
use webrtc_util::Conn;

/// How long a step may take on a busy machine. Each should take milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

pub(crate) const BOTH: [Transport; 2] = [Transport::Udp, Transport::Tcp];

pub(crate) fn secret() -> SharedSecret {
    SharedSecret::new("north")
}

pub(crate) fn credentials(user: &str) -> TurnCredentials {
    secret().mint(user, Duration::from_secs(600), SystemTime::now())
}

pub(crate) async fn relay() -> EmbeddedTurn {
    relay_with(Limits::default()).await
}

pub(crate) async fn relay_with(limits: Limits) -> EmbeddedTurn {
    let mut config = Config::new("127.0.0.1:0".parse().unwrap());
    config.limits = limits;
    EmbeddedTurn::start(config, secret()).await.unwrap()
}

/// A client with one allocation.
pub(crate) struct Allocation {
    client: Client,
    transport: Arc<dyn Conn + Send + Sync>,
    pub(crate) conn: Box<dyn Conn + Send + Sync>,
}

impl Allocation {
    pub(crate) async fn of(user: &str, relay: SocketAddr, transport: Transport) -> Self {
        Self::with(credentials(user), relay, transport)
            .await
            .unwrap()
    }

    pub(crate) async fn with(
        credentials: TurnCredentials,
        relay: SocketAddr,
        transport: Transport,
    ) -> Result<Self, turn::Error> {
        let (client, transport) = connect(credentials, relay, transport).await;
        let allocated = timeout(PATIENCE, client.allocate()).await;
        match allocated.expect("an answer in time") {
            Ok(conn) => Ok(Self {
                conn: Box::new(conn),
                client,
                transport,
            }),
            Err(error) => {
                client.close().await.unwrap();
                Err(error)
            }
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.conn.local_addr().unwrap()
    }

    pub(crate) async fn send(&self, text: &str, to: SocketAddr) {
        let sent = timeout(PATIENCE, self.conn.send_to(text.as_bytes(), to)).await;
        sent.expect("sent in time").unwrap();
    }

    /// The next packet, unless none comes within `patience`.
    pub(crate) async fn receive(&self, patience: Duration) -> Option<(String, SocketAddr)> {
        let mut buffer = [0; 1500];
        let received = timeout(patience, self.conn.recv_from(&mut buffer)).await;
        let (length, from) = received.ok()?.unwrap();
        Some((String::from_utf8(buffer[..length].into()).unwrap(), from))
    }

    /// Deletes the allocation.
    pub(crate) async fn release(self) {
        self.conn.close().await.unwrap();
        self.client.close().await.unwrap();
    }

    /// Closes the client, but not its allocation.
    pub(crate) async fn abandon(self) {
        self.client.close().await.unwrap();
    }

    /// Closes the connection to the relay without deleting the allocation.
    pub(crate) async fn hang_up(self) {
        self.transport.close().await.unwrap();
    }
}

pub(crate) async fn client(
    credentials: TurnCredentials,
    relay: SocketAddr,
    transport: Transport,
) -> Client {
    connect(credentials, relay, transport).await.0
}

async fn connect(
    credentials: TurnCredentials,
    relay: SocketAddr,
    transport: Transport,
) -> (Client, Arc<dyn Conn + Send + Sync>) {
    let conn: Arc<dyn Conn + Send + Sync> = match transport {
        Transport::Udp => Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
        Transport::Tcp => Arc::new(TcpConn::to(relay).await),
    };
    let client = Client::new(ClientConfig {
        stun_serv_addr: relay.to_string(),
        turn_serv_addr: relay.to_string(),
        username: credentials.username,
        password: credentials.credential,
        realm: String::new(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::clone(&conn),
        vnet: None,
    });
    let client = client.await.unwrap();
    client.listen().await.unwrap();
    (client, conn)
}

/// Sends in both directions until a packet of each side has arrived. The first packets may find no
/// permission yet.
pub(crate) async fn talk(one: &Allocation, other: &Allocation) {
    let deadline = Instant::now() + PATIENCE;
    for (sender, receiver, text) in [(one, other, "there"), (other, one, "back")] {
        loop {
            assert!(Instant::now() < deadline, "{text} never arrives");
            receiver.send("knock", sender.address()).await;
            sender.send(text, receiver.address()).await;
            let expected = (text.to_owned(), sender.address());
            let first = receiver.receive(Duration::from_millis(200)).await;
            if first.as_ref() == Some(&expected)
                || (first.is_some()
                    && receiver.receive(Duration::from_millis(200)).await == Some(expected))
            {
                break;
            }
        }
    }
}

/// STUN and `ChannelData` over TCP, as a client does it.
struct TcpConn {
    reading: Mutex<OwnedReadHalf>,
    writing: Mutex<OwnedWriteHalf>,
    local: SocketAddr,
    remote: SocketAddr,
}

impl TcpConn {
    async fn to(remote: SocketAddr) -> Self {
        let stream = TcpStream::connect(remote).await.unwrap();
        let local = stream.local_addr().unwrap();
        let (reading, writing) = stream.into_split();
        Self {
            reading: Mutex::new(reading),
            writing: Mutex::new(writing),
            local,
            remote,
        }
    }
}

#[async_trait]
impl Conn for TcpConn {
    async fn connect(&self, _: SocketAddr) -> webrtc_util::Result<()> {
        unreachable!("it is connected")
    }

    async fn recv(&self, buffer: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.recv_from(buffer).await?.0)
    }

    /// Dropped only when the client is closed.
    async fn recv_from(&self, buffer: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        let mut reading = self.reading.lock().await;
        reading.read_exact(&mut buffer[..4]).await?;
        let length = usize::from(u16::from_be_bytes([buffer[2], buffer[3]]));
        let (length, padded) = match buffer[0] >> 6 {
            0 => (20 + length, 20 + length),
            _ => (4 + length, 4 + length.next_multiple_of(4)),
        };
        reading.read_exact(&mut buffer[4..padded]).await?;
        Ok((length, self.remote))
    }

    async fn send(&self, message: &[u8]) -> webrtc_util::Result<usize> {
        self.send_to(message, self.remote).await
    }

    async fn send_to(&self, message: &[u8], _: SocketAddr) -> webrtc_util::Result<usize> {
        let mut padded = message.to_vec();
        padded.resize(message.len().next_multiple_of(4), 0);
        self.writing.lock().await.write_all(&padded).await?;
        Ok(message.len())
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.local)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        Some(self.remote)
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        let closed = self.writing.lock().await.shutdown().await;
        match closed {
            Err(error) if error.kind() != ErrorKind::NotConnected => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
