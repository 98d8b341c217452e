//! Voice channels for a server on Actix Web.
//!
//! Authenticate the user as on every other route, and answer with [`upgrade`]:
//!
//! ```no_run
#![doc = include_str!("../examples/voice_on_actix.rs")]
//! ```
//!
//! Nothing else is to be set. The limits, the subprotocols, small buffers, pings, the close codes
//! and the answer to a close frame are those of [`VoiceServer::limits`] and of the protocol. A
//! message that is too large is refused as soon as its header says so.
//!
//! # Three ways
//!
//! - [`upgrade`], from an ordinary handler, is the one to choose.
//! - [`transport`], from an ordinary handler too, gives the socket itself, as the `Stream` and
//!   `Sink` of frames that [`drive_counting`] and
//!   [`ConnectionMachine`](united_voice_core::ConnectionMachine) work with.
//! - [`upgrade_framed`] is for servers that are built from the services of `actix-http` and have
//!   tens of thousands of connections. It takes the connection out of Actix, whose buffers an idle
//!   one then does not hold. It also cuts the connection of a client that does not read.
//!
//! In an ordinary handler Actix keeps the connection. If a client reads nothing, it loses its seat
//! as always. But Actix closes a connection only after it has written what it holds, here at most
//! 64 KiB, and it sets no time limit for that. So the connection stays until the client reads or
//! goes.
//!
//! Actix Web leaves Nagle's algorithm on, which holds signals back for up to 40 ms. Turn it off
//! with [`HttpServer::tcp_nodelay`](actix_web::HttpServer::tcp_nodelay).
//!
//! # The end
//!
//! Shut voice down first, and Actix after that:
//!
//! ```no_run
//! # use actix_web::{App, HttpServer};
//! # use united_voice_core::{OpenDirectory, VoiceServer};
//! # async fn run(voice: VoiceServer<OpenDirectory>) -> std::io::Result<()> {
//! # async fn asked_to_stop() {}
//! HttpServer::new(App::new)
//!     .shutdown_signal(async move {
//!         asked_to_stop().await;
//!         voice.shutdown();
//!         voice.drained().await;
//!     })
//! #   .bind("127.0.0.1:8080")?
//!     .run()
//!     .await
//! # }
//! ```
//!
//! [`VoiceServer::shutdown`] sends each client the close code 1001, and refuses new connections
//! with the same code. [`VoiceServer::drained`] waits until the connections are closed, at most
//! [`close_timeout`](united_voice_core::Limits::close_timeout) and
//! [`linger`](united_voice_core::Limits::linger) together. In the other order Actix would wait for
//! the connections until its own time limit, and then cut them without a close frame.
//!
//! # Foreign types in the public API
//!
//! Those of `actix-web` 4, `actix-http` 3 and `actix-codec` 0.5, of `united-voice-core` and of
//! `united-voice-websocket`.

mod connection;
mod framed;
mod message;

use actix_http::ConnectionType;
use actix_web::{HttpRequest, HttpResponse, error::InternalError, rt, web::Payload};
use united_voice_core::{Codec, Limits, UserId, VoiceDirectory, VoiceServer, drive_counting};

pub use self::{
    connection::Connection,
    framed::{answer_framed, upgrade_framed},
    message::{handshake, response},
};
pub use united_voice_websocket::{Handshake, HandshakeError, WebSocket};

/// Answers a request for a WebSocket, and runs the connection of `user` in a task of its own until
/// it ends. The task runs on the worker that has the connection.
///
/// Call this only after your own code has authenticated the user. If the authentication uses
/// cookies, check the header `Origin` too.
///
/// # Errors
///
/// If the request is no good request for a WebSocket, the answer says what is wrong: it is 400, 405
/// for another method than `GET`, and 426 for another version than 13. The error holds a
/// [`HandshakeError`].
///
/// # Panics
///
/// If it is called outside an Actix runtime.
pub fn upgrade<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    user: UserId,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let accepted = transport(server.limits(), request, payload)?;
    let (server, codec) = (server.clone(), accepted.codec);
    // In a box, since the task would otherwise have room for two of them.
    let socket = Box::new(accepted.transport);
    rt::spawn(async move {
        drive_counting(&server, socket, user, codec, |socket| socket.bytes_taken()).await
    });
    Ok(accepted.response)
}

/// A request for a WebSocket that was accepted. [`transport`] makes it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// What the handler must return. The transport waits until then.
    pub response: HttpResponse,
    /// The socket, as the `Stream` and `Sink` of frames. If it is dropped, what was written is sent
    /// and the connection is closed.
    pub transport: WebSocket<Connection>,
    /// The encoding that the subprotocol names, for [`drive_counting`].
    pub codec: Option<Codec>,
}

/// Answers a request for a WebSocket, and hands out the socket. Of `limits`, the size of messages
/// applies.
///
/// # Errors
///
/// As for [`upgrade`].
pub fn transport(
    limits: &Limits,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Accepted, actix_web::Error> {
    let handshake = handshake(request.head()).map_err(|error| {
        let refusal = message::response(error.response()).map_into_boxed_body();
        InternalError::from_response(error, refusal.into())
    })?;
    let (connection, body) = connection::pair(payload);
    let mut response = message::response(handshake.response()).set_body(body);
    let connection_type = ConnectionType::Upgrade;
    response.head_mut().set_connection_type(connection_type);
    Ok(Accepted {
        response: response.map_into_boxed_body().into(),
        transport: WebSocket::new(connection, [], limits),
        codec: handshake.codec(),
    })
}

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
