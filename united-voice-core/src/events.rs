//! What the host may listen to.

use std::fmt;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use united_voice_proto::voice::VoiceLeaveReason;

use crate::{ChannelId, SessionId, UserId};

/// Something that happened in a voice channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VoiceEvent {
    /// Somebody took a seat.
    Joined {
        /// Where.
        channel: ChannelId,
        /// Who.
        user: UserId,
        /// The stay that began.
        session: SessionId,
    },
    /// A stay ended. A move and a take-over are a `Left` and a `Joined`.
    Left {
        /// Where.
        channel: ChannelId,
        /// Who.
        user: UserId,
        /// The stay that ended.
        session: SessionId,
        /// Why.
        reason: VoiceLeaveReason,
    },
    /// A participant told its state.
    StateChanged {
        /// Where.
        channel: ChannelId,
        /// Who.
        user: UserId,
        /// The microphone is off.
        muted: bool,
        /// The headphones are off.
        deafened: bool,
    },
}

/// The listener was too slow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{missed} voice events were missed")]
pub struct EventsMissed {
    /// How many events were lost. Read the registry to get the present state.
    pub missed: u64,
}

/// What happens, in the order of each channel.
///
/// Up to [`VoiceEvents::CAPACITY`] events wait for a listener. A listener that falls behind loses
/// the oldest ones and learns how many it missed. It delays nobody.
pub struct VoiceEvents(Receiver<VoiceEvent>);

impl VoiceEvents {
    /// Events that wait for the slowest listener.
    pub const CAPACITY: usize = 1024;

    pub(crate) fn new(receiver: Receiver<VoiceEvent>) -> Self {
        Self(receiver)
    }

    /// Waits for the next event; `None` when the registry is gone.
    ///
    /// # Errors
    ///
    /// [`EventsMissed`] if the listener was too slow; what follows is complete again.
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
