//! What the host may do to those in a channel.

use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    ChannelId, SessionId, Urgency, UserId, VoiceRoomRegistry, rooms::fanout::Fanout,
    rooms::registry::Members, rooms::user::Seat,
};

impl VoiceRoomRegistry {
    /// Takes a user out of voice, wherever they are: says whether they were anywhere. The user's connections stay open
    /// and may join again unless the directory refuses it. All members, the user included, get a leave event `KICKED`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn kick(&self, user: &UserId) -> bool {
        self.kick_if(user, |_| true)
    }

    /// Takes a user out of this channel and no other, as [`kick`](Self::kick) does.
    ///
    /// # Locking
    ///
    /// As [`kick`](Self::kick).
    pub fn kick_from(&self, user: &UserId, channel: &ChannelId) -> bool {
        self.kick_if(user, |seat| seat.room.id == *channel)
    }

    fn kick_if(&self, user: &UserId, meant: impl Fn(&Seat) -> bool) -> bool {
        let Some(user) = self.inner.user(user) else {
            return false;
        };
        let mut fanout = Fanout::default();
        let mut cell = user.state.lock();
        let Some(seat) = cell.take_seat(meant) else {
            return false;
        };
        let gone = self.vacate(seat, VoiceLeaveReason::Kicked, &mut fanout);
        gone.tell(&mut fanout, "", Urgency::Event);
        drop(cell);
        self.evict_all(fanout);
        true
    }

    /// Takes everybody out of a channel that is about to disappear: says how many were in it. Make the directory refuse
    /// it first, and call [`policy_changed`](Self::policy_changed).
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
        let mut kicked = 0;
        for (user, session) in members {
            kicked += usize::from(self.kick_if(&user, |seat| seat.session == session));
        }
        kicked
    }
}
