//! The reasons to refuse a request, and the answers that tell the client.

use std::time::Duration;

use http::{
    HeaderValue, StatusCode,
    header::{ALLOW, CONNECTION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;
use united_voice_core::cluster::CutOff;
use united_voice_websocket::HandshakeError;

use crate::{LookupError, Response, response};

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
    #[error("the body broke off")]
    BrokenOff,
    #[error("{0}")]
    Malformed(&'static str),
    #[error("{0}")]
    BadRequest(String),
    #[error("{0}")]
    Handshake(HandshakeError),
    #[error("the server has no room for another connection")]
    Crowded,
    #[error("too many requests or connections come from your address")]
    TooMany(Duration),
    #[error("the server can't answer this now")]
    Unavailable(#[from] LookupError),
    #[error("the server is cut off from the others and can't answer this now")]
    CutOff(#[from] CutOff),
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
            Self::BrokenOff | Self::Malformed(_) | Self::BadRequest(_) => {
                (StatusCode::BAD_REQUEST, "bad_request")
            }
            Self::Handshake(error) => match error.status() {
                StatusCode::METHOD_NOT_ALLOWED => (error.status(), "method_not_allowed"),
                StatusCode::UPGRADE_REQUIRED => (error.status(), "upgrade_required"),
                status => (status, "bad_request"),
            },
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, "too_many"),
            Self::Crowded | Self::Unavailable(_) | Self::CutOff(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
            }
        }
    }

    /// `{"error": {"code", "message"}}`: the code is for programs, the message for people.
    pub(crate) fn into_response(self) -> Response {
        if let Self::Unavailable(error) = &self {
            error.log();
        }
        let (status, code) = self.status();
        let body = json!({ "error": { "code": code, "message": self.to_string() } });
        let mut response = response::json(status, &body);
        match self {
            Self::Unauthorized => response::set(&mut response, WWW_AUTHENTICATE, "Bearer"),
            Self::Crowded => {
                response::set(&mut response, RETRY_AFTER, "5");
                response::set(&mut response, CONNECTION, "close");
            }
            Self::TooMany(wait) => {
                // In whole seconds, and never too early.
                let seconds = HeaderValue::from(wait.as_secs() + 1);
                response.headers_mut().insert(RETRY_AFTER, seconds);
            }
            // What else comes over the connection is not read.
            Self::TooLarge | Self::TooSlow | Self::BrokenOff | Self::Malformed(_) => {
                response::set(&mut response, CONNECTION, "close");
            }
            Self::MethodNotAllowed(allowed) => response::set(&mut response, ALLOW, allowed),
            Self::Handshake(error) => response.headers_mut().extend(error.headers()),
            _ => {}
        }
        response
    }
}
