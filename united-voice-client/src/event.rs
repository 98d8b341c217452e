//! What a client is told, and whom it tells.

use std::{fmt, time::Duration};

use futures::Stream;
use tokio::sync::mpsc;

use crate::{
    ConnectError, ErrorCode, IceServer, JoinError, LeaveReason, Participant,
    voice::{VoiceError, VoiceJoinResponse},
};

/// A channel as it was at one moment: what a join is answered with. The events that follow it change it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The channel.
    pub channel_id: String,
    /// One's own session: names this stay of this connection in this channel.
    pub session_id: String,
    /// The others, in the order in which they joined. *The newcomer offers*: send each of them an offer.
    pub participants: Vec<Participant>,
    /// For the configuration of one's peer connections.
    pub ice_servers: Vec<IceServer>,
    /// There are more participants than a full mesh carries well.
    pub quality_warning: bool,
}

impl From<VoiceJoinResponse> for Snapshot {
    fn from(response: VoiceJoinResponse) -> Self {
        Self {
            channel_id: response.channel_id,
            session_id: response.session_id,
            participants: response.participants,
            ice_servers: response.ice_servers,
            quality_warning: response.quality_warning,
        }
    }
}

/// One end of a relayed message: a user, and which stay of theirs.
///
/// As the target of a message: with a session, the message reaches that session or is refused as
/// [`StaleSession`](ErrorCode::StaleSession); without one it reaches whatever connection of the user is in the channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The user.
    pub user_id: String,
    /// The session, empty for whichever is there.
    pub session_id: String,
}

impl Peer {
    /// A user, on whatever connection.
    pub fn user(user_id: impl Into<String>) -> Self {
        Self {
            user_id: user_id.into(),
            session_id: String::new(),
        }
    }
}

impl From<&Participant> for Peer {
    fn from(participant: &Participant) -> Self {
        Self {
            user_id: participant.user_id.clone(),
            session_id: participant.session_id.clone(),
        }
    }
}

impl From<&Self> for Peer {
    fn from(peer: &Self) -> Self {
        peer.clone()
    }
}

impl From<&str> for Peer {
    fn from(user_id: &str) -> Self {
        Self::user(user_id)
    }
}

/// Names a relayed message, so that a refusal of it can be recognised. Never given twice by one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub(crate) u64);

/// The server said no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str_name())]
#[non_exhaustive]
pub struct Refusal {
    /// Why, for programs.
    pub code: ErrorCode,
    /// Why, for people who read logs.
    pub message: String,
    /// The channel in question.
    pub channel_id: String,
}

impl Refusal {
    /// Whether the same may succeed later without anybody changing anything.
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

/// Why one is no longer in a channel.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ExitReason {
    /// One asked to leave.
    Left,
    /// The host removed one.
    Kicked,
    /// The server removed one for reading too slowly.
    Evicted,
    /// Another connection of the same user took the seat.
    Replaced,
    /// The connection was lost, and the way back into the channel was refused.
    Refused(JoinError),
}

/// Why the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disconnect {
    /// The server stops (close code 1001).
    Shutdown,
    /// This client sent too much for too long, or its user has too many connections (1008).
    TooManyMessages,
    /// This client sent too large a message (1009).
    MessageTooLarge,
    /// This client read too slowly (1013).
    TooSlow,
    /// Closed with another code, 1005 where it had none.
    Closed(u16),
    /// The server did not answer a ping, or a join, in time.
    Unresponsive,
    /// It broke without a close frame, or the server broke the WebSocket protocol.
    Lost,
}

impl Disconnect {
    pub(crate) const fn from_code(code: u16) -> Self {
        match code {
            1001 => Self::Shutdown,
            1008 => Self::TooManyMessages,
            1009 => Self::MessageTooLarge,
            1013 => Self::TooSlow,
            code => Self::Closed(code),
        }
    }

    /// The least time before the next attempt: being thrown out for flooding must not be met with another flood.
    #[must_use]
    pub const fn min_delay(self) -> Duration {
        match self {
            Self::TooManyMessages => Duration::from_secs(10),
            Self::MessageTooLarge | Self::TooSlow => Duration::from_secs(1),
            _ => Duration::ZERO,
        }
    }
}

/// An offer or an answer of somebody (RFC 8829). Its `Debug` form shows how long the description is, and nothing of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// Who sent it, and from which session: what one answers is addressed to it.
    pub from: Peer,
    /// The description, byte for byte as it was sent.
    pub sdp: String,
}

/// An ICE candidate of somebody (RFC 8838). Its `Debug` form shows how long it is, and nothing of it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// Who sent it, and from which session.
    pub from: Peer,
    /// `RTCIceCandidateInit` as JSON, byte for byte as it was sent.
    pub candidate_json: String,
}

// Both hold addresses of users, which must reach no log.

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("from", &self.from)
            .field("sdp", &format_args!("<{} bytes>", self.sdp.len()))
            .finish()
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.candidate_json.len();
        f.debug_struct("Candidate")
            .field("from", &self.from)
            .field("candidate_json", &format_args!("<{length} bytes>"))
            .finish()
    }
}

/// What happened. `channel_id` is always the channel one is in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// One is in a channel: the answer to a join, at its place in the order of events. Another channel than the one
    /// before means that one was left.
    Entered {
        /// Where one is now.
        snapshot: Snapshot,
        /// Back in the channel after the connection was lost. Everybody's session is to be taken from the snapshot; a peer
        /// connection that is still up is kept, for signaling is not the call.
        rejoined: bool,
    },
    /// One is in no channel any more.
    Exited {
        /// The channel left.
        channel_id: String,
        /// Why.
        reason: ExitReason,
    },
    /// Somebody joined. Expect their offer.
    Joined {
        /// The channel.
        channel_id: String,
        /// Who.
        participant: Participant,
    },
    /// Somebody left.
    Left {
        /// The channel.
        channel_id: String,
        /// Who, and the session that ended.
        peer: Peer,
        /// Their name.
        display_name: String,
        /// Why.
        reason: LeaveReason,
    },
    /// An SDP offer: answer it.
    Offer(Description),
    /// An SDP answer to one's offer.
    Answer(Description),
    /// An ICE candidate.
    Candidate(Candidate),
    /// Somebody's microphone or headphones were switched.
    State {
        /// Who.
        user_id: String,
        /// The microphone is off.
        muted: bool,
        /// The headphones are off.
        deafened: bool,
    },
    /// Somebody began or stopped speaking. Servers drop these first where a client reads slowly.
    Speaking {
        /// Who.
        user_id: String,
        /// True at the beginning, false at the end.
        speaking: bool,
    },
    /// Fresh ICE servers that nobody asked for: set them and restart ICE, since the old TURN credentials soon end.
    IceServers {
        /// In place of those before.
        ice_servers: Vec<IceServer>,
    },
    /// A message whose success is silent did not succeed.
    Refused {
        /// Which relayed message, where it was one.
        relay: Option<RelayId>,
        /// Why.
        refusal: Refusal,
    },
    /// The connection is gone; an attempt to reconnect or [`Stopped`](Self::Stopped) follows.
    Disconnected(Disconnect),
    /// The next attempt follows after a pause.
    Reconnecting {
        /// 1 for the first since the last good connection.
        attempt: u32,
        /// The pause.
        after: Duration,
        /// Why the attempt before failed, where there was one.
        last_error: Option<ConnectError>,
    },
    /// The connection is back. [`Entered`](Self::Entered) follows where one was in a channel.
    Reconnected,
    /// The client has given up. Always the last event, and the end of the stay in a channel.
    Stopped(ConnectError),
}

/// The events of a client, in the order of the connection. Ends with the client.
///
/// # Backpressure
///
/// The queue is bounded ([`event_queue`](crate::ClientBuilder::event_queue)). Once it is full the client stops reading its
/// connection, answers to its requests and the server's pings included, until there is room again. Whoever never reads
/// gets time-outs first and is then dropped by the server, as too slow a reader must be. Who wants no events drops this:
/// they are then thrown away.
#[must_use = "a client whose events are kept but not read comes to a standstill"]
pub struct Events(pub(crate) mpsc::Receiver<Event>);

impl Events {
    /// The next event, `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// No event is lost where the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("waiting", &self.0.len())
            .finish()
    }
}
