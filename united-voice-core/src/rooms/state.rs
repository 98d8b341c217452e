//! What a member says about itself: microphone and headphones off, speaking.

use crate::{
    NotInChannel,
    rooms::{
        change::{Answer, Change, Locked},
        fanout::Fanout,
        voice_connection::VoiceConnection,
    },
};

impl VoiceConnection {
    /// Records whether the microphone and the headphones are off, and tells all participants. This
    /// connection's copy carries `request_id`.
    ///
    /// # Errors
    ///
    /// [`NotInChannel`] if this connection has no seat in `channel`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn update_state(
        &self,
        channel: &str,
        muted: bool,
        deafened: bool,
        request_id: &str,
    ) -> Result<(), NotInChannel> {
        #[cfg(feature = "cluster")]
        if self.proposed_state(channel, (muted, deafened), request_id)? {
            return Ok(());
        }
        let answer = Answer::Reply(request_id);
        self.say(channel, answer, |session| Change::State {
            session,
            muted,
            deafened,
        })
    }

    /// Tells the others that the user began or stopped speaking. This connection is told too if it
    /// gave a `request_id`. Others that read slowly may miss it.
    ///
    /// # Errors
    ///
    /// [`NotInChannel`] if this connection has no seat in `channel`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of members that turn out to be too slow follow.
    pub fn speaking(
        &self,
        channel: &str,
        speaking: bool,
        request_id: &str,
    ) -> Result<(), NotInChannel> {
        let answer = match request_id {
            "" => Answer::None,
            request_id => Answer::Reply(request_id),
        };
        self.say(channel, answer, |session| Change::Speaking {
            session,
            speaking,
        })
    }

    /// The only thing to decide is whether the connection has a seat: a member may say anything
    /// about itself.
    #[inline]
    fn say(
        &self,
        channel: &str,
        answer: Answer<'_>,
        change: impl FnOnce(crate::SessionId) -> Change,
    ) -> Result<(), NotInChannel> {
        let mut fanout = Fanout::default();
        {
            let connections = self.user.state.lock();
            let seat = self.seat_in(&connections, channel)?;
            let mut cell = seat.room.state.lock();
            let members = cell.open_mut().ok_or(NotInChannel)?;
            let mut locked = Locked {
                registry: &self.registry.inner,
                user: &self.user.id,
                connections: None,
                room: &seat.room,
                members,
                old: None,
            };
            let change = change(seat.session);
            #[cfg(feature = "cluster")]
            let said = said_of(&change, &seat.room.id);
            locked.apply(change, answer, &mut fanout);
            #[cfg(feature = "cluster")]
            if let (Some(said), Some(link)) = (said, self.link()) {
                link.say_elsewhere(locked.members, said);
            }
        }
        self.registry.evict_all(fanout);
        Ok(())
    }
}

/// What other nodes are told directly. The engine tells them everything else.
#[cfg(feature = "cluster")]
fn said_of(change: &Change, channel: &crate::ChannelId) -> Option<crate::cluster::Said> {
    match *change {
        Change::Speaking { session, speaking } => Some(crate::cluster::Said {
            channel: channel.clone(),
            session,
            speaking,
        }),
        _ => None,
    }
}
