//! A way to the engine that can be blocked.

use std::net::SocketAddr;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// A TCP proxy on loopback. While it is blocked, no byte passes, and new connections hang: as if
/// the network between a node and the engine were gone.
pub(crate) struct Proxy {
    address: SocketAddr,
    blocked: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(engine: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let blocked = watch::Sender::new(false);
        let is_blocked = blocked.subscribe();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("accepted");
                connections.spawn(pass(client, engine, is_blocked.clone()));
            }
        });
        Self {
            address,
            blocked,
            task,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Blocks the way, or opens it. Connections of before break off when it opens.
    pub(crate) fn block(&self, blocked: bool) {
        self.blocked.send_replace(blocked);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, engine: SocketAddr, mut blocked: watch::Receiver<bool>) {
    // The sender lives as long as the proxy.
    let _ = blocked.wait_for(|blocked| !blocked).await;
    let Ok(mut server) = TcpStream::connect(engine).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = blocked.wait_for(|blocked| *blocked) => {}
    }
    // Both ends hold their sockets open and hear nothing.
    let _ = blocked.wait_for(|blocked| !blocked).await;
}
