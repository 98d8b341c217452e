//! The network between a page and its server, which a test may break.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    Fair,
    Stalled,
    Cut,
}

/// A TCP proxy on a port of its own. Dropping it cuts what goes through it.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    refused: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Passes everything on to a server, to begin with.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (weather, forecast) = watch::channel(Weather::Fair);
        let refused = Arc::default();
        let task = tokio::spawn(accept(listener, server, forecast, Arc::clone(&refused)));
        Self {
            address,
            weather,
            refused,
            task,
        }
    }

    /// The address of a page of the server's, by way of the proxy.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends all connections, and new ones as soon as they are made.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    /// Holds back every byte from now on, without a word to either side.
    pub fn stall(&self) {
        self.weather.send_replace(Weather::Stalled);
    }

    /// Lets pass what was held back, and all that comes.
    pub fn mend(&self) {
        self.weather.send_replace(Weather::Fair);
    }

    /// How many new connections were ended at once.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    weather: watch::Receiver<Weather>,
    refused: Arc<AtomicUsize>,
) {
    // Ends with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Cut {
            refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        connections.spawn(pass(client, server, weather.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either side ends it or it is cut.
async fn pass(client: TcpStream, server: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let mut cut = weather.clone();
    let carry = async {
        // Nothing of a connection that is made in a stall may reach the server, or a refusal the client.
        fair(&mut weather).await?;
        let server = TcpStream::connect(server).await?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            copy(from_client, to_server, weather.clone()),
            copy(from_server, to_client, weather.clone()),
        )
    };
    tokio::select! {
        // Whichever side ended it, the other sees it end.
        _ = carry => {}
        _ = cut.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        fair(&mut weather).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
    }
}

async fn fair(weather: &mut watch::Receiver<Weather>) -> io::Result<()> {
    let fair = weather.wait_for(|weather| *weather == Weather::Fair).await;
    fair.map(drop).map_err(io::Error::other)
}
