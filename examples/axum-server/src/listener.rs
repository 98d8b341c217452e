//! Accepting connections.

use axum::serve::Listener;
use tokio::net::TcpListener;
use united_voice_host::{Lingering, LingeringStream};

pub(crate) struct LingeringListener {
    listener: TcpListener,
    lingering: Lingering,
}

impl LingeringListener {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            lingering: Lingering::default(),
        }
    }

    /// Waits for the next connection. Errors, such as too many open files, are waited out.
    pub(crate) async fn accept(&mut self) -> LingeringStream {
        let (stream, _) = Listener::accept(&mut self.listener).await;
        self.lingering.stream(stream)
    }
}
