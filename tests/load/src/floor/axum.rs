//! A bare relay on Axum's own WebSockets, as a user of Axum would build it, with the best settings.

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

use super::{
    forward::{Rooms, forward, websocket_message},
    listen::config,
};

/// Serves until it is killed.
pub(super) async fn serve(listener: TcpListener, read_buffer: usize) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?.tap_io(|stream| {
        // This fails only if the connection is gone, and then the next read says so.
        let _ = stream.set_nodelay(true);
    });
    let rooms = Arc::new(Rooms::default());
    let app = Router::new()
        .route("/ws", any(upgrade))
        .with_state((rooms, read_buffer));
    Ok(axum::serve(listener, app).await?)
}

async fn upgrade(
    State((rooms, read_buffer)): State<(Arc<Rooms>, usize)>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let config = config(read_buffer);
    upgrade
        .read_buffer_size(config.read_buffer_size)
        .write_buffer_size(config.write_buffer_size)
        .on_upgrade(|socket: WebSocket| forward(rooms, socket))
}

websocket_message!(ws::Message);
