//! The reasons to refuse a request, and the answers that tell the client.

use http::{
    StatusCode,
    header::{ALLOW, CONNECTION, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE},
};
use serde_json::json;

use crate::{LookupError, Response, response, websocket::handshake};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("this request needs a valid token")]
    Unauthorized,
    #[error(
        "signing in by name is open to pages of this machine only, unless the server is started with --dev-login"
    )]
    ForeignPage,
    #[error("you may not see this channel")]
    Banned,
    #[error("there is nothing here")]
    NotFound,
    #[error("no such channel")]
    UnknownChannel,
    #[error("this route answers {0}")]
    MethodNotAllowed(&'static str),
    #[error("not a voice channel")]
    NotAVoiceChannel,
    #[error("the body is larger than {} KiB", crate::MAX_BODY_BYTES / 1024)]
    TooLarge,
    #[error("the body took too long")]
    TooSlow,
    #[error("{0}")]
    BadRequest(String),
    #[error("WebSockets have version {} here", handshake::VERSION)]
    WebSocketVersion,
    #[error("the server can't answer this now")]
    Unavailable(#[from] LookupError),
}

impl From<sqlx::Error> for ApiError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(error.into())
    }
}

impl ApiError {
    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::ForeignPage | Self::Banned => (StatusCode::FORBIDDEN, "forbidden"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::UnknownChannel => (StatusCode::NOT_FOUND, "channel_not_found"),
            Self::MethodNotAllowed(_) => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotAVoiceChannel => (StatusCode::CONFLICT, "not_a_voice_channel"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too_slow"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::WebSocketVersion => (StatusCode::UPGRADE_REQUIRED, "upgrade_required"),
            Self::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        }
    }

    /// `{"error": {"code", "message"}}`: the code is for programs, the message for people.
    pub(crate) fn into_response(self) -> Response {
        if let Self::Unavailable(error) = &self {
            tracing::warn!(%error, "the database failed a request");
        }
        let (status, code) = self.status();
        let body = json!({ "error": { "code": code, "message": self.to_string() } });
        let mut response = response::json(status, &body);
        match self {
            Self::Unauthorized => response::set(&mut response, WWW_AUTHENTICATE, "Bearer"),
            Self::MethodNotAllowed(allowed) => response::set(&mut response, ALLOW, allowed),
            Self::WebSocketVersion => {
                response::set(&mut response, SEC_WEBSOCKET_VERSION, handshake::VERSION);
                response::set(&mut response, UPGRADE, "websocket");
                response::set(&mut response, CONNECTION, "upgrade");
            }
            _ => {}
        }
        response
    }

    /// An authenticated request for `/ws` that is not a valid request for a WebSocket.
    pub(crate) fn not_a_websocket() -> Self {
        Self::BadRequest("this route is for WebSockets, version 13".to_owned())
    }
}
