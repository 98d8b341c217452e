//! The socket settings that all bare relays share, set to what serves a relay best.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Connections that may wait to be accepted. The example servers have the same limit, and a storm
/// of joins needs it.
const BACKLOG: i32 = 4096;

/// Bytes that are read from a socket at once. A window of eight messages of 2 KiB fits. A larger
/// buffer costs more, because tungstenite fills its free part with zeros before each read.
pub(crate) const READ_BUFFER_BYTES: usize = 18 * 1024;

/// The same if only idle connections are measured, because an idle connection's buffer is most of
/// its memory.
pub(crate) const SMALL_READ_BUFFER_BYTES: usize = 4 * 1024;

/// Bytes of messages that are collected before they are written without a flush. A window of eight
/// messages of 2 KiB fits, so that one write takes it. tungstenite allocates only what it uses.
const WRITE_BUFFER_BYTES: usize = 32 * 1024;

/// Listens with [`BACKLOG`].
pub(super) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The settings of a WebSocket that reads up to `read_buffer` bytes at once.
pub(super) fn config(read_buffer: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(read_buffer)
        .write_buffer_size(WRITE_BUFFER_BYTES)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        task::{Context, Poll, ready},
    };

    use futures::{SinkExt as _, StreamExt as _};
    use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
    use tokio_tungstenite::{
        WebSocketStream,
        tungstenite::{Message, protocol::Role},
    };

    use super::*;

    /// Counts the reads that find data.
    struct CountedReads(DuplexStream, Arc<AtomicUsize>);

    impl AsyncRead for CountedReads {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            ready!(Pin::new(&mut self.0).poll_read(cx, buffer))?;
            self.1.fetch_add(1, Relaxed);
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for CountedReads {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }

    /// Reads for ten windows of eight messages of 2 KiB.
    async fn reads(read_buffer: usize) -> usize {
        let (client, server) = duplex(64 * 1024);
        let count = Arc::new(AtomicUsize::new(0));
        let server = CountedReads(server, Arc::clone(&count));
        let config = Some(config(read_buffer));
        let mut client = WebSocketStream::from_raw_socket(client, Role::Client, None).await;
        let mut server = WebSocketStream::from_raw_socket(server, Role::Server, config).await;
        for _ in 0..10 {
            for _ in 0..8 {
                let message = Message::binary(vec![7; 2048 + 128]);
                client.feed(message).await.unwrap();
            }
            client.flush().await.unwrap();
            // A relay's messages wait in other queues, so none is dropped before the next read.
            let mut waiting = Vec::new();
            for _ in 0..8 {
                let message = server.next().await.unwrap().unwrap();
                assert_eq!(message.len(), 2048 + 128);
                waiting.push(message);
            }
        }
        count.load(Relaxed)
    }

    #[tokio::test]
    async fn few_reads_take_a_whole_window() {
        let large = reads(READ_BUFFER_BYTES).await;
        assert!(large <= 10 * 2, "{large} reads for 10 windows");
        let small = reads(SMALL_READ_BUFFER_BYTES).await;
        assert!(small > 10 * 6, "{small} reads for 10 windows");
    }
}
