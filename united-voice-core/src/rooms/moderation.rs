//! What the host does to users in voice: kicks, closed channels, users that are gone.

use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    ChannelId, SessionId, UserId, VoiceRoomRegistry,
    rooms::{cell::Members, change::Answer, fanout::Fanout, user::Seat},
};

impl VoiceRoomRegistry {
    /// Takes a user out of the channel that they are in. Returns false if they were in none.
    ///
    /// All members, the user included, get a leave event `KICKED`. The user's connections stay open
    /// and may join again unless the directory refuses it. In a cluster this reaches connections to
    /// this node alone: use `VoiceServer::kick`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn kick(&self, user: &UserId) -> bool {
        self.take_out(user, VoiceLeaveReason::Kicked, |_| true)
    }

    /// Takes a user out of this channel and no other, as [`kick`](Self::kick) does.
    ///
    /// # Locking
    ///
    /// As [`kick`](Self::kick).
    pub fn kick_from(&self, user: &UserId, channel: &ChannelId) -> bool {
        let is_meant = |seat: &Seat| seat.room.id == *channel;
        self.take_out(user, VoiceLeaveReason::Kicked, is_meant)
    }

    /// Takes a user out of voice everywhere, as if their connections had ended: after a log-out, a
    /// deleted account, or a socket of the host's own that was lost. Says how many seats they had.
    ///
    /// All members, the user included, get a leave event `DISCONNECTED`. Connections that are still
    /// open stay so and may join again unless the directory refuses it. In a cluster this reaches
    /// connections to this node alone: use `VoiceServer::leave_all_channels`.
    ///
    /// # Locking
    ///
    /// As [`kick`](Self::kick).
    pub fn leave_all_channels(&self, user: &UserId) -> usize {
        // A user has at most one seat.
        usize::from(self.take_out(user, VoiceLeaveReason::Disconnected, |_| true))
    }

    /// Takes everybody out of a channel that is about to disappear. Says how many were in it.
    ///
    /// First make the directory refuse the channel and call
    /// [`policy_changed`](Self::policy_changed), so that nobody joins meanwhile. In a cluster this
    /// reaches connections to this node alone: use `VoiceServer::close_channel`.
    ///
    /// # Locking
    ///
    /// The room's lock, then as [`kick`](Self::kick) for each member in turn.
    pub fn close_channel(&self, channel: &ChannelId) -> usize {
        let Some(room) = self.inner.room(channel) else {
            return 0;
        };
        let members: Vec<(UserId, SessionId)> = {
            let cell = room.state.lock();
            let members = cell.open().into_iter().flat_map(Members::members);
            members
                .map(|member| (member.participant.user.clone(), member.session))
                .collect()
        };
        let kicked = members.into_iter().filter(|(user, session)| {
            let is_meant = |seat: &Seat| seat.session == *session;
            self.take_out(user, VoiceLeaveReason::Kicked, is_meant)
        });
        kicked.count()
    }

    fn take_out(
        &self,
        user: &UserId,
        reason: VoiceLeaveReason,
        is_meant: impl Fn(&Seat) -> bool,
    ) -> bool {
        let Some(user) = self.inner.user(user) else {
            return false;
        };
        let mut fanout = Fanout::default();
        {
            let mut connections = user.state.lock();
            let seat = connections.seat().filter(|(_, seat)| is_meant(seat));
            let Some((_, seat)) = seat else {
                return false;
            };
            let seat = seat.clone();
            let answer = Answer::Event;
            self.end_stay(
                &user.id,
                &mut connections,
                seat,
                reason,
                answer,
                &mut fanout,
            );
        }
        self.evict_all(fanout);
        true
    }
}
