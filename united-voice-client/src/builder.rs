//! The settings of a client.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use united_voice_proto::Codec;

use crate::{
    backoff::{Backoff, Pauses},
    call::Call,
    client::Client,
    dial::{Dialer, Endpoint, Network, Tokens, Transport},
    driver::{Driver, Outlet},
    error::{ConnectError, TokenError},
    event::Events,
    pace::Rate,
    socket::Keepalive,
};

/// Commands that may wait for the connection's task. If the queue is full, the application waits.
const COMMAND_QUEUE: usize = 64;

/// A limit for times that are added to the clock. Nobody waits for so long, and it is short enough
/// for any system's clock.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

impl Client {
    /// Settings of a client of the server at this URL, for example `wss://voice.example.org/ws`.
    pub fn builder(url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(url.into())
    }
}

/// Settings of a client. [`Client::builder`] makes them.
#[derive(Debug)]
#[must_use = "nothing happens until `connect`"]
pub struct ClientBuilder {
    dialer: Dialer,
    backoff: Option<Backoff>,
    request_timeout: Duration,
    rate: Rate,
    event_queue: usize,
}

impl ClientBuilder {
    fn new(url: String) -> Self {
        let keepalive = Keepalive {
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(10),
        };
        Self {
            dialer: Dialer {
                url,
                codec: Codec::Protobuf,
                tokens: Tokens::default(),
                transport: Transport::Network(Network::default()),
                open_timeout: Duration::from_secs(10),
                keepalive,
                max_message_bytes: 1 << 20,
            },
            backoff: Some(Backoff::default()),
            request_timeout: Duration::from_secs(10),
            rate: Rate::default(),
            event_queue: 256,
        }
    }

    /// A token. The client sends it as `Authorization: Bearer` with each attempt to connect.
    /// Default: no token.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.dialer.tokens = Tokens::Fixed(token.into());
        self
    }

    /// A token source: the client asks it for a token before each attempt to connect. The argument
    /// is `true` if the server refused the last token (401), so that the source does not give a
    /// stored token again. The time that the source takes counts towards
    /// [`open_timeout`](Self::open_timeout).
    pub fn token_with<F>(mut self, source: impl Fn(bool) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, TokenError>> + Send + 'static,
    {
        let ask =
            move |renew| -> futures::future::BoxFuture<'static, _> { Box::pin(source(renew)) };
        self.dialer.tokens = Tokens::Ask(std::sync::Arc::new(ask));
        self
    }

    /// Protobuf in binary messages or JSON in text messages. Default: protobuf.
    pub fn codec(mut self, codec: Codec) -> Self {
        self.dialer.codec = codec;
        self
    }

    /// The pauses between attempts to reconnect. With `None` the client never reconnects, and it
    /// ends if the connection is lost. Default: [`Backoff::default`].
    pub fn reconnect(mut self, backoff: impl Into<Option<Backoff>>) -> Self {
        self.backoff = backoff.into();
        self
    }

    /// How long a request waits for its answer. Default 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout.min(FAR);
        self
    }

    /// How much the client sends: so many messages at once, and so many a second in the long run,
    /// each at least 1. What exceeds this waits, [candidates last](crate#pace). A description
    /// counts once for each started 16 KiB. Servers drop what exceeds their own limit, which is 100
    /// a second and 200 at once by default. Default: 90 and 180.
    pub fn send_rate(mut self, messages_per_second: u32, burst: u32) -> Self {
        self.rate = Rate {
            messages_per_second,
            burst,
        };
        self
    }

    /// How long an attempt to connect may take: asking for a token, looking the host up, trying all
    /// of its addresses, TLS, and the WebSocket upgrade together. Default 10 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.dialer.open_timeout = timeout;
        self
    }

    /// How a silent server is probed. If nothing came from it for `interval`, the client sends a
    /// ping. If nothing comes for `timeout` after that, the client takes the server for gone.
    /// Default 20 s and 10 s.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.dialer.keepalive = Keepalive {
            interval: interval.min(FAR),
            timeout: timeout.min(FAR),
        };
        self
    }

    /// Events that may wait to be read, at least 1. [`Events`] says what happens if the queue is
    /// full. Default 256. That is at most 16 MiB, if each is the largest offer that servers accept.
    pub fn event_queue(mut self, events: usize) -> Self {
        self.event_queue = events.max(1);
        self
    }

    /// The largest message that the client reads, in bytes. A larger one ends the connection.
    /// Default 1 MiB, which holds the snapshot of some thousand participants.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.dialer.max_message_bytes = bytes;
        self
    }

    /// Makes the byte stream under the WebSocket: through a proxy, over a Unix socket, with your
    /// own TLS, or in memory for tests. For a `wss://` URL, the stream has to be encrypted already.
    /// Default: TCP, with TLS if the URL begins with `wss://`. TLS needs the feature `rustls`. If
    /// the host has several addresses, an address that does not answer within 250 ms is not waited
    /// for: the next one is tried beside it (RFC 8305), IPv6 and IPv4 in turn, at most 10 of them.
    pub fn dial_with<F, S>(mut self, dial: impl Fn(Endpoint) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.dialer.transport = Transport::own(dial);
        self
    }

    /// The authorities that are trusted for a `wss://` URL, unless you use
    /// [`dial_with`](Self::dial_with). Default: [`Roots::mozilla`](crate::Roots::mozilla).
    #[cfg(feature = "rustls")]
    pub fn roots(mut self, roots: crate::Roots) -> Self {
        if let Transport::Network(network) = &mut self.dialer.transport {
            network.roots = roots;
        }
        self
    }

    #[cfg(test)]
    pub(crate) fn resolver(mut self, resolver: crate::network::Resolver) -> Self {
        if let Transport::Network(network) = &mut self.dialer.transport {
            network.resolver = resolver;
        }
        self
    }

    /// Connects, with one attempt: a first error is most often one of configuration, and another
    /// attempt does not help. Once connected, the client stays connected until its last handle is
    /// dropped.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time. Without [`dial_with`](Self::dial_with), the
    /// runtime needs I/O too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn connect(self) -> Result<(Client, Events), ConnectError> {
        let socket = match self.dialer.open(false).await {
            Err(ConnectError::Unauthorized) if self.dialer.can_renew() => {
                self.dialer.open(true).await?
            }
            opened => opened?,
        };
        let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
        let (outbox, events) = mpsc::channel(self.event_queue);
        let driver = Driver {
            call: Call::new(self.request_timeout, self.rate),
            dialer: self.dialer,
            pauses: self.backoff.map(Pauses::new),
            commands: inbox,
            outlet: Outlet::new(outbox),
        };
        tokio::spawn(driver.run(socket));
        Ok((Client::new(commands), Events(events)))
    }
}
