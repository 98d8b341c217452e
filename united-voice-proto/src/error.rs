//! Why a frame is not an envelope that this crate can use.

use thiserror::Error;

use crate::MAX_REQUEST_ID_BYTES;

/// Why [`decode`](crate::decode) gave no envelope. Each is the fault of the sender of the frame.
///
/// The only part of the frame that a variant holds, or that `Display` or `Debug` shows, is the
/// request id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame is over the limit, and was not read.
    #[error("frame of {size} bytes is over the limit of {limit}")]
    TooLarge {
        /// Bytes in the frame.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The frame is not an envelope.
    #[error("malformed envelope: {reason}")]
    Malformed {
        /// The request id; empty if it could not be read or is over 128 bytes.
        request_id: String,
        /// What is wrong with the frame.
        reason: MalformedReason,
    },
    /// The envelope has no field besides the request id.
    #[error("envelope without a payload")]
    Empty {
        /// The request id; empty if there is none or it is over 128 bytes.
        request_id: String,
    },
    /// The only payload is a field or JSON key that this crate does not know. It may be the host
    /// server's own.
    #[error("envelope with a payload that is not voice")]
    Foreign {
        /// The request id; empty if there is none.
        request_id: String,
    },
}

impl DecodeError {
    /// The request id to answer with. It is empty if there is none, if it could not be read, if it
    /// is over 128 bytes, or if the frame was over the limit.
    #[must_use]
    pub fn request_id(&self) -> &str {
        match self {
            Self::TooLarge { .. } => "",
            Self::Malformed { request_id, .. }
            | Self::Empty { request_id }
            | Self::Foreign { request_id } => request_id,
        }
    }

    pub(crate) fn malformed(request_id: String, reason: MalformedReason) -> Self {
        Self::Malformed {
            request_id: short(request_id),
            reason,
        }
    }

    pub(crate) fn empty(request_id: String) -> Self {
        Self::Empty {
            request_id: short(request_id),
        }
    }

    pub(crate) fn foreign(request_id: String) -> Self {
        // The host answers its own payloads under the request id, so the id must be a valid one.
        if request_id.len() > MAX_REQUEST_ID_BYTES {
            return Self::malformed(request_id, MalformedReason::RequestIdTooLong);
        }
        Self::Foreign { request_id }
    }
}

/// What is wrong with a malformed frame, in words that repeat nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MalformedReason {
    /// It is not the protobuf of an envelope.
    #[error(transparent)]
    Protobuf(prost::DecodeError),
    /// The request id of a payload that is not voice is over 128 bytes.
    #[error("request id is over {MAX_REQUEST_ID_BYTES} bytes")]
    RequestIdTooLong,
    /// It is not the JSON of an envelope.
    ///
    /// The parser's own message is left out because it quotes the text.
    #[cfg(feature = "json")]
    #[error("unexpected JSON at line {line}, column {column}")]
    Json {
        /// Line of the text, from 1; 0 if it is not known.
        line: usize,
        /// Column of the line in bytes, from 1; 0 if it is not known.
        column: usize,
    },
}

/// The request id, or nothing if it is too long to be echoed.
fn short(request_id: String) -> String {
    if request_id.len() > MAX_REQUEST_ID_BYTES {
        String::new()
    } else {
        request_id
    }
}
