//! Why a frame is not an envelope that this crate can use.

use thiserror::Error;

use crate::MAX_REQUEST_ID_BYTES;

/// Why [`decode`](crate::decode) gave no envelope. In each case it is the sender of the frame who is to blame.
///
/// No variant holds, and neither `Display` nor `Debug` shows, anything of the frame but the request id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The frame is over the limit. Nothing of it was read.
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
        /// The request id as far as it could be made out, else empty; also empty where it is over 128 bytes.
        request_id: String,
        /// What is wrong with the frame.
        reason: MalformedReason,
    },
    /// The envelope has no field besides the request id.
    #[error("envelope without a payload")]
    Empty {
        /// The request id; empty where there is none or it is over 128 bytes.
        request_id: String,
    },
    /// The only payload is a field or JSON key that this crate does not know: the host server's own.
    #[error("envelope with a payload that is not voice")]
    Foreign {
        /// The request id; empty where there is none.
        request_id: String,
    },
}

impl DecodeError {
    /// The request id to answer with. Empty where there was none, it could not be made out, it is over 128 bytes, or
    /// the frame was too large to be read.
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
        // A host's payload too is answered under its request id, so the id has to be one.
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
    /// It is not protobuf, or not that of an envelope.
    #[error(transparent)]
    Protobuf(prost::DecodeError),
    /// The request id of a payload that is not voice is over 128 bytes.
    #[error("request id is over {MAX_REQUEST_ID_BYTES} bytes")]
    RequestIdTooLong,
    /// It is not JSON, or not that of an envelope.
    ///
    /// The parser's own message is left out: it quotes the text it stumbled over.
    #[cfg(feature = "json")]
    #[error("unexpected JSON at line {line}, column {column}")]
    Json {
        /// Line of the text, from 1; 0 where it is not known.
        line: usize,
        /// Column of the line in bytes, from 1; 0 where it is not known.
        column: usize,
    },
}

/// A request id that may be echoed.
fn short(request_id: String) -> String {
    if request_id.len() > MAX_REQUEST_ID_BYTES {
        String::new()
    } else {
        request_id
    }
}
