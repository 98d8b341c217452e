//! The routes, and the parts that their answers have in common.

use std::{
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING},
    request::Parts,
};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use united_voice_redis::{NodeState, RedisNode};
use united_voice_websocket::{Handshake, HandshakeError};

use crate::{
    DevLogin, Host, Peer, descriptors, error::ApiError, gate::Refusal, metrics, names, page,
    response,
};

/// A request with its whole body, of at most [`MAX_BODY_BYTES`].
pub type Request = http::Request<Bytes>;

/// A whole answer.
pub type Response = http::Response<Bytes>;

/// The largest body of a request; [`Host::respond_to`] refuses a larger one.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a client may take for the head of a request, and again for its body.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// How long an answer may take that needs the database several times. One query may take a little
/// less, so that every request is answered within 5 s.
const ANSWER_PATIENCE: Duration = Duration::from_millis(4700);

const WEBSOCKET: &str = "/ws";

const SIGN_IN: &str = "/api/dev/login";

impl Host {
    /// Answers every request but that for a WebSocket on `/ws`; see [`admit`](Self::admit). The
    /// answer to `HEAD` is that to `GET`; the framework leaves out its body.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped during a write, the write happens completely or not at all.
    pub async fn respond(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let answered = timeout(ANSWER_PATIENCE, self.route(&parts, &body)).await;
        let mut response = answered
            .unwrap_or_else(|_| {
                Err(sqlx::Error::from(io::Error::from(io::ErrorKind::TimedOut)).into())
            })
            .unwrap_or_else(ApiError::into_response);
        if !descriptors::have_room() {
            response::set(&mut response, CONNECTION, "close");
        }
        // Neither path nor query is logged: they contain tokens, and names that users chose.
        tracing::debug!(method = %parts.method, status = response.status().as_u16(), "answered");
        response
    }

    /// Answers like [`respond`](Self::respond), before the body is read: `body` resolves to the
    /// whole body, and has [`REQUEST_PATIENCE`] for it. It fails with 413 if the body is larger
    /// than [`MAX_BODY_BYTES`]. Any other status means that the body broke off, which is answered
    /// with 400. A client that sends too many requests is answered with 429, and its body is not
    /// read.
    ///
    /// This waits until the client has taken the answer to the request before, and then reads no
    /// further request until it has taken this answer.
    ///
    /// # Cancel safety
    ///
    /// As [`respond`](Self::respond).
    pub async fn respond_to(
        &self,
        peer: &Peer,
        head: Parts,
        body: impl Future<Output = Result<Bytes, StatusCode>>,
    ) -> Response {
        peer.taken().await;
        let request = self.request(peer, head, body).await;
        let mut answering = peer.answer();
        let response = match request {
            Ok(request) => self.respond(request).await,
            Err(error) => error.into_response(),
        };
        if response
            .headers()
            .get(CONNECTION)
            .is_some_and(|it| it == "close")
        {
            answering.is_last();
        }
        response
    }

    /// The whole request, unless the client has sent too many.
    async fn request(
        &self,
        peer: &Peer,
        head: Parts,
        body: impl Future<Output = Result<Bytes, StatusCode>>,
    ) -> Result<Request, ApiError> {
        check(head.version, &head.headers)
            .inspect_err(|_| peer.count_refused(Refusal::BadRequest))?;
        peer.count_request(&head.headers)?;
        if head.uri.path() == SIGN_IN && head.method == Method::POST {
            peer.count_sign_in(&head.headers)?;
        }
        if head.uri.path() == WEBSOCKET {
            // The answer is the same, whatever the body is.
            return Ok(Request::from_parts(head, Bytes::new()));
        }
        let mut body = pin!(timeout(REQUEST_PATIENCE, body));
        let body = match poll_fn(|cx| Poll::Ready(body.as_mut().poll(cx))).await {
            Poll::Ready(body) => body,
            Poll::Pending => {
                peer.turn().read_on();
                body.await
            }
        };
        match body {
            Ok(Ok(body)) => Ok(Request::from_parts(head, body)),
            Ok(Err(StatusCode::PAYLOAD_TOO_LARGE)) => Err(ApiError::TooLarge),
            Ok(Err(_)) => Err(ApiError::BrokenOff),
            Err(_) => {
                peer.count_refused(Refusal::TooSlow);
                Err(ApiError::TooSlow)
            }
        }
    }

    /// The answer to a request that is not valid HTTP: 400.
    pub fn refuse() -> Response {
        ApiError::BadRequest("not a valid request".to_owned()).into_response()
    }

    async fn route(&self, parts: &Parts, body: &[u8]) -> Result<Response, ApiError> {
        let path: Vec<&str> = parts.uri.path().split('/').skip(1).collect();
        let method = if parts.method == Method::HEAD {
            &Method::GET
        } else {
            &parts.method
        };
        match *path.as_slice() {
            [""] => only(method, "GET").map(|()| page::index(&parts.headers)),
            ["assets", name] => {
                only(method, "GET").and_then(|()| page::asset(name, &parts.headers))
            }
            ["assets", page::CLIENT, name] => {
                only(method, "GET").and_then(|()| page::client_asset(name, &parts.headers))
            }
            // The framework has passed on a request that it takes for none for a WebSocket.
            ["ws"] => {
                only(method, "GET")?;
                self.user(&parts.headers, &parts.uri).await?;
                let error = Handshake::new(parts).err();
                Err(ApiError::Handshake(
                    error.unwrap_or(HandshakeError::Upgrade),
                ))
            }
            ["healthz"] => only(method, "GET").map(|()| self.health()),
            ["readyz"] => only(method, "GET").map(|()| self.readiness()),
            ["metrics"] => only(method, "GET").map(|()| self.metrics()),
            ["api", "voice", channel, "participants"] => {
                only(method, "GET")?;
                self.participants(parts, &decoded(channel)?).await
            }
            ["api", "channels"] => match *method {
                Method::GET => self.list_channels(parts).await,
                Method::POST => self.create_channel(parts, body).await,
                _ => Err(ApiError::MethodNotAllowed("GET, POST")),
            },
            ["api", "channels", channel] => {
                self.dev_only()?;
                only(method, "PATCH")?;
                self.limit_channel(parts, &decoded(channel)?, body).await
            }
            ["api", "dev", "login"] => {
                self.dev_only()?;
                only(method, "POST")?;
                self.sign_in(parts, body).await
            }
            _ => Err(ApiError::NotFound),
        }
    }

    fn metrics(&self) -> Response {
        let node = self.node.as_ref().map(RedisNode::metrics);
        metrics::render(&self.voice.stats(), &self.gate, node.as_ref())
    }

    /// Whether the process lives. It does while its cluster is away: a restart would not help.
    fn health(&self) -> Response {
        word(StatusCode::OK, self.state().word())
    }

    /// Whether a load balancer should send clients here.
    fn readiness(&self) -> Response {
        match self.state() {
            _ if self.is_stopping() => word(StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            NodeState::Ok => word(StatusCode::OK, "ready"),
            state => word(StatusCode::SERVICE_UNAVAILABLE, state.word()),
        }
    }

    /// What the node can do. A server that is alone can do everything.
    fn state(&self) -> NodeState {
        self.node.as_ref().map_or(NodeState::Ok, RedisNode::state)
    }

    /// Refuses the routes of dev login if it is off.
    pub(crate) fn dev_only(&self) -> Result<(), ApiError> {
        if self.dev_login == DevLogin::Off {
            Err(ApiError::NotFound)
        } else {
            Ok(())
        }
    }
}

/// Reads a JSON body. The check of the content type keeps out pages of other origins: a browser
/// asks the server before it sends this type for such a page, and this server permits none.
pub(crate) fn read<T: DeserializeOwned>(parts: &Parts, body: &[u8]) -> Result<T, ApiError> {
    let content_type = parts
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(ApiError::BadRequest(
            "the body must have the content type application/json".to_owned(),
        ));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("not the body expected: {error}")))
}

/// The name without the space around it.
pub(crate) fn name(text: &str) -> Result<&str, ApiError> {
    names::checked(text, names::MAX_NAME).map_err(|error| ApiError::BadRequest(error.to_string()))
}

/// Refuses a request that a proxy in front may have read in another way (RFC 9112, sections 3.2 and
/// 6.1).
pub(crate) fn check(version: Version, headers: &HeaderMap) -> Result<(), ApiError> {
    let hosts = headers.get_all(HOST).iter().count();
    let reason = if hosts > 1 || (hosts == 0 && version == Version::HTTP_11) {
        "a request has one header Host"
    } else if headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH) {
        "a request has either Content-Length or Transfer-Encoding"
    } else {
        return Ok(());
    };
    Err(ApiError::Malformed(reason))
}

fn only(method: &Method, allowed: &'static str) -> Result<(), ApiError> {
    if method.as_str() == allowed {
        Ok(())
    } else {
        Err(ApiError::MethodNotAllowed(allowed))
    }
}

/// The text of a segment of a path. No channel has a name that is not UTF-8.
fn decoded(segment: &str) -> Result<String, ApiError> {
    let text = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| ApiError::UnknownChannel)?;
    Ok(text.into_owned())
}

/// An answer for programs and people alike.
fn word(status: StatusCode, word: &str) -> Response {
    response::new(status, "text/plain; charset=utf-8", format!("{word}\n"))
}
