//! Length-delimited frames over TCP, or any other stream of bytes.
//!
//! A frame is its length (four bytes, big-endian), a tag, and the content; the length counts the
//! tag.
//!
//! | tag | content |
//! | --- | --- |
//! | 0 | a message: one protobuf `united.ws.Envelope` |
//! | 1 | a ping with at most 125 bytes, which the other side sends back |
//! | 2 | the pong |
//! | 3 | the end: nothing, or a close code (two bytes, big-endian) and a reason in UTF-8 |
//!
//! The tag is what TCP lacks beside a WebSocket: a sign of life that is no message, and an end that
//! says why.
//!
//! The first message of a client is its user id. **That is for trying it out**: whoever connects is
//! believed. A real host would take a token here and look the user up.

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

/// How long a client may take to say who it is.
const HELLO_TIME: Duration = Duration::from_secs(5);

/// Accepts connections for ever. Dropping the future cuts them all; to let them end in peace, call
/// [`VoiceServer::shutdown`] and wait for [`VoiceServer::drained`] first.
///
/// # Errors
///
/// Where the listener has no address, hence isn't one.
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
                    // Messages are small, and each is awaited.
                    let _ = stream.set_nodelay(true);
                    let server = server.clone();
                    connections.spawn(async move { serve_stream(&server, stream).await });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    // Out of file descriptors, most likely, and trying at once again would not free
                    // one.
                    sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
}

/// Serves one connection to its end; `None` where the client never said who it is.
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
