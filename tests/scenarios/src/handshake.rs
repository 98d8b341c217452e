//! The WebSocket upgrade, written by hand so that a test sees the server's exact answer.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};

use crate::soon;

/// An open WebSocket.
pub type Socket = WebSocketStream<TcpStream>;

/// The example key of RFC 6455 and the answer to it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The request of a client that opens a WebSocket.
#[derive(Clone, Debug, Default)]
pub struct Handshake<'a> {
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<&'a str>,
    /// Sent as `?access_token=`.
    pub query: Option<&'a str>,
    /// Sent as `Sec-WebSocket-Protocol` if the list is not empty.
    pub subprotocols: &'a [&'a str],
    /// The size of the socket's receive buffer in bytes. It is small if the client is meant to
    /// stall.
    pub receive_buffer: Option<u32>,
}

/// The server did not upgrade.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
}

impl Handshake<'_> {
    /// Opens a WebSocket on `/ws`. Also returns the subprotocol that the server chose.
    ///
    /// # Errors
    /// The HTTP status, if it is not 101.
    ///
    /// # Panics
    /// If the server does not speak HTTP or breaks RFC 6455.
    pub async fn open(&self, server: SocketAddr) -> Result<(Socket, Option<String>), Refusal> {
        soon("the WebSocket upgrade", self.upgrade(server)).await
    }

    async fn upgrade(&self, server: SocketAddr) -> Result<(Socket, Option<String>), Refusal> {
        let mut stream = self.connect(server).await;
        stream
            .write_all(self.request(server).as_bytes())
            .await
            .expect("the server reads the request");
        let head = read_head(&mut stream).await;
        let status = status_of(&head);
        if status != 101 {
            return Err(Refusal { status });
        }
        assert_eq!(
            header(&head, "sec-websocket-accept").as_deref(),
            Some(ACCEPT)
        );
        let chosen = header(&head, "sec-websocket-protocol");
        Ok((
            WebSocketStream::from_raw_socket(stream, Role::Client, None).await,
            chosen,
        ))
    }

    async fn connect(&self, server: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        if let Some(size) = self.receive_buffer {
            socket
                .set_recv_buffer_size(size)
                .expect("the buffer can be small");
        }
        let stream = socket.connect(server).await.expect("the server accepts");
        stream.set_nodelay(true).expect("TCP_NODELAY can be set");
        stream
    }

    fn request(&self, server: SocketAddr) -> String {
        let query = self
            .query
            .map(|token| format!("?access_token={token}"))
            .unwrap_or_default();
        let mut request = format!(
            "GET /ws{query} HTTP/1.1\r\nHost: {server}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
        if let Some(token) = self.bearer {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !self.subprotocols.is_empty() {
            request.push_str(&format!(
                "Sec-WebSocket-Protocol: {}\r\n",
                self.subprotocols.join(", ")
            ));
        }
        request.push_str("\r\n");
        request
    }
}

/// Reads byte by byte, so that the first frame stays in the socket.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            stream
                .read_u8()
                .await
                .expect("the server answers the upgrade"),
        );
    }
    String::from_utf8(head).expect("an HTTP head is text")
}

fn status_of(head: &str) -> u16 {
    let status = head.split(' ').nth(1).expect("an HTTP answer has a status");
    status.parse().expect("a status is a number")
}

fn header(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}
