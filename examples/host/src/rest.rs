//! The routes, and the parts that their answers have in common.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use http::{
    Method, StatusCode,
    header::{CONNECTION, CONTENT_TYPE},
    request::Parts,
};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use united_voice_websocket::{Handshake, HandshakeError};

use crate::{DevLogin, Host, descriptors, error::ApiError, metrics, names, page, response};

/// A request with its whole body, of at most [`MAX_BODY_BYTES`].
pub type Request = http::Request<Bytes>;

/// A whole answer.
pub type Response = http::Response<Bytes>;

/// The largest body of a request; [`Host::respond_to`] refuses a larger one.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a client may take for the head of a request, and again for its body.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

impl Host {
    /// Answers every request but that for a WebSocket on `/ws`; see [`admit`](Self::admit). The
    /// answer to `HEAD` is that to `GET`; the framework leaves out its body.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped during a write, the write happens completely or not at all.
    pub async fn respond(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let mut response = self
            .route(&parts, &body)
            .await
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
    /// with 400.
    ///
    /// # Cancel safety
    ///
    /// As [`respond`](Self::respond).
    pub async fn respond_to(
        &self,
        head: Parts,
        body: impl Future<Output = Result<Bytes, StatusCode>>,
    ) -> Response {
        let error = match timeout(REQUEST_PATIENCE, body).await {
            Ok(Ok(body)) => return self.respond(Request::from_parts(head, body)).await,
            Ok(Err(StatusCode::PAYLOAD_TOO_LARGE)) => ApiError::TooLarge,
            Ok(Err(_)) => ApiError::BadRequest("the body broke off".to_owned()),
            Err(_) => ApiError::TooSlow,
        };
        error.into_response()
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
            ["healthz"] => only(method, "GET").map(|()| healthy()),
            ["metrics"] => only(method, "GET").map(|()| metrics::render(&self.voice.stats())),
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

fn healthy() -> Response {
    response::new(StatusCode::OK, "text/plain; charset=utf-8", "ok\n")
}
