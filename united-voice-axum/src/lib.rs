//! Voice channels for a server on axum.
//!
//! Authenticate the user as on every other route, and answer with [`upgrade`]:
//!
//! ```no_run
#![doc = include_str!("../examples/voice_on_axum.rs")]
//! ```
//!
//! Nothing else is to be set. The limits, the subprotocols, small buffers, pings, the close codes
//! and the answer to a close frame are those of [`VoiceServer::limits`] and of the protocol.
//!
//! # Two extractors
//!
//! - [`VoiceUpgrade`], the extractor of this crate, is the one to choose: an idle connection costs
//!   the least memory, and everything is as the protocol says.
//! - axum's own [`WebSocketUpgrade`] is for servers that speak HTTP/2 to their clients, and for
//!   code that has this extractor already. It takes some 9 KiB more for each idle connection. It
//!   does not show the head of the request, so this crate cannot refuse a request that has a body.
//!   Nor does it show the order of the subprotocols: if a client offers both, protobuf is taken. If
//!   a client sends a message that is too large, its rest is not read. So the close code may not
//!   reach a client that is still sending. It hides the frames of a message in fragments, so they
//!   do not count in the client's rate, and a flood of empty ones closes no connection. It does not
//!   tell how much is sent: a client that takes more than a second for what is buffered (8 KiB and
//!   one message) counts as stalled until it has taken all of it, and is evicted if its queue is
//!   full.
//!
//! If you want the socket itself, [`transport`] makes axum's
//! [`WebSocket`](axum::extract::ws::WebSocket) the `Stream` and `Sink` of frames that [`drive`] and
//! [`ConnectionMachine`](united_voice_core::ConnectionMachine) work with.
//!
//! # The end
//!
//! Shut voice down first, and axum after that:
//!
//! ```no_run
//! # use united_voice_core::{OpenDirectory, VoiceServer};
//! # async fn run(server: VoiceServer<OpenDirectory>, app: axum::Router) -> std::io::Result<()> {
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! # async fn asked_to_stop() {}
//! axum::serve(listener, app)
//!     .with_graceful_shutdown(async move {
//!         asked_to_stop().await;
//!         server.shutdown();
//!         server.drained().await;
//!     })
//!     .await
//! # }
//! ```
//!
//! [`VoiceServer::shutdown`] sends each client the close code 1001, and refuses new connections
//! with the same code. axum does not wait for connections that have left HTTP. So wait for
//! [`VoiceServer::drained`], or the program may end before the close frames have left. It takes at
//! most [`close_timeout`](united_voice_core::Limits::close_timeout) and
//! [`linger`](united_voice_core::Limits::linger) together.
//!
//! # Foreign types in the public API
//!
//! Those of `axum` 0.8 and of `united-voice-core`, and `tokio`'s `TcpStream`.

mod extractor;
mod transport;

use axum::{
    extract::ws::{OnFailedUpgrade, WebSocketUpgrade},
    response::Response,
};
use united_voice_core::{Codec, UserId, VoiceDirectory, VoiceServer, drive};

pub use self::{
    extractor::VoiceUpgrade,
    transport::{Transport, transport},
};
pub use united_voice_websocket::HandshakeError;

/// The size of each of the two buffers of axum's own WebSocket. Several candidates fit into one,
/// and tungstenite's default of 128 KiB would be most of the memory of a silent connection.
const BUFFER_BYTES: usize = 8 * 1024;

/// The subprotocols, in the order of preference.
const SUBPROTOCOLS: &[&str] = &[
    Codec::Protobuf.subprotocol(),
    #[cfg(feature = "json")]
    Codec::Json.subprotocol(),
];

/// Answers a request for a WebSocket, and runs the connection of `user` in a task of its own until
/// it ends.
///
/// `request` is a [`VoiceUpgrade`] or axum's [`WebSocketUpgrade`]. Call this only after your own
/// code has authenticated the user. If the authentication uses cookies, check the header `Origin`
/// too.
///
/// The answer is 101. If the request is no good request for a WebSocket, the answer says what is
/// wrong: it is 400, 405 for another method than `GET`, and 426 for another version than 13.
///
/// # Panics
///
/// If it is called outside a Tokio runtime. The task panics if that runtime has no time enabled.
pub fn upgrade<D: VoiceDirectory>(
    server: &VoiceServer<D>,
    user: UserId,
    request: impl Upgrade,
) -> Response {
    request.answer(server, user)
}

/// A request that [`upgrade`] takes: [`VoiceUpgrade`] or axum's [`WebSocketUpgrade`].
pub trait Upgrade: sealed::Answer {}

impl<T: sealed::Answer> Upgrade for T {}

mod sealed {
    use super::{Response, UserId, VoiceDirectory, VoiceServer};

    pub trait Answer {
        fn answer<D: VoiceDirectory>(self, server: &VoiceServer<D>, user: UserId) -> Response;
    }
}

impl<F: OnFailedUpgrade> sealed::Answer for WebSocketUpgrade<F> {
    fn answer<D: VoiceDirectory>(self, server: &VoiceServer<D>, user: UserId) -> Response {
        let limit = server.limits().max_message_bytes;
        let upgrade = self
            .max_message_size(limit)
            .max_frame_size(limit)
            .accept_unmasked_frames(false)
            .read_buffer_size(BUFFER_BYTES)
            .write_buffer_size(BUFFER_BYTES)
            // `drive` writes a message only if less than the buffer waits. So no more than the
            // buffer and one message wait, and a limit could only break the connection.
            .max_write_buffer_size(usize::MAX)
            .protocols(SUBPROTOCOLS.iter().copied());
        let protocol = upgrade.selected_protocol();
        let protocol = protocol.and_then(|protocol| protocol.to_str().ok());
        let codec = protocol.and_then(Codec::from_subprotocol);
        let server = server.clone();
        upgrade.on_upgrade(async move |socket| {
            // In a box, since the task would otherwise have room for two of them.
            drive(&server, Box::new(transport(socket)), user, codec).await;
        })
    }
}

/// The code in the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
