//! How a client is set up.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use united_voice_proto::Codec;

use crate::{
    Backoff, Client, ConnectError, Endpoint, Events, TokenError,
    backoff::Pauses,
    call::Call,
    dial::{Dialer, Tokens, Transport},
    driver::{Driver, Outlet},
    socket::Keepalive,
};

/// Commands that may wait for the connection's task. Beyond it the application waits.
const COMMAND_QUEUE: usize = 64;

/// Longer than anybody waits, and short enough for the clock of any system.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Settings of a client. Made by [`Client::builder`].
#[derive(Debug)]
#[must_use = "nothing happens until `connect`"]
pub struct ClientBuilder {
    dialer: Dialer,
    backoff: Option<Backoff>,
    request_timeout: Duration,
    event_queue: usize,
}

impl ClientBuilder {
    pub(crate) fn new(url: String) -> Self {
        let keepalive = Keepalive {
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(10),
        };
        Self {
            dialer: Dialer {
                url,
                codec: Codec::Protobuf,
                tokens: Tokens::default(),
                transport: Transport::default(),
                open_timeout: Duration::from_secs(10),
                keepalive,
                max_message_bytes: 1 << 20,
            },
            backoff: Some(Backoff::default()),
            request_timeout: Duration::from_secs(10),
            event_queue: 256,
        }
    }

    /// A token, sent as `Authorization: Bearer` with each attempt to connect. Default: none is sent.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.dialer.tokens = Tokens::Fixed(token.into());
        self
    }

    /// What gets a token before each attempt. It is told `true` where the server refused the one before (401), so that a
    /// stored one is not given again. The time it takes counts towards [`open_timeout`](Self::open_timeout).
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

    /// Reconnects by these rules, or with `None` not at all: then the first loss of the connection is the end of the
    /// client. Default: [`Backoff::default`].
    pub fn reconnect(mut self, backoff: impl Into<Option<Backoff>>) -> Self {
        self.backoff = backoff.into();
        self
    }

    /// How long a request waits for its answer. Default 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout.min(FAR);
        self
    }

    /// How long an attempt to connect may take, from asking for a token to the end of the upgrade. Default 10 s.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.dialer.open_timeout = timeout;
        self
    }

    /// Pings the server after `interval` without a sign of life, and counts it as gone after `timeout` more. Default 20 s
    /// and 10 s.
    pub fn keepalive(mut self, interval: Duration, timeout: Duration) -> Self {
        self.dialer.keepalive = Keepalive {
            interval: interval.min(FAR),
            timeout: timeout.min(FAR),
        };
        self
    }

    /// Events that may wait to be read, at least 1; see [`Events`] for what happens then. Default 256, which is 16 MiB if
    /// each is the largest offer that servers let through.
    pub fn event_queue(mut self, events: usize) -> Self {
        self.event_queue = events.max(1);
        self
    }

    /// The largest message that is read; a larger one costs the connection. Default 1 MiB, room for the snapshot of some
    /// thousand participants.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.dialer.max_message_bytes = bytes;
        self
    }

    /// Makes the byte stream under the WebSocket: through a proxy, over a Unix socket, with TLS of one's own, or in
    /// memory for tests. A `wss://` URL asks for a stream that is encrypted already. Default: TCP, and TLS where the URL
    /// says so and the feature `rustls` is on.
    pub fn dial_with<F, S>(mut self, dial: impl Fn(Endpoint) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::io::Result<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.dialer.transport = Transport::own(dial);
        self
    }

    /// Connects, once: an error here is most often one of configuration, which trying again does not mend. From then on
    /// the client stays connected until its last handle is dropped.
    ///
    /// # Errors
    ///
    /// See [`ConnectError`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time and, unless [`dial_with`](Self::dial_with) is used, I/O.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the attempt.
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
            call: Call::new(self.request_timeout),
            dialer: self.dialer,
            pauses: self.backoff.map(Pauses::new),
            commands: inbox,
            outlet: Outlet::new(outbox),
        };
        tokio::spawn(driver.run(socket));
        Ok((Client::new(commands), Events(events)))
    }
}
