//! One error enum an operation.

use std::{error::Error, sync::Arc};

use crate::{ErrorCode, Refusal};

/// An error of another library, shared so that ours can be cloned.
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a `ws://` or `wss://` URL with a host.
    #[error("not a ws:// or wss:// URL with a host")]
    InvalidUrl,
    /// A `wss://` URL, but the feature `rustls` is off and no [`dial_with`](crate::ClientBuilder::dial_with) was given.
    #[error("wss:// needs the feature `rustls` or a stream of one's own")]
    TlsUnavailable,
    /// The token has characters that a header can't have.
    #[error("the token cannot be sent in a header")]
    InvalidToken,
    /// The source of tokens had none.
    #[error("no token could be had")]
    Token(#[source] TokenError),
    /// The server knows no such token (HTTP status 401). Final, after a token source was asked for a new one.
    #[error("the server refused the token")]
    Unauthorized,
    /// The server answered the upgrade with another status than 101. Final where it is 403.
    #[error("the server answered the upgrade with status {status}")]
    Rejected {
        /// The HTTP status.
        status: u16,
    },
    /// The server does not speak the codec.
    #[error("the server does not speak the subprotocol")]
    Subprotocol,
    /// There is no way to the host, or it does not listen there.
    #[error("the server cannot be reached")]
    Unreachable(#[source] SharedError),
    /// The host broke off the upgrade or does not speak WebSocket.
    #[error("the WebSocket upgrade failed")]
    Handshake(#[source] SharedError),
    /// The connection took longer than [`open_timeout`](crate::ClientBuilder::open_timeout).
    #[error("the connection was not open in time")]
    TimedOut,
    /// The connection was lost, and the client is not to reconnect or has done so too often in vain.
    #[error("no attempt to reconnect is left")]
    GaveUp,
}

impl ConnectError {
    /// Whether another attempt may succeed without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Token(error) => matches!(error, TokenError::Unavailable(_)),
            Self::Rejected { status } => *status != 403,
            Self::Unreachable(_) | Self::Handshake(_) | Self::TimedOut => true,
            _ => false,
        }
    }
}

/// Why a token source gave no token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// None just now; it is asked again before the next attempt.
    #[error("no token for the moment")]
    Unavailable(#[source] SharedError),
    /// None ever again: the client stops.
    #[error("no token any more")]
    Revoked(#[source] SharedError),
}

impl TokenError {
    /// None just now.
    pub fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into().into())
    }

    /// None ever again.
    pub fn revoked(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Revoked(error.into().into())
    }
}

/// Why a join failed. One is where one was before, unless the connection was lost meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer in time. The client gives up on that connection and opens another.
    #[error("no answer in time")]
    TimedOut,
    /// A later join or leave took its place while there was no connection.
    #[error("a later join or leave took its place")]
    Superseded,
    /// The client has stopped or was closed.
    #[error("the client is closed")]
    Closed,
}

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// One is in no channel.
    #[error("in no channel")]
    NotInChannel,
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The connection is being restored, or went down before the answer came.
    #[error("there is no connection")]
    Offline,
    /// The client has stopped or was closed.
    #[error("the client is closed")]
    Closed,
}

/// Why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// One is in no channel.
    #[error("in no channel")]
    NotInChannel,
    /// The connection is being restored.
    #[error("there is no connection")]
    Offline,
    /// The client has stopped or was closed.
    #[error("the client is closed")]
    Closed,
}

impl JoinError {
    /// The server's code, where the server refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// Whether the same join may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_retryable(),
            Self::TimedOut => true,
            Self::Superseded | Self::Closed => false,
        }
    }
}

impl RequestError {
    /// The server's code, where the server refused.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_retryable(),
            Self::TimedOut | Self::Offline => true,
            Self::NotInChannel | Self::Closed => false,
        }
    }
}
