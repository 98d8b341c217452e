//! One error type for each operation. Each error says which side is at fault, and what the host
//! should do about it.

use united_voice_proto::{Incoming, voice::VoiceErrorCode, ws::envelope::Payload};

use crate::{SinkError, directory::BoxError, id::check_id};

/// Why a connection was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The server is stopping. Close the socket with 1001.
    #[error("the server is stopping")]
    ShuttingDown,
    /// The user has [`Limits::connections_per_user`](crate::Limits::connections_per_user)
    /// connections already. Close the socket with 1008.
    #[error("too many connections of this user")]
    TooManyConnections,
}

impl ConnectError {
    /// The label under which it is counted.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::ShuttingDown => "shutting_down",
            Self::TooManyConnections => "too_many_connections",
        }
    }

    /// The WebSocket close code (RFC 6455 section 7.4).
    pub const fn code(self) -> u16 {
        match self {
            Self::ShuttingDown => 1001,
            Self::TooManyConnections => 1008,
        }
    }
}

/// Why a join changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum JoinError {
    /// The channel has as many participants as the host allows.
    #[error("the channel is full")]
    ChannelFull,
    /// The host's limits or bans changed since the directory was asked: ask it again.
    #[error("the channel's policy changed meanwhile")]
    PolicyChanged,
    /// The connection was closed by the library; nothing can be joined over it.
    #[error("the connection is closed")]
    ConnectionClosed,
    /// The joiner's own sink did not take the response.
    #[error("the response could not be delivered")]
    Undeliverable(#[source] SinkError),
    /// The engine does not answer, or too much waits for it.
    #[cfg(feature = "cluster")]
    #[error("the cluster cannot decide now")]
    Undecided,
}

/// The connection is not in the channel that the request named, or there is no such channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in this channel")]
pub struct NotInChannel;

/// A message could not be relayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct RelayError {
    pub(crate) reason: RelayFailure,
    pub(crate) channel: Box<str>,
}

impl RelayError {
    pub(crate) fn new(reason: RelayFailure, channel: &str) -> Self {
        Self {
            reason,
            channel: channel.into(),
        }
    }
}

/// Why a message could not be relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
#[cfg_attr(
    not(feature = "cluster"),
    expect(unreachable_pub, reason = "only the backend of a cluster sees it")
)]
pub enum RelayFailure {
    /// The sender is not in the channel.
    #[error("not in this channel")]
    NotInChannel,
    /// The target is not in the channel, or is the sender.
    #[error("the target is not in this channel")]
    TargetNotInChannel,
    /// The target is in the channel with another session than the one that the message named.
    #[error("the target's session is no longer the one addressed")]
    StaleSession,
    /// The target reads, but more waits for it than its queue may hold. The next message may pass.
    #[error("the target's queue is full")]
    TargetBusy,
    /// The target's node cannot be reached, or too much waits on the way to it.
    #[cfg(feature = "cluster")]
    #[error("the target's node cannot be reached")]
    Unreachable,
}

impl RelayFailure {
    /// The label under which it is counted.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::NotInChannel => "not_in_channel",
            Self::TargetNotInChannel => "target_not_in_channel",
            Self::StaleSession => "stale_session",
            Self::TargetBusy => "target_busy",
            #[cfg(feature = "cluster")]
            Self::Unreachable => "unreachable",
        }
    }
}

/// Why a client's request failed. Code, channel and message are sent to the client, and the
/// `source` is not.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    code: VoiceErrorCode,
    message: &'static str,
    channel: Option<String>,
    #[source]
    source: Option<BoxError>,
}

impl RequestError {
    /// An error for a request that the host itself refuses. `message` is meant for logs, not for
    /// users.
    pub fn new(code: VoiceErrorCode, message: &'static str) -> Self {
        Self {
            code,
            message,
            channel: None,
            source: None,
        }
    }

    pub(crate) fn malformed(message: &'static str) -> Self {
        Self::new(VoiceErrorCode::Malformed, message)
    }

    /// The payload belongs to the host, or to a newer version of this library.
    pub(crate) fn unknown_payload() -> Self {
        let message = "a payload this server does not know";
        Self::new(VoiceErrorCode::Unsupported, message)
    }

    /// The error for a message that was dropped because the client exceeded the rate limit.
    pub fn rate_limited() -> Self {
        Self::new(VoiceErrorCode::RateLimited, "too many messages, slow down")
    }

    /// Adds the channel that the request named.
    #[must_use]
    pub fn in_channel(mut self, channel: &str) -> Self {
        self.channel = Some(channel.into());
        self
    }

    /// Adds the channel that the payload names, if that is a valid id.
    pub(crate) fn about(self, payload: &Payload) -> Self {
        self.about_channel(payload.channel_id())
    }

    /// Adds the channel that the message names, if that is a valid id.
    pub(crate) fn about_message(self, message: &Incoming<'_>) -> Self {
        self.about_channel(message.channel_id())
    }

    /// Adds the channel, if it is a valid id. Any other text is not sent back.
    pub(crate) fn about_channel(self, channel: &str) -> Self {
        match check_id(channel) {
            Ok(()) => self.in_channel(channel),
            Err(_) => self,
        }
    }

    pub(crate) fn because(mut self, source: BoxError) -> Self {
        self.source = Some(source);
        self
    }

    /// The code that the client is sent.
    pub fn code(&self) -> VoiceErrorCode {
        self.code
    }

    /// The channel that the request named, if it named one.
    pub fn channel(&self) -> Option<&str> {
        self.channel.as_deref()
    }

    /// The message that the client is sent.
    pub fn message(&self) -> &'static str {
        self.message
    }
}

impl From<NotInChannel> for RequestError {
    fn from(_: NotInChannel) -> Self {
        Self::new(VoiceErrorCode::NotInChannel, "not in this channel")
    }
}

impl From<RelayError> for RequestError {
    fn from(error: RelayError) -> Self {
        use VoiceErrorCode as Code;
        let request = match error.reason {
            RelayFailure::NotInChannel => NotInChannel.into(),
            RelayFailure::TargetNotInChannel => Self::new(
                Code::TargetNotInChannel,
                "the target is not in this channel",
            ),
            RelayFailure::StaleSession => Self::new(
                Code::StaleSession,
                "the target's session is another one now",
            ),
            RelayFailure::TargetBusy => Self::new(
                Code::RateLimited,
                "too much waits for the target, send it again later",
            ),
            #[cfg(feature = "cluster")]
            RelayFailure::Unreachable => Self::new(
                Code::Unavailable,
                "the target's server cannot be reached, send it again later",
            ),
        };
        request.in_channel(&error.channel)
    }
}

impl From<JoinError> for RequestError {
    fn from(error: JoinError) -> Self {
        use VoiceErrorCode as Code;
        match error {
            JoinError::ChannelFull => Self::new(Code::ChannelFull, "the channel is full"),
            JoinError::PolicyChanged => Self::new(Code::Unavailable, "try again"),
            JoinError::ConnectionClosed | JoinError::Undeliverable(_) => {
                Self::new(Code::Unavailable, "the connection is closing").because(Box::new(error))
            }
            #[cfg(feature = "cluster")]
            JoinError::Undecided => Self::new(Code::Unavailable, "temporarily unavailable"),
        }
    }
}
