//! What the host can listen to: joins, leaves and changes of state in all channels.

use std::fmt;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use united_voice_proto::voice::VoiceLeaveReason;

use crate::{ChannelId, SessionId, UserId};

/// Something that happened in a voice channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VoiceEvent {
    /// A user joined a channel.
    Joined {
        /// The channel that the user joined.
        channel: ChannelId,
        /// The user that joined.
        user: UserId,
        /// The stay that began.
        session: SessionId,
    },
    /// A stay ended. If a user moves to another channel, or joins from another connection, this
    /// event comes for the old stay and [`Joined`](Self::Joined) for the new one.
    Left {
        /// The channel that the user left.
        channel: ChannelId,
        /// The user that left.
        user: UserId,
        /// The stay that ended.
        session: SessionId,
        /// Why the stay ended.
        reason: VoiceLeaveReason,
    },
    /// A participant announced its state.
    StateChanged {
        /// The channel that the user is in.
        channel: ChannelId,
        /// The user that announced the state.
        user: UserId,
        /// Whether the user's microphone is off.
        muted: bool,
        /// Whether the user hears nobody.
        deafened: bool,
    },
}

/// The listener was too slow, and lost events.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{missed} voice events were missed")]
pub struct EventsMissed {
    /// How many events were lost. Read the registry to get the present state.
    pub missed: u64,
}

/// The stream of [`VoiceEvent`]s. The events of one channel come in the order in which they
/// happened.
///
/// Up to [`VoiceEvents::CAPACITY`] events wait for a listener. A listener that falls behind loses
/// the oldest ones and learns how many it missed. It delays nobody.
pub struct VoiceEvents(Receiver<VoiceEvent>);

impl VoiceEvents {
    /// The most events that wait for a listener.
    pub const CAPACITY: usize = 1024;

    pub(crate) fn new(receiver: Receiver<VoiceEvent>) -> Self {
        Self(receiver)
    }

    /// Waits for the next event. Returns `None` if the registry is gone.
    ///
    /// # Errors
    ///
    /// [`EventsMissed`] if the listener was too slow. The events after this error are complete
    /// again.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<VoiceEvent, EventsMissed>> {
        match self.0.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(RecvError::Lagged(missed)) => Some(Err(EventsMissed { missed })),
            Err(RecvError::Closed) => None,
        }
    }
}

impl fmt::Debug for VoiceEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceEvents").finish_non_exhaustive()
    }
}
