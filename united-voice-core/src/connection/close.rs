//! How a connection ends, and the closing handshake (RFC 6455 sections 5.5.1 and 7).

use std::time::Instant;

use bytestring::ByteString;

use crate::{
    CloseFrame, CloseReason, ConnectError, Limits, Step, TransportError, connection::clock::after,
};

/// How a connection ended. A number is the code of the close frame that the server sends (RFC 6455
/// section 7.4).
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
    /// The cluster lost the connection's seat: 1013.
    #[cfg(feature = "cluster")]
    SeatLost,
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
    /// The label under which it is counted.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::TimedOut => "timed_out",
            Self::SlowConsumer => "slow_consumer",
            Self::GoingAway => "going_away",
            #[cfg(feature = "cluster")]
            Self::SeatLost => "seat_lost",
            Self::PolicyViolation => "policy_violation",
            Self::MessageTooLarge => "message_too_large",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::ProtocolError => "protocol_error",
        }
    }

    /// The close frame that the server sends of its own accord. `None` if the client is gone or has
    /// closed by itself.
    pub fn close_frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Closed | Self::Lost | Self::TimedOut => return None,
            Self::SlowConsumer => return Some(CloseReason::SlowConsumer.into()),
            Self::GoingAway => return Some(CloseReason::GoingAway.into()),
            #[cfg(feature = "cluster")]
            Self::SeatLost => return Some(CloseReason::SeatLost.into()),
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
            #[cfg(feature = "cluster")]
            CloseReason::SeatLost => Self::SeatLost,
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

/// The answer to a client's close frame: its code, without a reason. If no endpoint may send that
/// code, the answer is 1002.
fn echo(close: &CloseFrame) -> CloseFrame {
    // RFC 6455 section 7.4 and the IANA registry: 1004 to 1006 and 1015 never travel in a frame.
    // Codes below 1000, from 1016 to 2999 and above 4999 are not assigned.
    let may_be_sent = matches!(close.code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    CloseFrame {
        code: if may_be_sent { close.code } else { 1002 },
        reason: ByteString::new(),
    }
}

/// A connection that has ended and is closing: its seat is free, but its socket is still open.
///
/// The close frame has `Limits::close_timeout` to leave. After that the server reads for
/// `Limits::linger` and drops what it reads. If a socket is closed with unread data, the connection
/// is reset, and that may destroy the frame on its way.
pub(crate) struct Ending {
    disconnect: Disconnect,
    stage: Stage,
    /// When the present stage ends.
    until: Instant,
}

enum Stage {
    /// The frame waits until the socket can take it.
    Frame(Option<CloseFrame>),
    /// The host has the frame, but has not said yet that it was sent.
    Sending,
    /// The frame was sent. What the client still sends is read and dropped.
    Lingering,
    /// Nothing is left to do but to drop the socket.
    Over,
}

impl Ending {
    pub(crate) fn new(disconnect: Disconnect, limits: &Limits, now: Instant) -> Self {
        tracing::debug!(?disconnect, "connection ends");
        let stage = match disconnect.close_frame() {
            Some(frame) => Stage::Frame(Some(frame)),
            None => Stage::Over,
        };
        Self {
            disconnect,
            stage,
            until: after(now, limits.close_timeout),
        }
    }

    /// The client has sent a close frame: the stage in which the server answers it.
    pub(crate) fn answering(close: Option<&CloseFrame>, limits: &Limits, now: Instant) -> Self {
        Self {
            stage: Stage::Frame(close.map(echo)),
            ..Self::new(Disconnect::Closed, limits, now)
        }
    }

    pub(crate) fn disconnect(&self) -> Disconnect {
        self.disconnect
    }

    pub(crate) fn sent(&mut self, limits: &Limits, now: Instant) {
        if matches!(self.stage, Stage::Sending) {
            self.stage = Stage::Lingering;
            self.until = after(now, limits.linger);
        }
    }

    pub(crate) fn lost(&mut self) {
        self.stage = Stage::Over;
    }

    /// Whether to read what still comes. It is dropped.
    pub(crate) fn lingers(&self) -> bool {
        matches!(self.stage, Stage::Lingering)
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.until
    }

    pub(crate) fn check_deadline(&mut self, now: Instant) {
        if self.until <= now {
            self.stage = Stage::Over;
        }
    }

    pub(crate) fn next_step(&mut self, writable: bool) -> Option<Step> {
        match &mut self.stage {
            Stage::Frame(frame) if writable => {
                let close = Step::Close(frame.take());
                self.stage = Stage::Sending;
                Some(close)
            }
            Stage::Over => Some(Step::End(self.disconnect)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::counters::Counters;

    #[test]
    fn every_end_is_counted_under_its_label() {
        let ends = [
            Disconnect::Closed,
            Disconnect::Lost,
            Disconnect::TimedOut,
            Disconnect::SlowConsumer,
            Disconnect::GoingAway,
            #[cfg(feature = "cluster")]
            Disconnect::SeatLost,
            Disconnect::PolicyViolation,
            Disconnect::MessageTooLarge,
            Disconnect::InvalidUtf8,
            Disconnect::ProtocolError,
        ];
        let counters = Counters::default();
        for end in ends {
            counters.ended(end.label());
        }
        let counted = counters.stats(0, 0).connections_ended;
        let expected = ends.map(|end| (end.label(), 1));
        assert_eq!(counted.iter().collect::<Vec<_>>(), expected);
    }
}
