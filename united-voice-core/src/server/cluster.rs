//! What a host asks of a server that may be a node of a cluster (feature `cluster`). Without a
//! cluster, all of it is ready at once.

use united_voice_proto::voice::{VoiceLeaveReason, VoiceParticipant};

use super::VoiceServer;
use crate::{
    ChannelId, UserId, VoiceDirectory,
    cluster::{CutOff, Ending, Replica},
    rooms::link::ClusterLink,
};

impl<D: VoiceDirectory> VoiceServer<D> {
    /// The way in for the backend of this server's cluster.
    pub fn replica(&self) -> Replica {
        self.registry().replica()
    }

    /// The participants of a channel on all nodes, in the order in which they joined.
    ///
    /// # Errors
    ///
    /// [`CutOff`] if the engine does not answer, and this node has no member in the channel.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn roster(&self, channel: &ChannelId) -> Result<Vec<VoiceParticipant>, CutOff> {
        let here = self.registry().participants(channel);
        match self.link() {
            Some(link) if here.is_empty() => link.backend.roster(channel).await,
            _ => Ok(here),
        }
    }

    /// How many participants each of these channels has, on all nodes.
    ///
    /// # Errors
    ///
    /// [`CutOff`] if the engine does not answer.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn counts(&self, channels: &[ChannelId]) -> Result<Vec<usize>, CutOff> {
        match self.link() {
            Some(link) => link.backend.counts(channels).await,
            None => {
                let registry = self.registry();
                let count = |channel| registry.participant_count(channel);
                Ok(channels.iter().map(count).collect())
            }
        }
    }

    /// Notes on all nodes that limits or permissions have changed, as
    /// [`VoiceRoomRegistry::policy_changed`](crate::VoiceRoomRegistry::policy_changed) does.
    ///
    /// # Errors
    ///
    /// [`CutOff`] if the engine does not answer. Whether joins go by the change is not known.
    pub async fn policy_changed(&self, channel: &ChannelId) -> Result<(), CutOff> {
        match self.link() {
            Some(link) => link.backend.policy_changed().await,
            None => {
                self.registry().policy_changed(channel);
                Ok(())
            }
        }
    }

    /// Takes a user out of the channel that they are in, on whichever node, as
    /// [`VoiceRoomRegistry::kick`](crate::VoiceRoomRegistry::kick) does. Returns false if they were
    /// in none. For a moment after the engine has lost something, the seat may not be known: then this
    /// is false too, and the user is taken out once it is. The same goes for the numbers that the
    /// other methods return.
    ///
    /// # Errors
    ///
    /// [`CutOff`] if the engine does not answer. Whether it has happened is not known.
    pub async fn kick(&self, user: &UserId) -> Result<bool, CutOff> {
        match self.link() {
            Some(link) => Ok(link.backend.end(Ending::User(user.clone()), KICKED).await? > 0),
            None => Ok(self.registry().kick(user)),
        }
    }

    /// Takes a user out of this channel and no other, as [`kick`](Self::kick) does.
    ///
    /// # Errors
    ///
    /// Those of [`kick`](Self::kick).
    pub async fn kick_from(&self, user: &UserId, channel: &ChannelId) -> Result<bool, CutOff> {
        match self.link() {
            Some(link) => {
                let which = Ending::UserIn(user.clone(), channel.clone());
                Ok(link.backend.end(which, KICKED).await? > 0)
            }
            None => Ok(self.registry().kick_from(user, channel)),
        }
    }

    /// Takes a user out of voice on all nodes, as
    /// [`VoiceRoomRegistry::leave_all_channels`](crate::VoiceRoomRegistry::leave_all_channels)
    /// does. Returns how many seats they had.
    ///
    /// # Errors
    ///
    /// Those of [`kick`](Self::kick).
    pub async fn leave_all_channels(&self, user: &UserId) -> Result<usize, CutOff> {
        match self.link() {
            Some(link) => {
                let reason = VoiceLeaveReason::Disconnected;
                link.backend.end(Ending::User(user.clone()), reason).await
            }
            None => Ok(self.registry().leave_all_channels(user)),
        }
    }

    /// Takes everybody out of a channel that is about to disappear, on all nodes, as
    /// [`VoiceRoomRegistry::close_channel`](crate::VoiceRoomRegistry::close_channel) does. Returns
    /// how many were in it.
    ///
    /// # Errors
    ///
    /// Those of [`kick`](Self::kick).
    pub async fn close_channel(&self, channel: &ChannelId) -> Result<usize, CutOff> {
        match self.link() {
            Some(link) => {
                link.backend
                    .end(Ending::Channel(channel.clone()), KICKED)
                    .await
            }
            None => Ok(self.registry().close_channel(channel)),
        }
    }

    /// Gives up all seats of this node at the engine. Call it after [`drained`](Self::drained). The
    /// backend ends it after a moment, `united-voice-redis` after 2 s: what it could not do, the
    /// other nodes do.
    pub async fn close(&self) {
        if let Some(link) = self.link() {
            link.backend.close().await;
        }
    }

    fn link(&self) -> Option<&ClusterLink> {
        self.registry().link()
    }
}

const KICKED: VoiceLeaveReason = VoiceLeaveReason::Kicked;
