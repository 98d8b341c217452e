//! From a host name to a TCP connection, over whichever address answers first (RFC 8305, "Happy
//! Eyeballs").

use std::{collections::VecDeque, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    net::{TcpStream, lookup_host},
    time::sleep,
};

use crate::error::ConnectError;

/// How long an attempt has before the next address is tried beside it (RFC 8305 section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses that are tried at most. The last one is then tried after 2.25 s.
const MAX_ADDRESSES: usize = 10;

type Lookup = dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync;

/// Finds the addresses of a host, in the order in which the system prefers them (RFC 6724).
#[derive(Clone)]
pub(crate) struct Resolver(Arc<Lookup>);

impl Default for Resolver {
    fn default() -> Self {
        Self::new(|host, port| async move { Ok(lookup_host((host, port)).await?.collect()) })
    }
}

impl Resolver {
    pub(crate) fn new<F>(lookup: impl Fn(String, u16) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |host, port| Box::pin(lookup(host, port))))
    }

    /// Connects to a host. Dropping the future gives all attempts up.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let unknown = |error: io::Error| ConnectError::UnknownHost {
            host: host.to_owned(),
            source: Arc::new(error),
        };
        let found = self.0(host.to_owned(), port).await.map_err(unknown)?;
        if found.is_empty() {
            return Err(unknown(io::ErrorKind::NotFound.into()));
        }
        let stream = first_to_connect(interleaved(found), TcpStream::connect)
            .await
            .map_err(|error| ConnectError::Unreachable(Arc::new(error)))?;
        // Signaling is small messages that somebody waits for. If this fails, they are merely
        // slower.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// Orders addresses so that the families take turns, beginning with that of the first address. So
/// a family that does not work costs one attempt before the other family is tried.
fn interleaved(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let mut waiting: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        if !waiting.contains(&address) {
            waiting.push(address);
        }
    }
    let mut ordered = VecDeque::new();
    while ordered.len() < MAX_ADDRESSES && !waiting.is_empty() {
        let last_was_v6 = ordered.back().map(SocketAddr::is_ipv6);
        let other_family = |address: &SocketAddr| Some(address.is_ipv6()) != last_was_v6;
        let next = waiting.iter().position(other_family).unwrap_or(0);
        ordered.push_back(waiting.remove(next));
    }
    ordered
}

/// Connects to the first address that answers. An attempt that does not answer within
/// [`ATTEMPT_DELAY`] goes on, and the next one starts beside it. One that fails is followed by the
/// next at once. If all fail, the error is that of the last to fail.
async fn first_to_connect<T, F>(
    mut addresses: VecDeque<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::ErrorKind::NotFound.into();
    loop {
        match addresses.pop_front() {
            Some(address) => attempts.push(connect(address)),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        let more = !addresses.is_empty();
        tokio::select! {
            Some(ended) = attempts.next() => match ended {
                Ok(connected) => return Ok(connected),
                Err(error) => failure = error,
            },
            () = sleep(ATTEMPT_DELAY), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, future::pending};

    use tokio::{
        net::{TcpListener, TcpSocket},
        time::{Instant, timeout},
    };
    use tokio_tungstenite::accept_hdr_async;
    use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
    use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

    use super::*;
    use crate::{Client, ClientBuilder, Event};

    /// How long something may take that takes no time on an idle machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        let parse = |text: &&str| text.parse().expect("an address");
        texts.iter().map(parse).collect()
    }

    #[test]
    fn families_take_turns() {
        let found = addresses(&[
            "[::1]:1",
            "[::2]:1",
            "[::1]:1",
            "[::3]:1",
            "127.0.0.1:1",
            "127.0.0.2:1",
        ]);
        let ordered = addresses(&[
            "[::1]:1",
            "127.0.0.1:1",
            "[::2]:1",
            "127.0.0.2:1",
            "[::3]:1",
        ]);
        assert_eq!(interleaved(found), ordered);
        let many = (1..100).map(|port| ([127, 0, 0, 1], port).into()).collect();
        assert_eq!(interleaved(many).len(), MAX_ADDRESSES);
    }

    /// Connects in a world in which port 1 never answers, port 2 refuses at once, port 3 connects,
    /// and port 4 connects after 400 ms. Returns what was connected, and when the attempts began.
    async fn race(ports: &[u16]) -> (io::Result<u16>, Vec<u128>) {
        let began = Instant::now();
        let begun = RefCell::new(Vec::new());
        let addresses = ports.iter().map(|&port| ([127, 0, 0, 1], port).into());
        let connected = first_to_connect(addresses.collect(), |address: SocketAddr| {
            begun.borrow_mut().push(began.elapsed().as_millis());
            async move {
                match address.port() {
                    1 => pending().await,
                    2 => Err(io::ErrorKind::ConnectionRefused.into()),
                    4 => {
                        sleep(Duration::from_millis(400)).await;
                        Ok(4)
                    }
                    port => Ok(port),
                }
            }
        });
        let connected = timeout(PATIENCE, connected).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        (connected, begun.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_costs_a_quarter_of_a_second() {
        let (connected, begun) = race(&[1, 3]).await;
        assert_eq!((connected.expect("connected"), begun), (3, vec![0, 250]));
        let (connected, begun) = race(&[1, 1, 1, 3]).await;
        assert_eq!(
            (connected.expect("connected"), begun),
            (3, vec![0, 250, 500, 750])
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_nothing() {
        let (connected, begun) = race(&[2, 2, 3, 3]).await;
        assert_eq!((connected.expect("connected"), begun), (3, vec![0, 0, 0]));
        let (connected, begun) = race(&[1, 2, 3]).await;
        assert_eq!(
            (connected.expect("connected"), begun),
            (3, vec![0, 250, 250])
        );
        let (connected, _) = race(&[2, 2]).await;
        let error = connected.expect_err("both refuse");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_address_may_still_win() {
        let (connected, begun) = race(&[4, 1]).await;
        assert_eq!((connected.expect("connected"), begun), (4, vec![0, 250]));
    }

    fn listener(backlog: u32) -> (SocketAddr, TcpListener) {
        let socket = TcpSocket::new_v4().expect("a socket");
        let bound = socket.bind(([127, 0, 0, 1], 0).into());
        bound.expect("loopback has a free port");
        let listener = socket.listen(backlog).expect("a bound socket listens");
        (listener.local_addr().expect("it is bound"), listener)
    }

    /// A listener whose queue is full and that accepts nobody: an address that does not answer.
    /// The connections that fill it must be kept.
    async fn black_hole() -> (SocketAddr, Vec<TcpStream>, TcpListener) {
        let (address, listener) = listener(1);
        let mut filling = Vec::new();
        while let Ok(connected) = timeout(Duration::from_secs(1), TcpStream::connect(address)).await
        {
            filling.push(connected.expect("a full queue does not refuse"));
            assert!(filling.len() < 100, "the queue is never full");
        }
        (address, filling, listener)
    }

    /// Settings of a client that finds these addresses for any host.
    fn finds(found: Vec<SocketAddr>) -> ClientBuilder {
        let resolver = Resolver::new(move |_, _| std::future::ready(Ok(found.clone())));
        Client::builder("ws://voice.test/ws").resolver(resolver)
    }

    #[expect(clippy::result_large_err, reason = "tungstenite's callback type")]
    async fn accept(listener: &TcpListener) -> impl Sized {
        let (stream, _) = listener.accept().await.expect("a client connects");
        let echo = |request: &Request, mut response: Response| -> Result<_, ErrorResponse> {
            let offered = request.headers()[SEC_WEBSOCKET_PROTOCOL].clone();
            let headers = response.headers_mut();
            headers.insert(SEC_WEBSOCKET_PROTOCOL, offered);
            Ok(response)
        };
        let accepted = accept_hdr_async(stream, echo).await;
        accepted.expect("the client upgrades")
    }

    #[tokio::test]
    async fn a_client_connects_and_reconnects_past_an_address_that_does_not_answer() {
        let (dead, _filling, _listener) = black_hole().await;
        let (address, good) = listener(64);
        // Nobody listens there any more.
        let (refusing, _) = listener(64);
        let builder = finds(vec![dead, refusing, address]);
        let both = async { tokio::join!(builder.connect(), accept(&good)) };
        // The whole attempt has 10 s.
        let (connected, link) = timeout(PATIENCE, both).await.expect("in time");
        let (_client, mut events) = connected.expect("connected");

        drop(link);
        let both = async {
            let _link = accept(&good).await;
            let mut next = async || events.next().await.expect("the client goes on");
            while !matches!(next().await, Event::Reconnected) {}
        };
        timeout(PATIENCE, both).await.expect("in time");
    }

    #[tokio::test]
    async fn one_deadline_covers_all_addresses() {
        let (dead, _filling, _listener) = black_hole().await;
        let builder = finds(vec![dead]).open_timeout(Duration::from_millis(300));
        let connected = timeout(PATIENCE, builder.connect()).await.expect("in time");
        assert!(matches!(connected, Err(ConnectError::TimedOut)));
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_named() {
        let connected = finds(Vec::new()).connect().await;
        let error = connected.expect_err("no address");
        assert_eq!(
            error.to_string(),
            r#"no address was found for the host "voice.test""#
        );
        assert!(error.is_retryable());

        let resolver = Resolver::new(|_, _| std::future::ready(Err(io::ErrorKind::Other.into())));
        let builder = Client::builder("ws://voice.test/ws").resolver(resolver);
        let error = builder.connect().await.expect_err("no look-up");
        assert!(matches!(error, ConnectError::UnknownHost { .. }), "{error}");
    }
}
