//! For servers that are built from the services of `actix-http`: the upgrade service of an
//! `HttpService` gets the connection itself.

use std::{io, time::Duration};

use actix_codec::{AsyncRead, AsyncWrite, Framed, FramedParts};
use actix_http::{ConnectionType, Response, StatusCode, body::BodySize, h1};
use actix_web::rt;
use bytes::Bytes;
use futures::SinkExt as _;
use tokio::time::timeout;
use united_voice_core::{Codec, UserId, VoiceDirectory, VoiceServer, drive_counting};
use united_voice_websocket::{Handshake, WebSocket};

use crate::message;

/// How long a client may take to read the answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Answers a request for a WebSocket with 101, takes the connection out of Actix, and runs it in a
/// task of its own until it ends.
///
/// `socket` is what the upgrade service of an [`HttpService`](actix_http::HttpService) gets.
/// [`handshake`](crate::handshake) checks the request; [`answer_framed`] sends the answer to a bad
/// one, or to a user who is not signed in.
///
/// # Cancel safety
///
/// If the future is dropped before the answer is sent, the connection is closed.
///
/// # Panics
///
/// If it is polled outside an Actix runtime.
pub async fn upgrade_framed<D, Io>(
    server: &VoiceServer<D>,
    user: UserId,
    handshake: &Handshake,
    mut socket: Framed<Io, h1::Codec>,
) where
    D: VoiceDirectory,
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answer = message::response(handshake.response());
    let sent = answer_framed(answer, &mut socket).await;
    // A client that disconnects before it has its answer is not worth a log line.
    if sent.is_ok() {
        let FramedParts { io, read_buf, .. } = socket.into_parts();
        let socket = WebSocket::new(io, read_buf, server.limits());
        // In a task of its own, because Actix frees the memory of a request when its service
        // returns. In a box, since the task would otherwise have room for two of them.
        rt::spawn(talk(
            server.clone(),
            user,
            handshake.codec(),
            Box::new(socket),
        ));
    }
}

/// Sends an answer to a request that wants to leave HTTP. Unless it is 101, it is the last on the
/// connection.
///
/// # Errors
///
/// If the client does not take it within 10 s, or is gone.
pub async fn answer_framed<Io>(
    mut answer: Response<Bytes>,
    socket: &mut Framed<Io, h1::Codec>,
) -> io::Result<()>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The bytes that the client sends next may be WebSocket frames, so they must not be read as
        // a request.
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    let (head, body) = answer.into_parts();
    let size = BodySize::Sized(body.len() as u64);
    let send = async {
        socket.feed(h1::Message::Item((head, size))).await?;
        socket.send(h1::Message::Chunk(Some(body))).await
    };
    timeout(ANSWER_PATIENCE, send).await?
}

async fn talk<D, Io>(
    server: VoiceServer<D>,
    user: UserId,
    codec: Option<Codec>,
    socket: Box<WebSocket<Io>>,
) where
    D: VoiceDirectory,
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    drive_counting(&server, socket, user, codec, |socket| socket.bytes_taken()).await;
}
