//! A network between a page and its server that a test can break.

use std::{
    future::pending,
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

/// What a connection through the proxy looks at.
#[derive(Clone, Debug)]
struct Forecast {
    weather: watch::Receiver<Weather>,
    /// The number of times that all connections of the moment were swallowed.
    swallowed: watch::Receiver<u64>,
}

/// A TCP proxy on a port of its own. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    swallowed: watch::Sender<u64>,
    refused: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// A proxy that passes everything on to a server, until a test breaks it.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let (weather, fair) = watch::channel(Weather::Fair);
        let (swallowed, count) = watch::channel(0);
        let forecast = Forecast {
            weather: fair,
            swallowed: count,
        };
        let refused = Arc::default();
        let task = tokio::spawn(accept(listener, server, forecast, Arc::clone(&refused)));
        Self {
            address,
            weather,
            swallowed,
            refused,
            task,
        }
    }

    /// The URL of a page of the server through the proxy.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    /// Holds back every byte from now on. Neither side is told.
    pub fn stall(&self) {
        self.weather.send_replace(Weather::Stalled);
    }

    /// Passes on the bytes that were held back, and everything from now on.
    pub fn mend(&self) {
        self.weather.send_replace(Weather::Fair);
    }

    /// From now on, the present connections carry nothing, and neither side is ever told. New
    /// connections work.
    pub fn swallow(&self) {
        self.swallowed.send_modify(|count| *count += 1);
    }

    /// The number of new connections that were ended at once.
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
    forecast: Forecast,
    refused: Arc<AtomicUsize>,
) {
    // Dropped with this task, which ends all connections.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *forecast.weather.borrow() == Weather::Cut {
            refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        connections.spawn(pass(client, server, forecast.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries a connection until either side or the test ends it.
async fn pass(client: TcpStream, server: SocketAddr, forecast: Forecast) {
    let Forecast {
        mut weather,
        mut swallowed,
    } = forecast;
    let mut cut = weather.clone();
    swallowed.mark_unchanged();
    let carry = async {
        // During a stall, no new connection may reach the server, and no refusal the client.
        fair(&mut weather).await?;
        let server = TcpStream::connect(server).await?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            copy(from_client, to_server, weather.clone()),
            copy(from_server, to_client, weather.clone()),
        )
    };
    // It outlives the selection, so the sockets of a swallowed connection stay open.
    tokio::pin!(carry);
    let ended = tokio::select! {
        // If one side ends it, the other sees the end too.
        _ = &mut carry => true,
        _ = cut.wait_for(|weather| *weather == Weather::Cut) => true,
        _ = swallowed.changed() => false,
    };
    if !ended {
        pending::<()>().await;
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
