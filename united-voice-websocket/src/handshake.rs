//! The server's half of the opening handshake (RFC 6455, section 4.2).

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version,
    header::{
        ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use sha1::{Digest as _, Sha1};
use united_voice_core::Codec;

use crate::subprotocol;

/// The version of RFC 6455. No other is in use.
const VERSION: &str = "13";

/// What a server appends to the client's key before it makes the digest (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A request for a WebSocket that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    codec: Option<Codec>,
    accept: HeaderValue,
}

/// Why a request is not a good request for a WebSocket. The text says what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The method is not `GET`: 405.
    #[error("a request for a WebSocket has the method GET")]
    Method,
    /// The request is not HTTP/1.1: 400. HTTP/1.0 has no upgrade, and HTTP/2 has another kind.
    #[error("a request for a WebSocket has the version HTTP/1.1")]
    HttpVersion,
    /// `Connection` does not list `upgrade`: 400.
    #[error("this is for WebSockets, and the header Connection does not list \"upgrade\"")]
    Connection,
    /// `Upgrade` does not list `websocket`: 400.
    #[error("this is for WebSockets, and the header Upgrade does not list \"websocket\"")]
    Upgrade,
    /// There is no `Sec-WebSocket-Version`: 400.
    #[error("the header Sec-WebSocket-Version is missing; the version here is 13")]
    NoVersion,
    /// There is not exactly one `Sec-WebSocket-Key`, or it is not 16 bytes in base64: 400.
    #[error("a request for a WebSocket has one Sec-WebSocket-Key of 16 bytes in base64")]
    Key,
    /// The request has a body: 400. Its bytes would be taken for frames.
    #[error("a request for a WebSocket has no body")]
    Body,
    /// The client wants another version of the protocol: 426.
    #[error("WebSockets have version 13 here")]
    Version,
}

impl Handshake {
    /// Checks a request for a WebSocket.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn new(request: &Parts) -> Result<Self, HandshakeError> {
        let headers = &request.headers;
        if request.method != Method::GET {
            return Err(HandshakeError::Method);
        }
        if request.version != Version::HTTP_11 {
            return Err(HandshakeError::HttpVersion);
        }
        if !lists(headers, CONNECTION, "upgrade") {
            return Err(HandshakeError::Connection);
        }
        if !lists(headers, UPGRADE, "websocket") {
            return Err(HandshakeError::Upgrade);
        }
        let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).iter().peekable();
        versions.peek().ok_or(HandshakeError::NoVersion)?;
        let key = key(headers).ok_or(HandshakeError::Key)?;
        if has_body(headers) {
            return Err(HandshakeError::Body);
        }
        if versions.any(|version| version != VERSION) {
            return Err(HandshakeError::Version);
        }
        Ok(Self {
            codec: subprotocol::choose(headers),
            accept: accept(key.as_bytes()),
        })
    }

    /// The encoding that the subprotocol names: the first that the client offers and the library
    /// knows. If there is none, the kind of the client's first message decides.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// The answer 101, without a body. After it the connection is a
    /// [`WebSocket`](crate::WebSocket).
    pub fn response<B: Default>(&self) -> Response<B> {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if let Some(codec) = self.codec {
            let protocol = HeaderValue::from_static(codec.subprotocol());
            headers.insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        response
    }
}

impl HandshakeError {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The headers that the answer must have besides those of its body: which method is allowed, or
    /// which version the server speaks.
    pub fn headers(self) -> HeaderMap {
        let headers: &[_] = match self {
            Self::Method => &[(ALLOW, "GET")],
            Self::NoVersion => &[(SEC_WEBSOCKET_VERSION, VERSION)],
            // RFC 9110, section 15.5.22: an answer of 426 has `Upgrade`.
            Self::Version => &[
                (SEC_WEBSOCKET_VERSION, VERSION),
                (UPGRADE, "websocket"),
                (CONNECTION, "upgrade"),
            ],
            _ => &[],
        };
        let headers = headers.iter().cloned();
        headers
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .collect()
    }

    /// The answer: the status, the headers, and a line of text that says what is wrong.
    pub fn response<B: From<String>>(self) -> Response<B> {
        let mut response = Response::new(B::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}

fn key(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return None;
    };
    let nonce = BASE64_STANDARD.decode(key.as_bytes()).ok()?;
    (nonce.len() == 16).then_some(key)
}

/// The proof that the server has read the key.
fn accept(key: &[u8]) -> HeaderValue {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    HeaderValue::try_from(BASE64_STANDARD.encode(digest)).expect("base64 is ASCII")
}

/// Whether a body follows the head (RFC 9112, section 6).
fn has_body(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    headers.contains_key(TRANSFER_ENCODING) || lengths.any(|length| length != "0")
}

/// Whether a header lists `word`, in upper or lower case. The header may come several times and
/// hold several words each time.
fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.any(|value| {
        let words = value.to_str().unwrap_or_default().split(',');
        words.map(str::trim).any(|it| it.eq_ignore_ascii_case(word))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The example of RFC 6455: a key, and the answer to it.
    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    /// A good request, except that the header `name` has the `values`.
    fn request(name: &HeaderName, values: &[&'static str]) -> Parts {
        let mut request = Request::new(());
        let headers = request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static(KEY));
        headers.remove(name);
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        request.into_parts().0
    }

    #[test]
    fn good_requests_are_granted() {
        let cases: [(HeaderName, &[&'static str]); 5] = [
            (CONNECTION, &["Upgrade"]),
            (CONNECTION, &["keep-alive, Upgrade"]),
            (CONNECTION, &["keep-alive", "UPGRADE"]),
            (UPGRADE, &["h2c, WebSocket"]),
            (CONTENT_LENGTH, &["0"]),
        ];
        for (name, values) in cases {
            let handshake = Handshake::new(&request(&name, values)).expect(values[0]);
            let answer = handshake.response::<()>();
            assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT], ACCEPT);
            assert_eq!(answer.headers()[CONNECTION], "upgrade");
            assert_eq!(answer.headers()[UPGRADE], "websocket");
            assert!(!answer.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
        }
    }

    #[test]
    fn the_subprotocol_is_named() {
        let offer = "chat, united.voice.v1.json";
        let handshake = Handshake::new(&request(&SEC_WEBSOCKET_PROTOCOL, &[offer])).unwrap();
        assert_eq!(handshake.codec(), Some(Codec::Json));
        assert_eq!(
            handshake.response::<()>().headers()[SEC_WEBSOCKET_PROTOCOL],
            Codec::Json.subprotocol()
        );
    }

    #[test]
    fn other_requests_are_refused() {
        use HandshakeError::{Body, Connection, Key, NoVersion, Upgrade, Version};
        let cases: [(HeaderName, &[&'static str], HandshakeError, u16); 17] = [
            (CONNECTION, &[], Connection, 400),
            (CONNECTION, &["keep-alive"], Connection, 400),
            (CONNECTION, &["not-upgrade"], Connection, 400),
            (UPGRADE, &[], Upgrade, 400),
            (UPGRADE, &["h2c"], Upgrade, 400),
            (SEC_WEBSOCKET_VERSION, &[], NoVersion, 400),
            (SEC_WEBSOCKET_VERSION, &["8"], Version, 426),
            (SEC_WEBSOCKET_VERSION, &["13", "8"], Version, 426),
            (SEC_WEBSOCKET_KEY, &[], Key, 400),
            (SEC_WEBSOCKET_KEY, &["c2hvcnQ="], Key, 400),
            (SEC_WEBSOCKET_KEY, &["not base64, though 24 by"], Key, 400),
            (SEC_WEBSOCKET_KEY, &[KEY, KEY], Key, 400),
            (SEC_WEBSOCKET_KEY, &["AAAAAAAAAAAAAAAAAAAAAAAA"], Key, 400),
            (CONTENT_LENGTH, &["5"], Body, 400),
            (CONTENT_LENGTH, &["0", "5"], Body, 400),
            (TRANSFER_ENCODING, &["chunked"], Body, 400),
            (TRANSFER_ENCODING, &["gzip"], Body, 400),
        ];
        for (name, values, expected, status) in cases {
            let refusal = Handshake::new(&request(&name, values)).expect_err(name.as_str());
            assert_eq!(refusal, expected, "{name}: {values:?}");
            let answer = refusal.response::<String>();
            assert_eq!(answer.status().as_u16(), status, "{name}: {values:?}");
            assert_eq!(*answer.body(), format!("{expected}\n"));
            // A client of another version learns which version the server speaks.
            let version = answer.headers().get(SEC_WEBSOCKET_VERSION);
            assert_eq!(
                version.is_some_and(|it| it == "13"),
                [NoVersion, Version].contains(&expected),
                "{name}: {values:?}"
            );
            assert_eq!(answer.headers().contains_key(UPGRADE), status == 426);
        }
    }

    #[test]
    fn only_get_over_http_1_1_leads_to_a_websocket() {
        for version in [Version::HTTP_10, Version::HTTP_2] {
            let mut head = request(&SEC_WEBSOCKET_KEY, &[KEY]);
            head.version = version;
            assert_eq!(Handshake::new(&head), Err(HandshakeError::HttpVersion));
        }
        for method in [Method::HEAD, Method::POST, Method::CONNECT] {
            let mut head = request(&SEC_WEBSOCKET_KEY, &[KEY]);
            head.method = method;
            let refusal = Handshake::new(&head).unwrap_err();
            assert_eq!(refusal, HandshakeError::Method);
            let answer = refusal.response::<String>();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.headers()[ALLOW], "GET");
        }
    }
}
