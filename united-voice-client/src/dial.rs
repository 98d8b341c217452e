//! From a URL and a token to an open WebSocket.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest,
        error::ProtocolError,
        http::{
            HeaderValue, StatusCode, Uri,
            header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL},
            request::Request,
        },
        protocol::WebSocketConfig,
    },
};
use united_voice_proto::Codec;

use crate::{
    error::{ConnectError, TokenError},
    network::Resolver,
    socket::{Io, Keepalive, Socket},
};

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The host name or address of the URL. An IPv6 address has no brackets here.
    pub host: String,
    /// The port. If the URL has none, it is 80, or 443 for `wss:`.
    pub port: u16,
    /// Whether the URL begins with `wss:`. If you make the stream yourself, it has to be encrypted
    /// already.
    pub tls: bool,
}

type Dial = dyn Fn(Endpoint) -> BoxFuture<'static, std::io::Result<Box<dyn Io>>> + Send + Sync;
type Ask = dyn Fn(bool) -> BoxFuture<'static, Result<String, TokenError>> + Send + Sync;

/// Where the tokens come from.
#[derive(Clone, Default)]
pub(crate) enum Tokens {
    #[default]
    None,
    Fixed(String),
    Ask(Arc<Ask>),
}

/// How the byte stream under the WebSocket is made.
#[derive(Clone)]
pub(crate) enum Transport {
    Network(Network),
    Own(Arc<Dial>),
}

/// TCP, with TLS if the URL asks for it.
#[derive(Clone, Default)]
pub(crate) struct Network {
    pub(crate) resolver: Resolver,
    #[cfg(feature = "rustls")]
    pub(crate) roots: crate::tls::Roots,
}

impl Transport {
    pub(crate) fn own<F, S>(dial: impl Fn(Endpoint) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::io::Result<S>> + Send + 'static,
        S: Io,
    {
        Self::Own(Arc::new(move |endpoint| {
            let dialing = dial(endpoint);
            Box::pin(async move { Ok(Box::new(dialing.await?) as Box<dyn Io>) })
        }))
    }

    async fn dial(&self, endpoint: Endpoint) -> Result<Box<dyn Io>, ConnectError> {
        match self {
            Self::Own(dial) => {
                let dialed = dial(endpoint).await;
                dialed.map_err(|error| ConnectError::Unreachable(Arc::new(error)))
            }
            Self::Network(network) => network.dial(&endpoint).await,
        }
    }
}

impl Network {
    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Io>, ConnectError> {
        if endpoint.tls && cfg!(not(feature = "rustls")) {
            return Err(ConnectError::TlsUnavailable);
        }
        let stream = self.resolver.connect(&endpoint.host, endpoint.port).await?;
        #[cfg(feature = "rustls")]
        if endpoint.tls {
            return self.roots.wrap(stream, &endpoint.host).await;
        }
        Ok(Box::new(stream))
    }
}

#[derive(Clone)]
pub(crate) struct Dialer {
    pub(crate) url: String,
    pub(crate) codec: Codec,
    pub(crate) tokens: Tokens,
    pub(crate) transport: Transport,
    pub(crate) open_timeout: Duration,
    pub(crate) keepalive: Keepalive,
    pub(crate) max_message_bytes: usize,
}

// The URL and the tokens are left out: tokens must reach no log, and a URL may hold one.
impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("codec", &self.codec)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Whether there is a source that can give another token after a refused one.
    pub(crate) const fn can_renew(&self) -> bool {
        matches!(self.tokens, Tokens::Ask(_))
    }

    /// Opens a WebSocket. `renew` says that the server refused the last token.
    pub(crate) async fn open(&self, renew: bool) -> Result<Socket, ConnectError> {
        tokio::time::timeout(self.open_timeout, self.upgrade(renew))
            .await
            .map_err(|_| ConnectError::TimedOut)?
    }

    async fn upgrade(&self, renew: bool) -> Result<Socket, ConnectError> {
        let mut request = request(&self.url, self.codec)?;
        let endpoint = endpoint(request.uri())?;
        if let Some(token) = self.token(renew).await? {
            request.headers_mut().insert(AUTHORIZATION, bearer(&token)?);
        }
        let stream = self.transport.dial(endpoint).await?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(self.max_message_bytes))
            .max_frame_size(Some(self.max_message_bytes))
            // The default of 128 KiB is cleared before each read.
            .read_buffer_size(8 << 10);
        let (stream, _) = client_async_with_config(request, stream, Some(config))
            .await
            .map_err(refused)?;
        Ok(Socket::new(
            stream,
            self.codec,
            self.max_message_bytes,
            self.keepalive,
        ))
    }

    async fn token(&self, renew: bool) -> Result<Option<String>, ConnectError> {
        match &self.tokens {
            Tokens::None => Ok(None),
            Tokens::Fixed(token) => Ok(Some(token.clone())),
            Tokens::Ask(ask) => ask(renew).await.map(Some).map_err(ConnectError::Token),
        }
    }
}

fn request(url: &str, codec: Codec) -> Result<Request<()>, ConnectError> {
    let mut request = url
        .into_client_request()
        .map_err(|_| ConnectError::InvalidUrl)?;
    request.headers_mut().insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(codec.subprotocol()),
    );
    Ok(request)
}

fn endpoint(uri: &Uri) -> Result<Endpoint, ConnectError> {
    let tls = match uri.scheme_str() {
        Some("ws") => false,
        Some("wss") => true,
        _ => return Err(ConnectError::InvalidUrl),
    };
    let host = uri.host().ok_or(ConnectError::InvalidUrl)?;
    Ok(Endpoint {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
        tls,
    })
}

fn bearer(token: &str) -> Result<HeaderValue, ConnectError> {
    let mut value =
        HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ConnectError::InvalidToken)?;
    value.set_sensitive(true);
    Ok(value)
}

fn refused(error: tungstenite::Error) -> ConnectError {
    match error {
        tungstenite::Error::Http(response) if response.status() == StatusCode::UNAUTHORIZED => {
            ConnectError::Unauthorized
        }
        tungstenite::Error::Http(response) => ConnectError::Rejected {
            status: response.status().as_u16(),
        },
        tungstenite::Error::Protocol(ProtocolError::SecWebSocketSubProtocolError(_)) => {
            ConnectError::Subprotocol
        }
        error => ConnectError::Handshake(Arc::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Endpoint, ConnectError> {
        endpoint(request(url, Codec::Json)?.uri())
    }

    #[test]
    fn urls() {
        let plain = parse("ws://voice.example.org/ws").expect("a URL");
        assert_eq!(
            (plain.host.as_str(), plain.port, plain.tls),
            ("voice.example.org", 80, false)
        );
        let six = parse("wss://[::1]:8443/ws").expect("a URL");
        assert_eq!((six.host.as_str(), six.port, six.tls), ("::1", 8443, true));
        assert_eq!(parse("wss://host/").expect("a URL").port, 443);
        for url in ["", "nonsense", "http://host/ws", "ws:///ws", "/ws"] {
            assert!(matches!(parse(url), Err(ConnectError::InvalidUrl)), "{url}");
        }
    }

    #[test]
    fn a_token_that_is_no_header_is_refused_here() {
        assert!(bearer("a.b.c").expect("a header").is_sensitive());
        assert!(matches!(bearer("a\nb"), Err(ConnectError::InvalidToken)));
    }
}
