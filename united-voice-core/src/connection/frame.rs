//! What travels over a connection, in types that belong to no WebSocket library.

use bytes::Bytes;
use bytestring::ByteString;

use crate::directory::BoxError;

/// One WebSocket message (RFC 6455), or its equivalent on another transport.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// One protobuf envelope.
    Binary(Bytes),
    /// One JSON envelope.
    Text(ByteString),
    /// A client's frame that began or continued a message and did not end it. It has no content,
    /// since the transport hands out the whole message when the last frame has come. It is a sign
    /// of life and counts in the rate, because empty fragments would cost nothing otherwise. A
    /// server sends none.
    Fragment,
    /// Asks the other side for a sign of life. The transport answers a client's ping by itself. It
    /// also hands the ping on, because a ping is a sign of life too.
    Ping(Bytes),
    /// The answer to a ping: a sign of life.
    Pong(Bytes),
    /// Closes the connection. The close frame holds the code and the reason, if there are any.
    Close(Option<CloseFrame>),
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Fragment => f.write_str("Fragment"),
            Self::Ping(_) => f.write_str("Ping"),
            Self::Pong(_) => f.write_str("Pong"),
            Self::Close(close) => write!(f, "Close({close:?})"),
        }
    }
}

/// Why a connection is closed (RFC 6455 section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    /// The status code.
    pub code: u16,
    /// At most 123 bytes.
    pub reason: ByteString,
}

/// Why a transport could not be read. The server answers the first three with a close frame of the
/// code that stands here; see [`Disconnect`](crate::Disconnect).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A message is larger than [`Limits::max_message_bytes`](crate::Limits::max_message_bytes):
    /// 1009.
    #[error("message too large")]
    TooLarge,
    /// A text message is not UTF-8: 1007.
    #[error("text message is not UTF-8")]
    InvalidUtf8,
    /// The peer broke the transport's protocol: 1002.
    #[error("transport protocol violated")]
    Protocol,
    /// The connection is gone.
    #[error("connection lost")]
    Io(#[source] BoxError),
}

impl From<std::io::Error> for TransportError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.into())
    }
}
