//! The extractor that takes the connection itself out of HTTP, without axum's WebSocket.

use std::{any::Any, convert::Infallible, fmt, marker::PhantomData};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use united_voice_core::{Codec, UserId, VoiceDirectory, VoiceServer, drive_counting};
use united_voice_websocket::{Handshake, HandshakeError, WebSocket};

use crate::sealed;

/// An extractor for [`upgrade`](crate::upgrade).
///
/// It never rejects a request: [`upgrade`](crate::upgrade) gives the answer to a bad one. So the
/// host's authentication is asked first, even if its extractor comes after this one.
///
/// `Io` is the type of the server's connections: [`TcpStream`] with [`axum::serve()`] and a
/// `TcpListener`, or else the `Io` of your [`Listener`](axum::serve::Listener), such as a TLS
/// stream. If a connection has this type, it is used without hyper's buffers. If it has another
/// type, everything works, and costs more memory.
///
/// On a [`TcpStream`] Nagle's algorithm is turned off, since it would hold signals back for up to
/// 40 ms.
pub struct VoiceUpgrade<Io = TcpStream> {
    handshake: Result<Handshake, HandshakeError>,
    /// `None` if the server that runs the connection knows no upgrades.
    connection: Option<OnUpgrade>,
    io: PhantomData<fn() -> Io>,
}

impl<Io> VoiceUpgrade<Io> {
    /// Why [`upgrade`](crate::upgrade) would refuse the request, if it would. With this a host can
    /// give an answer of its own form; [`HandshakeError::headers`] says which headers that answer
    /// needs.
    pub fn refusal(&self) -> Option<HandshakeError> {
        self.handshake.as_ref().err().copied()
    }
}

impl<S: Sync, Io> FromRequestParts<S> for VoiceUpgrade<Io> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self {
            handshake: Handshake::new(parts),
            connection: parts.extensions.remove(),
            io: PhantomData,
        })
    }
}

impl<Io> sealed::Answer for VoiceUpgrade<Io>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn answer<D: VoiceDirectory>(self, server: &VoiceServer<D>, user: UserId) -> Response {
        let handshake = match self.handshake {
            Ok(handshake) => handshake,
            Err(error) => return error.response(),
        };
        let Some(connection) = self.connection else {
            let reason = "this connection cannot be upgraded\n";
            return (StatusCode::UPGRADE_REQUIRED, reason).into_response();
        };
        // hyper hands the connection over only after this function has returned the answer.
        let codec = handshake.codec();
        tokio::spawn(talk::<D, Io>(server.clone(), user, codec, connection));
        handshake.response()
    }
}

impl<Io> fmt::Debug for VoiceUpgrade<Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceUpgrade")
            .field("handshake", &self.handshake)
            .finish_non_exhaustive()
    }
}

async fn talk<D, Io>(
    server: VoiceServer<D>,
    user: UserId,
    codec: Option<Codec>,
    connection: OnUpgrade,
) where
    D: VoiceDirectory,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // A client that disconnects before it has its answer is not worth a log line.
    let Ok(connection) = connection.await else {
        return;
    };
    let limits = server.limits();
    // In boxes, since the task would otherwise have room for two of them.
    match taken_out(connection) {
        Ok((io, read)) => {
            send_at_once(&io);
            let socket = Box::new(WebSocket::<Io>::new(io, read, limits));
            drive_counting(&server, socket, user, codec, |socket| socket.bytes_taken()).await;
        }
        Err(other) => {
            let socket = Box::new(WebSocket::new(TokioIo::new(other), [], limits));
            drive_counting(&server, socket, user, codec, |socket| socket.bytes_taken()).await;
        }
    }
}

/// The connection itself, with what was read of it, if it has the type `Io`. `axum::serve` uses the
/// builder of hyper-util that knows HTTP/2 too, which hides the type once more.
fn taken_out<Io>(connection: Upgraded) -> Result<(Io, Bytes), Upgraded>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match connection.downcast::<TokioIo<Io>>() {
        Ok(parts) => Ok((parts.io.into_inner(), parts.read_buf)),
        Err(connection) => {
            let parts = auto::upgrade::downcast::<TokioIo<Io>>(connection)?;
            Ok((parts.io.into_inner(), parts.read_buf))
        }
    }
}

fn send_at_once(io: &dyn Any) {
    // It fails only if the connection is gone, and then reading says so.
    let _ = io.downcast_ref().map(|io: &TcpStream| io.set_nodelay(true));
}

#[cfg(test)]
mod tests {
    use std::mem::size_of_val;

    use axum::extract::Request;
    use united_voice_core::OpenDirectory;

    use super::*;

    /// The memory of an idle connection is mostly its task.
    #[test]
    fn the_task_has_room_for_one_connection() {
        let server = VoiceServer::builder(OpenDirectory).build();
        let server = server.expect("the default limits are valid");
        let user = UserId::new("ada").expect("a short id");
        let connection = hyper::upgrade::on(Request::new(()));
        let task = talk::<_, TcpStream>(server.clone(), user.clone(), None, connection);
        let io = tokio::io::join(tokio::io::empty(), tokio::io::sink());
        let socket = Box::new(WebSocket::new(io, [], server.limits()));
        let one = size_of_val(&drive_counting(&server, socket, user, None, |_| 0));
        assert!(
            size_of_val(&task) < one + 256,
            "{} bytes, of which one connection takes {one}",
            size_of_val(&task)
        );
    }
}
