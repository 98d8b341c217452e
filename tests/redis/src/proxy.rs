//! A network between a server and its clients that a test can break.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};

/// The bytes that are read at once, and how many such reads may be on their way at a time.
const CHUNK: usize = 16 * 1024;
const CHUNKS: usize = 1024;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the clients to the server.
    ToServer,
    /// From the server to the clients.
    ToClients,
}

#[derive(Clone, Debug)]
struct Weather {
    /// For new connections.
    server: SocketAddr,
    /// New connections are ended at once.
    is_cut: bool,
    /// Holds back what goes to the server, and to the clients.
    stalled: [bool; 2],
    delay: Duration,
    /// How often all connections of the moment met each of these ends.
    ends: Ends,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    cut: u64,
    swallowed: u64,
    half_opened: u64,
}

/// A TCP proxy on a port of its own. Dropping it ends its connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
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
        let weather = watch::Sender::new(Weather {
            server,
            is_cut: false,
            stalled: [false; 2],
            delay: Duration::ZERO,
            ends: Ends::default(),
        });
        let refused = Arc::default();
        let forecast = weather.subscribe();
        let task = tokio::spawn(accept(listener, forecast, Arc::clone(&refused)));
        Self {
            address,
            weather,
            refused,
            task,
        }
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of an engine through the proxy.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Takes new connections to another server from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        self.weather.send_modify(|weather| weather.server = server);
    }

    /// Ends all connections, and each new one at once.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| {
            weather.is_cut = true;
            weather.ends.cut += 1;
        });
    }

    /// Holds back every byte from now on. Neither side is told, and new connections hang.
    pub fn stall(&self) {
        self.weather
            .send_modify(|weather| weather.stalled = [true; 2]);
    }

    /// Holds back every byte that goes this way. A new connection reaches the server.
    pub fn stall_way(&self, way: Way) {
        self.weather
            .send_modify(|weather| weather.stalled[way as usize] = true);
    }

    /// Lets every byte arrive this much later, either way. It does not make the network narrower,
    /// up to 16 MiB that are on their way.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Passes on the bytes that were held back, and everything from now on, without delay. Bytes
    /// that are on their way arrive when they would have.
    pub fn mend(&self) {
        self.weather.send_modify(|weather| {
            weather.is_cut = false;
            weather.stalled = [false; 2];
            weather.delay = Duration::ZERO;
        });
    }

    /// From now on, the present connections carry nothing, and neither side is ever told. New
    /// connections work.
    pub fn swallow(&self) {
        self.weather
            .send_modify(|weather| weather.ends.swallowed += 1);
    }

    /// Ends the present connections for the server. Their clients are never told. New connections
    /// work.
    pub fn half_open(&self) {
        self.weather
            .send_modify(|weather| weather.ends.half_opened += 1);
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
    weather: watch::Receiver<Weather>,
    refused: Arc<AtomicUsize>,
) {
    // Dropped with this task, which ends all connections.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Weather { is_cut, ends, .. } = *weather.borrow();
        if is_cut {
            refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        connections.spawn(pass(client, ends, weather.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries a connection until it ends itself or the network ends it. `begun` is what all connections
/// had met before it.
async fn pass(client: TcpStream, begun: Ends, mut weather: watch::Receiver<Weather>) {
    let (mut from_client, mut to_client) = client.into_split();
    let sky = weather.clone();
    let carry = async {
        // During a stall, no new connection may reach the server, and no refusal the client.
        wait_for(&sky, |weather| weather.stalled != [true; 2]).await?;
        let server = sky.borrow().server;
        let (from_server, to_server) = TcpStream::connect(server).await?.into_split();
        tokio::try_join!(
            copy(&mut from_client, to_server, Way::ToServer, &sky),
            copy(from_server, &mut to_client, Way::ToClients, &sky),
        )
    };
    let mut carry = Box::pin(carry);
    let met = tokio::select! {
        // If one side ends it, the other sees the end too.
        _ = &mut carry => return,
        met = weather.wait_for(|weather| weather.ends != begun) => met.map(|weather| weather.ends),
    };
    // Both sockets stay open, unless the server's end with the future.
    if met.is_ok_and(|met| met.half_opened != begun.half_opened) {
        drop(carry);
    }
    let _ = weather
        .wait_for(|weather| weather.ends.cut != begun.cut)
        .await;
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Way,
    weather: &watch::Receiver<Weather>,
) -> io::Result<()> {
    let (sender, mut chunks) = mpsc::channel(CHUNKS);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            let length = from.read(&mut buffer).await?;
            let due = Instant::now() + weather.borrow().delay;
            // An empty chunk is the end.
            let sent = sender.send((due, buffer[..length].to_vec())).await;
            if length == 0 || sent.is_err() {
                return Ok(());
            }
        }
    };
    let write = async {
        while let Some((due, chunk)) = chunks.recv().await {
            sleep_until(due).await;
            wait_for(weather, |weather| !weather.stalled[way as usize]).await?;
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            to.write_all(&chunk).await?;
        }
        Ok(())
    };
    tokio::try_join!(read, write).map(drop)
}

async fn wait_for(
    weather: &watch::Receiver<Weather>,
    is_so: impl FnMut(&Weather) -> bool,
) -> io::Result<()> {
    let waited = weather.clone().wait_for(is_so).await.map(drop);
    waited.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);
    /// Long enough for a byte on loopback, if nothing holds it back.
    const A_WHILE: Duration = Duration::from_millis(100);

    /// A server, a proxy, and a connection through it.
    struct Setting {
        listener: TcpListener,
        proxy: Proxy,
        client: TcpStream,
        server: TcpStream,
    }

    impl Setting {
        async fn new() -> Self {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
            let listener = listener.expect("there is a free port");
            let proxy = Proxy::before(listener.local_addr().expect("bound")).await;
            let (client, server) = connect(&proxy, &listener).await;
            Self {
                listener,
                proxy,
                client,
                server,
            }
        }

        async fn works_anew(&self) {
            let (mut client, mut server) = connect(&self.proxy, &self.listener).await;
            goes(&mut client, &mut server).await;
            goes(&mut server, &mut client).await;
        }
    }

    async fn connect(proxy: &Proxy, listener: &TcpListener) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(proxy.address()).await;
        let (server, _) = listener.accept().await.expect("accepted");
        (client.expect("connected"), server)
    }

    async fn goes(from: &mut TcpStream, to: &mut TcpStream) {
        from.write_u8(7).await.expect("written");
        let heard = tokio::time::timeout(PATIENCE, to.read_u8()).await;
        assert_eq!(heard.expect("in time").expect("a byte"), 7);
    }

    async fn hears_nothing(stream: &mut TcpStream) {
        let heard = tokio::time::timeout(A_WHILE, stream.read_u8()).await;
        heard.expect_err("nothing comes");
    }

    async fn ends(stream: &mut TcpStream) {
        let heard = tokio::time::timeout(PATIENCE, stream.read_u8()).await;
        heard.expect("in time").expect_err("it has ended");
    }

    #[tokio::test]
    async fn a_stall_holds_bytes_back_and_loses_none() {
        let mut it = Setting::new().await;
        goes(&mut it.client, &mut it.server).await;
        it.proxy.stall();
        it.client.write_u8(1).await.expect("written");
        hears_nothing(&mut it.server).await;
        it.proxy.mend();
        assert_eq!(it.server.read_u8().await.expect("a byte"), 1);
        for (way, is_reversed) in [(Way::ToServer, false), (Way::ToClients, true)] {
            let (mut from, mut to) = (&mut it.client, &mut it.server);
            if is_reversed {
                (from, to) = (to, from);
            }
            it.proxy.stall_way(way);
            goes(to, from).await;
            from.write_u8(2).await.expect("written");
            hears_nothing(to).await;
            it.proxy.mend();
            assert_eq!(to.read_u8().await.expect("a byte"), 2);
        }
        drop(it.client);
        ends(&mut it.server).await;
    }

    #[tokio::test]
    async fn a_cut_ends_everything_until_it_is_mended() {
        let mut it = Setting::new().await;
        it.proxy.cut();
        ends(&mut it.client).await;
        ends(&mut it.server).await;
        let mut refused = TcpStream::connect(it.proxy.address()).await.expect("heard");
        ends(&mut refused).await;
        assert_eq!(it.proxy.refused(), 1);
        it.proxy.mend();
        it.works_anew().await;
    }

    #[tokio::test]
    async fn a_cut_that_is_mended_at_once_ends_what_was_stalled() {
        let mut it = Setting::new().await;
        it.proxy.stall();
        it.proxy.cut();
        it.proxy.mend();
        ends(&mut it.client).await;
        ends(&mut it.server).await;
    }

    #[tokio::test]
    async fn a_swallowed_connection_is_silent_and_a_new_one_works() {
        let mut it = Setting::new().await;
        it.proxy.swallow();
        it.works_anew().await;
        it.client.write_u8(1).await.expect("written");
        it.server.write_u8(1).await.expect("written");
        hears_nothing(&mut it.server).await;
        hears_nothing(&mut it.client).await;
        it.proxy.cut();
        ends(&mut it.client).await;
    }

    #[tokio::test]
    async fn a_half_open_connection_has_ended_for_the_server_alone() {
        let mut it = Setting::new().await;
        it.proxy.half_open();
        ends(&mut it.server).await;
        it.client.write_u8(1).await.expect("written");
        hears_nothing(&mut it.client).await;
        it.works_anew().await;
    }

    #[tokio::test]
    async fn a_delay_holds_each_byte_and_mending_ends_it() {
        let mut it = Setting::new().await;
        it.proxy.delay(5 * A_WHILE);
        let begun = Instant::now();
        for _ in 0..10 {
            it.client.write_u8(1).await.expect("written");
            tokio::task::yield_now().await;
        }
        hears_nothing(&mut it.server).await;
        for _ in 0..10 {
            assert_eq!(it.server.read_u8().await.expect("a byte"), 1);
        }
        assert!(begun.elapsed() >= 5 * A_WHILE);
        it.proxy.mend();
        goes(&mut it.client, &mut it.server).await;
    }

    #[tokio::test]
    async fn new_connections_may_be_led_elsewhere() {
        let mut it = Setting::new().await;
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let other = other.expect("there is a free port");
        it.proxy.lead_to(other.local_addr().expect("bound"));
        let (mut client, mut server) = connect(&it.proxy, &other).await;
        goes(&mut client, &mut server).await;
        goes(&mut it.client, &mut it.server).await;
    }
}
