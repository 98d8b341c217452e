//! The server: what its connections share, and the loop that accepts them.

use std::{future::Future, sync::Arc};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use united_voice_core::IceConfig; // +voice

use crate::{
    Limits,
    chat::Chat,
    connection,
    voice::{self, Voice}, // +voice
};

/// A chat server.
#[derive(Debug)]
pub struct Server {
    pub(crate) chat: Arc<Chat>,
    pub(crate) limits: Limits,
    pub(crate) voice: Voice, // +voice
}

impl Server {
    /// A server with these accounts and channels, whose connections have these limits.
    #[must_use]
    pub fn new(
        chat: Chat,
        limits: Limits,
        ice: IceConfig, // +voice
    ) -> Arc<Self> {
        let chat = Arc::new(chat);
        let voice = voice::server(&chat, ice); // +voice
        Arc::new(Self {
            chat,
            limits,
            voice, // +voice
        })
    }

    /// The accounts and channels.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.chat
    }

    /// Bans a user from a channel: no more lines, and no more joins.
    pub fn ban(&self, user: u64, channel: u32) {
        self.chat.ban(user, channel);
        voice::policy_changed(&self.voice, channel); // +voice
    }

    /// Serves connections until `stop` is ready. Then it closes them with 1001 and waits until they
    /// are gone.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                // If accepting fails, the client may be gone already. That is no reason to stop the
                // server.
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    // Messages are small, and somebody waits for each. Without this option the
                    // system holds them back to join them into larger packets.
                    let _ = stream.set_nodelay(true);
                    let server = Arc::clone(&self);
                    connections.spawn(async move { server.serve_stream(stream).await });
                },
            }
        }
        self.chat.close();
        while connections.join_next().await.is_some() {}
    }

    /// Serves one connection: a WebSocket over any stream of bytes.
    pub async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) {
        connection::run(self, stream).await;
    }
}
