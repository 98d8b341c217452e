//! The server's side of a WebSocket (RFC 6455) for [`united_voice_core::drive_counting`], over any
//! stream of bytes.
//!
//! A server answers the request for a WebSocket with a [`Handshake`], takes the connection out of
//! HTTP, and hands it to `drive_counting` as a [`WebSocket`]. For axum and Actix Web, the crates
//! `united-voice-axum` and `united-voice-actix` do this.
//!
//! ```
//! use bytes::Bytes;
//! use tokio::io::{AsyncRead, AsyncWrite};
//! use united_voice_core::{UserId, VoiceDirectory, VoiceServer, drive_counting};
//! use united_voice_websocket::{Handshake, WebSocket};
//!
//! /// What to answer, and the handshake if the answer is 101.
//! fn answer(request: &http::request::Parts) -> (http::Response<Bytes>, Option<Handshake>) {
//!     match Handshake::new(request) {
//!         Ok(handshake) => (handshake.response(), Some(handshake)),
//!         Err(error) => (error.response(), None),
//!     }
//! }
//!
//! /// `stream` is the connection after the answer 101. `read` is what was read behind the request.
//! async fn talk<D: VoiceDirectory>(
//!     server: &VoiceServer<D>,
//!     user: UserId,
//!     handshake: Handshake,
//!     stream: impl AsyncRead + AsyncWrite + Unpin,
//!     read: Bytes,
//! ) {
//!     let socket = WebSocket::new(stream, read, server.limits());
//!     drive_counting(server, socket, user, handshake.codec(), WebSocket::bytes_taken).await;
//! }
//! ```
//!
//! # Foreign types in the public API
//!
//! `http`'s request and response, `tokio`'s `AsyncRead` and `AsyncWrite`, `futures`' `Stream` and
//! `Sink`, and the types of `united-voice-core`.

mod handshake;
mod incoming;
mod lent;
mod outgoing;
mod socket;
mod subprotocol;

pub use crate::{
    handshake::{Handshake, HandshakeError},
    socket::WebSocket,
};
