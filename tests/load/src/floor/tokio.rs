//! A bare relay without a framework.

use std::{net::TcpListener, sync::Arc};

use tokio_tungstenite::accept_async_with_config;

use super::{
    forward::{Rooms, forward},
    listen::config,
};

/// Serves until it is killed.
pub(super) async fn serve(listener: TcpListener, read_buffer: usize) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let rooms = Arc::new(Rooms::default());
    loop {
        let (stream, _) = listener.accept().await?;
        let rooms = Arc::clone(&rooms);
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let config = Some(config(read_buffer));
            if let Ok(socket) = accept_async_with_config(stream, config).await {
                forward(rooms, socket).await;
            }
            std::io::Result::Ok(())
        });
    }
}
