//! How a connection ends, and what is said at its end.

use futures::{Sink, SinkExt, Stream, StreamExt};
use tokio::time::timeout;

use crate::{CloseFrame, CloseReason, ConnectError, Frame, Limits, TransportError};

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disconnect {
    /// The client closed it.
    Closed,
    /// The transport ended or failed.
    Lost,
    /// The client gave no sign of life.
    TimedOut,
    /// The client read too slowly: 1013.
    SlowConsumer,
    /// The server stops: 1001.
    GoingAway,
    /// The client exceeded its rate for too long, or the user has too many connections: 1008.
    PolicyViolation,
    /// A message was too large: 1009.
    MessageTooLarge,
    /// A text message was not UTF-8: 1007.
    InvalidUtf8,
    /// The client broke the transport's protocol: 1002.
    ProtocolError,
}

impl Disconnect {
    /// The close frame that the server sends: none where the client is gone or has closed by itself.
    pub fn close_frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Closed | Self::Lost | Self::TimedOut => return None,
            Self::SlowConsumer => return Some(CloseReason::SlowConsumer.into()),
            Self::GoingAway => return Some(CloseReason::GoingAway.into()),
            Self::PolicyViolation => (1008, "too many messages or connections"),
            Self::MessageTooLarge => (1009, "message too large"),
            Self::InvalidUtf8 => (1007, "text is not UTF-8"),
            Self::ProtocolError => (1002, "protocol error"),
        };
        Some(CloseFrame {
            code,
            reason: reason.into(),
        })
    }
}

impl From<CloseReason> for CloseFrame {
    fn from(reason: CloseReason) -> Self {
        Self {
            code: reason.code(),
            reason: reason.to_string().into(),
        }
    }
}

impl From<CloseReason> for Disconnect {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::SlowConsumer => Self::SlowConsumer,
            CloseReason::GoingAway => Self::GoingAway,
        }
    }
}

impl From<ConnectError> for Disconnect {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::ShuttingDown => Self::GoingAway,
            ConnectError::TooManyConnections => Self::PolicyViolation,
        }
    }
}

impl From<&TransportError> for Disconnect {
    fn from(error: &TransportError) -> Self {
        match error {
            TransportError::TooLarge => Self::MessageTooLarge,
            TransportError::InvalidUtf8 => Self::InvalidUtf8,
            TransportError::Protocol => Self::ProtocolError,
            TransportError::Io(_) => Self::Lost,
        }
    }
}

/// The closing handshake: the server's frame within its time, then whatever still comes is read and dropped for a while,
/// since closing a socket with unread data resets it and may destroy the frame on its way.
pub(crate) async fn close<T>(transport: &mut T, disconnect: Disconnect, limits: &Limits)
where
    T: Stream<Item = Result<Frame, TransportError>> + Sink<Frame> + Unpin,
{
    let sent = match (disconnect, disconnect.close_frame()) {
        (Disconnect::Closed, _) => timeout(limits.close_timeout, transport.flush()).await,
        (_, Some(frame)) => {
            let frame = transport.send(Frame::Close(Some(frame)));
            timeout(limits.close_timeout, frame).await
        }
        (_, None) => return,
    };
    if let Ok(Ok(())) = sent {
        let rest = async { while let Some(Ok(_)) = transport.next().await {} };
        // Either way it is over.
        let _ = timeout(limits.linger, rest).await;
    }
}
