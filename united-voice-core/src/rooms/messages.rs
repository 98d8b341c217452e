//! What somebody in a channel tells one or all of the others.

use united_voice_proto::{encode_speaking_event, encode_state_update};

use crate::{
    NotInChannel, RelayError, RelayFailure, Signal, Urgency, UserId, VoiceConnection,
    events::VoiceEvent,
    rooms::{
        fanout::{Answer, Fanout},
        relayed::Relayed,
    },
};

impl VoiceConnection {
    /// Sends one message to one other participant. Its content is neither read nor changed. Messages
    /// from one connection to one target arrive in the order of the calls.
    ///
    /// `message` is a [`VoiceSdpOffer`], a [`VoiceSdpAnswer`], a [`VoiceIceCandidate`], or a
    /// [`Relay`], which borrows one of these from the frame it came in and costs less.
    ///
    /// [`VoiceSdpOffer`]: crate::proto::voice::VoiceSdpOffer
    /// [`VoiceSdpAnswer`]: crate::proto::voice::VoiceSdpAnswer
    /// [`VoiceIceCandidate`]: crate::proto::voice::VoiceIceCandidate
    /// [`Relay`]: crate::proto::Relay
    ///
    /// The cost depends only on this room, because no map is used.
    ///
    /// # Errors
    ///
    /// [`RelayError`]. A target that is too slow or gone counts as not in the channel, and the others
    /// see it leave.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's. If the target is too slow, its own locks follow after these
    /// are released.
    pub fn relay(&self, message: impl Relayed) -> Result<(), RelayError> {
        let hash = self.registry.inner.hash(message.target_user_id());
        let mut fanout = Fanout::default();
        let undelivered = {
            let user = self.user.state.lock();
            let Ok(seat) = self.seat_in(&user, message.channel_id()) else {
                return Err(RelayError::new(
                    RelayFailure::NotInChannel,
                    message.channel_id(),
                ));
            };
            let channel = &seat.room.id;
            let refused = |reason| RelayError::new(reason, channel.as_str());
            let mut room = seat.room.state.lock();
            let target = room
                .seated()
                .find(hash, message.target_user_id())
                .filter(|target| target.session != seat.session)
                .ok_or_else(|| refused(RelayFailure::TargetNotInChannel))?;
            let meant = message.target_session_id();
            if !meant.is_empty() && meant.parse() != Ok(target.session) {
                return Err(refused(RelayFailure::StaleSession));
            }
            let signal = message.into_signal(&self.user.id, seat.session);
            if fanout.deliver_owned(&target.participant.user, target.handle, signal) {
                return Ok(());
            }
            refused(RelayFailure::TargetNotInChannel)
        };
        self.registry.evict_all(fanout);
        Err(undelivered)
    }

    /// Records whether the microphone and the headphones are off, and tells all participants; this connection's copy
    /// carries `request_id`.
    ///
    /// # Errors
    ///
    /// [`NotInChannel`] where this connection has no seat in `channel`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's.
    pub fn update_state(
        &self,
        channel: &str,
        muted: bool,
        deafened: bool,
        request_id: &str,
    ) -> Result<(), NotInChannel> {
        let mut fanout = Fanout::default();
        {
            let user = self.user.state.lock();
            let seat = self.seat_in(&user, channel)?;
            let signal = |request_id, urgency| {
                state_signal(
                    request_id,
                    channel,
                    &self.user.id,
                    (muted, deafened),
                    urgency,
                )
            };
            let mut told = signal("", Urgency::Event);
            let answer = if request_id.is_empty() {
                Answer::Same
            } else {
                Answer::Other(signal(request_id, Urgency::Reply))
            };
            let mut room = seat.room.state.lock();
            let members = room.seated();
            members.set_state(seat.session, muted, deafened);
            fanout.broadcast(members, &mut told, seat.session, &answer);
            self.registry.inner.publish(|| VoiceEvent::StateChanged {
                channel: seat.room.id.clone(),
                user: self.user.id.clone(),
                muted,
                deafened,
            });
        }
        self.registry.evict_all(fanout);
        Ok(())
    }

    /// Tells the others that the user began or stopped speaking; this connection is told too where it gave a
    /// `request_id`. Others that read slowly may miss it.
    ///
    /// # Errors
    ///
    /// [`NotInChannel`] where this connection has no seat in `channel`.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's.
    pub fn speaking(
        &self,
        channel: &str,
        speaking: bool,
        request_id: &str,
    ) -> Result<(), NotInChannel> {
        let mut fanout = Fanout::default();
        {
            let user = self.user.state.lock();
            let seat = self.seat_in(&user, channel)?;
            let signal = |request_id, urgency| {
                speaking_signal(request_id, channel, &self.user.id, speaking, urgency)
            };
            let mut told = signal("", Urgency::Droppable);
            let answer = if request_id.is_empty() {
                Answer::None
            } else {
                Answer::Other(signal(request_id, Urgency::Reply))
            };
            let mut room = seat.room.state.lock();
            fanout.broadcast(room.seated(), &mut told, seat.session, &answer);
        }
        self.registry.evict_all(fanout);
        Ok(())
    }
}

/// Out of line, so that the signal is written where it stays: copying what has just been written piece by piece takes the
/// processor longer than encoding it.
#[inline(never)]
fn state_signal(
    request_id: &str,
    channel: &str,
    user: &UserId,
    (muted, deafened): (bool, bool),
    urgency: Urgency,
) -> Signal {
    let frame = encode_state_update(request_id, channel, user.as_str(), muted, deafened);
    Signal::from_frame(frame, urgency)
}

/// Out of line as [`state_signal`] is.
#[inline(never)]
fn speaking_signal(
    request_id: &str,
    channel: &str,
    user: &UserId,
    speaking: bool,
    urgency: Urgency,
) -> Signal {
    let frame = encode_speaking_event(request_id, channel, user.as_str(), speaking);
    Signal::from_frame(frame, urgency)
}
