//! What travels over a connection, apart from any WebSocket library.

use bytes::Bytes;
use bytestring::ByteString;

use crate::directory::BoxError;

/// One WebSocket message (RFC 6455), or what stands for it on another transport.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// One protobuf envelope.
    Binary(Bytes),
    /// One JSON envelope.
    Text(ByteString),
    /// Asks for a sign of life. The transport answers one that comes in, and hands it on as a sign of life itself.
    Ping(Bytes),
    /// A sign of life.
    Pong(Bytes),
    /// The end, with what the closing side says of it.
    Close(Option<CloseFrame>),
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Binary(bytes) => write!(f, "Binary({} bytes)", bytes.len()),
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
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

/// Why a transport could not be read. The first three are answered with a close code; see [`Disconnect`](crate::Disconnect).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A message is larger than [`Limits::max_message_bytes`](crate::Limits::max_message_bytes): 1009.
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
