//! The server: its routes, and what its connections share.

use std::{future::Future, io, sync::Arc};

use axum::{
    Router,
    extract::{RawQuery, State, WebSocketUpgrade},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use united_voice_core::{Limits, VoiceServer}; // +voice

use crate::{chat::Chat, messages::MAX_MESSAGE_BYTES, socket};

/// A chat server.
#[derive(Debug)]
pub struct Server {
    pub(crate) chat: Arc<Chat>,
    pub(crate) voice: VoiceServer<Arc<Chat>>, // +voice
}

impl Server {
    /// A server with these accounts and channels.
    #[must_use]
    #[rustfmt::skip]
    pub fn new(
        chat: Chat,
        limits: Limits, // +voice
    ) -> Arc<Self> {
        let chat = Arc::new(chat);
        let voice = VoiceServer::builder(Arc::clone(&chat)).limits(limits).build(); // +voice
        Arc::new(Self {
            chat,
            voice: voice.expect("the program sets valid limits"), // +voice
        })
    }

    /// Serves until `stop` is ready, and then closes all connections with 1001.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let routes = Router::new().route("/ws", get(upgrade));
        let served = axum::serve(listener, routes.with_state(Arc::clone(&self)));
        let stopped = async move {
            stop.await;
            self.voice.shutdown(); // +voice
            self.voice.drained().await; // +voice
        };
        served.with_graceful_shutdown(stopped).await
    }
}

async fn upgrade(
    State(server): State<Arc<Server>>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let token = query
        .as_deref()
        .and_then(|query| query.strip_prefix("token="));
    let name = token.and_then(|token| server.chat.account(token)).cloned();
    let Some(name) = name else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    // axum cuts the connection if a message exceeds this. Up to then the server closes with 1009.
    let limit = 2 * MAX_MESSAGE_BYTES;
    upgrade
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(async move |socket| {
            // Why it ended is of no use here.
            let _ = socket::run(&server, &name, socket).await;
        })
}
