//! How a connection leaves: by a request, by its own end, or because the host says that it reads
//! too slowly.

use united_voice_proto::voice::VoiceLeaveReason;

use crate::{
    NotInChannel,
    rooms::{
        change::Answer,
        fanout::Fanout,
        user::{ConnectionEntry, Seat, UserCell},
        voice_connection::VoiceConnection,
    },
};

/// Decides a leave: the seat of connection `number`, if that is in `channel`.
fn decide(connections: &UserCell, number: u64, channel: &str) -> Result<Seat, NotInChannel> {
    let mine = connections.connection(number);
    let seat = mine.and_then(|mine| mine.seat.as_ref());
    let seat = seat.filter(|seat| seat.is_in(channel));
    seat.cloned().ok_or(NotInChannel)
}

impl VoiceConnection {
    /// Gives up the seat. The others get the leave event, and this connection gets it with
    /// `request_id`.
    ///
    /// # Errors
    ///
    /// [`NotInChannel`] if this connection has no seat in `channel`, also if there is no such
    /// channel.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn leave_channel(&self, channel: &str, request_id: &str) -> Result<(), NotInChannel> {
        let mut fanout = Fanout::default();
        {
            let mut connections = self.user.state.lock();
            let seat = decide(&connections, self.number, channel)?;
            let reason = VoiceLeaveReason::Left;
            let answer = Answer::Reply(request_id);
            let user = &self.user.id;
            self.registry
                .end_stay(user, &mut connections, seat, reason, answer, &mut fanout);
        }
        self.registry.evict_all(fanout);
        Ok(())
    }

    /// Ends the connection as one that reads too slowly, for hosts whose own traffic found its
    /// queue full. The others are told `EVICTED`, and the sink is closed with
    /// [`CloseReason::SlowConsumer`](crate::CloseReason::SlowConsumer).
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn evict(&self) {
        let mut fanout = Fanout::default();
        let is_meant = |connection: &ConnectionEntry| connection.number == self.number;
        self.registry.evict(&self.user, is_meant, &mut fanout);
        self.registry.evict_all(fanout);
    }
}

impl Drop for VoiceConnection {
    fn drop(&mut self) {
        let mut fanout = Fanout::default();
        let is_meant = |connection: &ConnectionEntry| connection.number == self.number;
        let reason = VoiceLeaveReason::Disconnected;
        self.registry
            .end_connection(&self.user, is_meant, reason, &mut fanout);
        self.registry.inner.forget_user_if_idle(&self.user);
        self.registry.inner.counters.disconnected();
        self.registry.evict_all(fanout);
    }
}
