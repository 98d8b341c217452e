//! A bare relay on Axum's own WebSockets, as a user of Axum would build it, with the settings that pay.

use std::{net::TcpListener, sync::Arc};

use axum::{
    Router,
    extract::{
        State, WebSocketUpgrade,
        ws::{self, WebSocket},
    },
    response::Response,
    routing::any,
    serve::ListenerExt as _,
};
use bytes::Bytes;

use super::{
    BUFFER_BYTES,
    forward::{Message, Rooms, forward},
};

/// Serves until it is killed.
pub(super) async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // A connection that is gone already will be noticed elsewhere.
        let _ = stream.set_nodelay(true);
    });
    let app = Router::new()
        .route("/ws", any(upgrade))
        .with_state(Arc::new(Rooms::default()));
    Ok(axum::serve(listener, app).await?)
}

async fn upgrade(State(rooms): State<Arc<Rooms>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .on_upgrade(|socket: WebSocket| forward(rooms, socket))
}

impl Message for ws::Message {
    fn line(&self) -> Option<&str> {
        match self {
            Self::Text(line) => Some(line),
            _ => None,
        }
    }

    fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Binary(bytes) => Some(bytes),
            _ => None,
        }
    }

    fn text(line: String) -> Self {
        Self::Text(line.into())
    }

    fn binary(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}
