//! One error enum for each kind of operation.

use std::{error::Error, sync::Arc};

use united_voice_proto::voice::VoiceError;

use crate::wire::ErrorCode;

/// An error of another library. It is shared, so that the errors of this crate can be cloned.
pub type SharedError = Arc<dyn Error + Send + Sync>;

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is not a `ws://` or `wss://` URL with a host.
    #[error("not a ws:// or wss:// URL with a host")]
    InvalidUrl,
    /// The URL begins with `wss://`, but the feature `rustls` is off and no
    /// [`dial_with`](crate::ClientBuilder::dial_with) was given.
    #[error("wss:// needs the feature `rustls` or a stream made by `dial_with`")]
    TlsUnavailable,
    /// The token has characters that a header can't have.
    #[error("the token cannot be sent in a header")]
    InvalidToken,
    /// The token source gave no token.
    #[error("no token could be had")]
    Token(#[source] TokenError),
    /// The server refused the token (HTTP status 401). A [token
    /// source](crate::ClientBuilder::token_with) is asked for a new token first; this error says
    /// that the new one was refused too.
    #[error("the server refused the token")]
    Unauthorized,
    /// The server answered the upgrade with another status than 101. The client does not try again
    /// after a 403.
    #[error("the server answered the upgrade with status {status}")]
    Rejected {
        /// The HTTP status.
        status: u16,
    },
    /// The server does not speak the codec.
    #[error("the server does not speak the subprotocol")]
    Subprotocol,
    /// The host name has no address, or its address can't be looked up at present.
    #[error("no address was found for the host {host:?}")]
    UnknownHost {
        /// The host of the URL.
        host: String,
        /// What the system said.
        #[source]
        source: SharedError,
    },
    /// None of the host's addresses can be reached, or the host does not listen on the port. The
    /// source is the error of the address that failed last.
    #[error("the server cannot be reached")]
    Unreachable(#[source] SharedError),
    /// The host broke off the upgrade, or it does not speak WebSocket.
    #[error("the WebSocket upgrade failed")]
    Handshake(#[source] SharedError),
    /// The attempt took longer than [`open_timeout`](crate::ClientBuilder::open_timeout).
    #[error("the connection was not open in time")]
    TimedOut,
    /// The connection was lost, and no attempt to reconnect is allowed or left.
    #[error("no attempt to reconnect is left")]
    GaveUp,
}

impl ConnectError {
    /// Whether another attempt may succeed although nobody changes anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Token(error) => matches!(error, TokenError::Unavailable(_)),
            Self::Rejected { status } => *status != 403,
            Self::UnknownHost { .. }
            | Self::Unreachable(_)
            | Self::Handshake(_)
            | Self::TimedOut => true,
            _ => false,
        }
    }
}

/// Why an authority was not added to the [`Roots`](crate::Roots).
#[cfg(feature = "rustls")]
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// There is no certificate in the text, or none on this system.
    #[error("there is no certificate")]
    NoCertificate,
    /// The text is not PEM.
    #[error("the certificates are not PEM")]
    Pem(#[source] SharedError),
    /// A certificate can't be read.
    #[error("not a certificate of an authority")]
    Certificate(#[source] SharedError),
}

/// Why a token source gave no token.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is no token at present. The client asks again before the next attempt.
    #[error("no token for the moment")]
    Unavailable(#[source] SharedError),
    /// There will be no token again. The client stops.
    #[error("no token any more")]
    Revoked(#[source] SharedError),
}

impl TokenError {
    /// There is no token at present.
    pub fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(error.into().into())
    }

    /// There will be no token again.
    pub fn revoked(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Revoked(error.into().into())
    }
}

/// The server refused a request or a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str_name())]
#[non_exhaustive]
pub struct Refusal {
    /// The reason, for programs.
    pub code: ErrorCode,
    /// The reason, for people that read logs.
    pub message: String,
    /// The channel in question.
    pub channel_id: String,
}

impl Refusal {
    /// Whether the same request may succeed later although nobody changes anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::RateLimited | ErrorCode::Unavailable | ErrorCode::Internal
        )
    }
}

impl From<VoiceError> for Refusal {
    fn from(error: VoiceError) -> Self {
        Self {
            code: error.code(),
            message: error.message,
            channel_id: error.channel_id,
        }
    }
}

/// Why a join failed. A failed join changes nothing: the client is where it was before, unless the
/// connection was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The server refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No answer came in time. The client gives the connection up and opens another.
    #[error("no answer in time")]
    TimedOut,
    /// A later join or leave replaced this one while there was no connection.
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
    /// The client is in no channel.
    #[error("in no channel")]
    NotInChannel,
    /// No answer came in time.
    #[error("no answer in time")]
    TimedOut,
    /// The client is reconnecting, or the connection was lost before the answer came.
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
    /// The client is in no channel.
    #[error("in no channel")]
    NotInChannel,
    /// The client is reconnecting.
    #[error("there is no connection")]
    Offline,
    /// The client has stopped or was closed.
    #[error("the client is closed")]
    Closed,
}

/// What the errors of requests have in common: a server may have refused the request, and some
/// other reasons pass by themselves.
macro_rules! request_error {
    ($error:ident, retryable: $($variant:ident)|+) => {
        impl $error {
            /// The server's code, if the server refused.
            #[must_use]
            pub fn code(&self) -> Option<ErrorCode> {
                match self {
                    Self::Refused(refusal) => Some(refusal.code),
                    _ => None,
                }
            }

            /// Whether the same request may succeed later although nobody changes anything.
            #[must_use]
            pub fn is_retryable(&self) -> bool {
                match self {
                    Self::Refused(refusal) => refusal.is_retryable(),
                    other => matches!(other, $(Self::$variant)|+),
                }
            }
        }
    };
}

request_error!(JoinError, retryable: TimedOut);
request_error!(RequestError, retryable: TimedOut | Offline);

/// The errors that a command can end with. All of them can say that the client is closed.
pub(crate) trait CommandError {
    /// The client has stopped or was closed.
    const CLOSED: Self;
}

impl CommandError for JoinError {
    const CLOSED: Self = Self::Closed;
}

impl CommandError for RequestError {
    const CLOSED: Self = Self::Closed;
}

impl CommandError for SendError {
    const CLOSED: Self = Self::Closed;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(code: ErrorCode) -> Refusal {
        Refusal {
            code,
            message: String::new(),
            channel_id: String::new(),
        }
    }

    #[test]
    fn a_refusal_says_whether_the_request_may_be_repeated() {
        for (code, retryable) in [
            (ErrorCode::RateLimited, true),
            (ErrorCode::Unavailable, true),
            (ErrorCode::Internal, true),
            (ErrorCode::Forbidden, false),
            (ErrorCode::ChannelFull, false),
        ] {
            let join = JoinError::from(refusal(code));
            assert_eq!((join.code(), join.is_retryable()), (Some(code), retryable));
            let request = RequestError::from(refusal(code));
            assert_eq!(
                (request.code(), request.is_retryable()),
                (Some(code), retryable)
            );
        }
    }

    #[test]
    fn only_what_passes_by_itself_may_be_repeated() {
        assert!(JoinError::TimedOut.is_retryable());
        assert!(RequestError::TimedOut.is_retryable());
        assert!(RequestError::Offline.is_retryable());
        assert!(!JoinError::Superseded.is_retryable());
        assert!(!JoinError::Closed.is_retryable());
        assert!(!RequestError::NotInChannel.is_retryable());
        assert!(!RequestError::Closed.is_retryable());
        assert_eq!(JoinError::TimedOut.code(), None);
        assert_eq!(RequestError::Offline.code(), None);
    }
}
