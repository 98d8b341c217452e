//! What a client is told, and the users that it names.

use std::{fmt, time::Duration};

use futures::Stream;
use tokio::sync::mpsc;
use united_voice_proto::voice::VoiceJoinResponse;

use crate::{
    error::{ConnectError, JoinError, Refusal},
    wire::{IceServer, LeaveReason, Participant},
};

/// A channel at one moment: the answer to a join. The events that follow it change it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The channel.
    pub channel_id: String,
    /// This client's session. It names this stay of this connection in this channel.
    pub session_id: String,
    /// The other participants, in the order in which they joined. *The newcomer offers*: send each
    /// of them an offer.
    pub participants: Vec<Participant>,
    /// The ICE servers for the configuration of your peer connections.
    pub ice_servers: Vec<IceServer>,
    /// The channel has more participants than a full mesh carries well.
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

/// One end of a relayed message: a user, and one of the user's sessions.
///
/// As the target of a message with a session: the message reaches that session, or the server
/// refuses it as [`StaleSession`](crate::ErrorCode::StaleSession). Without a session: the message
/// reaches the connection of the user that is in the channel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The user.
    pub user_id: String,
    /// The session. If it is empty, any session of the user is meant.
    pub session_id: String,
}

impl Peer {
    /// A user, in any session.
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

/// Names a relayed message, so that a refusal of the message can be recognised. A client never
/// gives an id twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelayId(pub(crate) u64);

/// Why the client is no longer in a channel.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ExitReason {
    /// The client asked to leave.
    Left,
    /// The host removed the client.
    Kicked,
    /// The server removed the client because it read too slowly.
    Evicted,
    /// Another connection of the same user took the seat.
    Replaced,
    /// The connection was lost, and the server refused to let the client back into the channel.
    Refused(JoinError),
}

/// Why the connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Disconnect {
    /// The server is shutting down (close code 1001).
    Shutdown,
    /// This client sent too much for too long, or its user has too many connections (1008).
    TooManyMessages,
    /// This client sent too large a message (1009).
    MessageTooLarge,
    /// This client read too slowly, or a failure of the server took its seat (1013).
    TooSlow,
    /// The server closed with another code. The code is 1005 if the close frame had none.
    Closed(u16),
    /// The server did not answer a ping, a join or a leave in time, or would not carry a leave out.
    Unresponsive,
    /// The connection broke without a close frame, or the server broke the WebSocket protocol.
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

    /// The shortest pause before the next attempt. A client that was closed for flooding must not
    /// flood the server again.
    #[must_use]
    pub const fn min_delay(self) -> Duration {
        match self {
            Self::TooManyMessages => Duration::from_secs(10),
            Self::MessageTooLarge | Self::TooSlow => Duration::from_secs(1),
            _ => Duration::ZERO,
        }
    }
}

/// An offer or an answer of another participant (RFC 8829). Its `Debug` form shows the length of
/// the description, and nothing of its text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Description {
    /// The sender and its session. Address your answer to it.
    pub from: Peer,
    /// The description, byte for byte as it was sent.
    pub sdp: String,
}

/// An ICE candidate of another participant (RFC 8838). Its `Debug` form shows the length of the
/// candidate, and nothing of its text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// The sender and its session.
    pub from: Peer,
    /// `RTCIceCandidateInit` as JSON, byte for byte as it was sent.
    pub candidate_json: String,
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Description")
            .field("from", &self.from)
            .field("sdp", &Redacted(&self.sdp))
            .finish()
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate")
            .field("from", &self.from)
            .field("candidate_json", &Redacted(&self.candidate_json))
            .finish()
    }
}

/// Shows only the length of a text. Descriptions and candidates hold addresses of users, and those
/// must reach no log.
pub(crate) struct Redacted<'a>(pub(crate) &'a str);

impl fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// What happened. `channel_id` is always the channel that the client is in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// The client is in a channel. This is the answer to a join, at its place in the order of
    /// events. If the client was in another channel before, it has left that one.
    Entered {
        /// The channel as it is now.
        snapshot: Snapshot,
        /// The client is back in its channel after the connection was lost. Take the sessions of
        /// all participants from the snapshot. Keep the peer connections that are still up, because
        /// the call does not depend on signaling.
        rejoined: bool,
    },
    /// The client is in no channel any more.
    Exited {
        /// The channel that the client was in.
        channel_id: String,
        /// The reason.
        reason: ExitReason,
    },
    /// A participant joined and will send an offer.
    Joined {
        /// The channel.
        channel_id: String,
        /// The new participant.
        participant: Participant,
    },
    /// A participant left.
    Left {
        /// The channel.
        channel_id: String,
        /// The user, and the session that ended.
        peer: Peer,
        /// The user's display name.
        display_name: String,
        /// The reason.
        reason: LeaveReason,
    },
    /// An SDP offer: answer it.
    Offer(Description),
    /// An SDP answer to an offer of yours.
    Answer(Description),
    /// An ICE candidate.
    Candidate(Candidate),
    /// Another participant of the channel switched the microphone or the headphones. The client's own
    /// switches are no event.
    State {
        /// The user.
        user_id: String,
        /// The microphone is off.
        muted: bool,
        /// The headphones are off.
        deafened: bool,
    },
    /// A participant began or stopped speaking. If a client reads slowly, the server drops these
    /// events first.
    Speaking {
        /// The user.
        user_id: String,
        /// True at the beginning, false at the end.
        speaking: bool,
    },
    /// Fresh ICE servers that this client did not ask for. Set them and restart ICE, because the
    /// old TURN credentials expire soon.
    IceServers {
        /// The servers, in place of the earlier ones.
        ice_servers: Vec<IceServer>,
    },
    /// The server refused a message. If it had accepted the message, it would have sent no answer.
    /// A message that was refused for the moment was sent [again](crate#pace) before.
    Refused {
        /// The relayed message, if it was one.
        relay: Option<RelayId>,
        /// The reason.
        refusal: Refusal,
    },
    /// The connection is gone. An attempt to reconnect or [`Stopped`](Self::Stopped) follows.
    Disconnected(Disconnect),
    /// The client will try to reconnect after a pause.
    Reconnecting {
        /// 1 for the first attempt since the last good connection.
        attempt: u32,
        /// The pause.
        after: Duration,
        /// Why the attempt before failed, if there was one.
        last_error: Option<ConnectError>,
    },
    /// The connection is back. If the client was in a channel, [`Entered`](Self::Entered) follows.
    Reconnected,
    /// The client has given up. This is always the last event, and it ends the stay in a channel.
    Stopped(ConnectError),
}

/// The events of a client, in the order in which the server sent them. They end with the client.
///
/// # Backpressure
///
/// The queue is bounded ([`event_queue`](crate::ClientBuilder::event_queue)). If it is full, the
/// client stops reading from its connection until there is room again. Meanwhile it reads neither
/// answers to its requests nor the server's pings. A client whose events nobody reads gets
/// time-outs first. Then the server closes it as too slow.
///
/// Drop this if you want no events: the client then throws them away.
#[must_use = "a client whose events are kept but not read comes to a standstill"]
pub struct Events(pub(crate) mpsc::Receiver<Event>);

impl Events {
    /// The next event, or `None` after the last.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
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
