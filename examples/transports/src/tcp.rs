//! Length-delimited frames over TCP, or any other stream of bytes.
//!
//! A frame is its length (four bytes, big-endian), a tag, and the content. The length includes the
//! tag.
//!
//! | tag | content |
//! | --- | --- |
//! | 0 | a message: one protobuf `united.ws.Envelope` |
//! | 1 | a ping with at most 125 bytes, which the other side sends back |
//! | 2 | the pong |
//! | 3 | the end: nothing, or a close code (two bytes, big-endian) and a reason in UTF-8 |
//!
//! The tag adds two things that a WebSocket has and TCP lacks: pings, and an end with a reason.
//!
//! The first message of a client is its user id. **This is for trials only**, since the server
//! believes any id. A real host would expect a token here and look up its user.

mod client;
mod codec;
mod transport;

use std::{convert::Infallible, io, time::Duration};

use futures::StreamExt as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::codec::Framed;
use united_voice_core::{Codec, Disconnect, Frame, UserId, VoiceDirectory, VoiceServer, drive};

pub use self::client::{Heard, TcpClient};
use self::{codec::FrameCodec, transport::Transport};

/// The time in which a client must send its user id.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// Accepts connections forever. Dropping the future cuts all of them. To close them properly, first
/// call [`VoiceServer::shutdown`] and wait for [`VoiceServer::drained`].
///
/// # Errors
///
/// If the listener has no local address.
pub async fn serve<D: VoiceDirectory>(
    listener: TcpListener,
    server: VoiceServer<D>,
) -> io::Result<Infallible> {
    listener.local_addr()?;
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Messages are small and a peer waits for each, so they must not wait for a
                    // full packet.
                    let _ = stream.set_nodelay(true);
                    let server = server.clone();
                    connections.spawn(async move { serve_stream(&server, stream).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    // The process has probably run out of file descriptors. Another attempt at once
                    // would not free one.
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Serves one connection to its end. Returns `None` if the client never sent a valid user id.
pub async fn serve_stream<D, S>(server: &VoiceServer<D>, stream: S) -> Option<Disconnect>
where
    D: VoiceDirectory,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let codec = FrameCodec::new(server.limits().max_message_bytes);
    let mut framed = Framed::new(stream, codec);
    let hello = timeout(HELLO_TIME, framed.next()).await.ok()??.ok()?;
    let Frame::Binary(user) = hello else {
        return None;
    };
    let user = UserId::new(std::str::from_utf8(&user).ok()?).ok()?;
    let transport = Transport::new(framed);
    Some(drive(server, transport, user, Some(Codec::Protobuf)).await)
}
