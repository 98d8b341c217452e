//! Offers, answers and candidates: from one participant to another.

use std::sync::Arc;

use crate::{
    RelayError, RelayFailure, SessionId, SignalSink, SinkError,
    rooms::{
        cell::Members, fanout::Fanout, relayed::Relayed, room::MemberRef,
        voice_connection::VoiceConnection,
    },
};

/// Decides a relay: the member that gets the message.
fn decide<'a>(
    room: &'a Members,
    sender: SessionId,
    message: &impl Relayed,
) -> Result<MemberRef<'a, Arc<dyn SignalSink>>, RelayFailure> {
    let target = room
        .find(message.target_user_id())
        .filter(|target| target.session != sender)
        .ok_or(RelayFailure::TargetNotInChannel)?;
    let meant = message.target_session_id();
    if !meant.is_empty() && meant.parse() != Ok(target.session) {
        return Err(RelayFailure::StaleSession);
    }
    Ok(target)
}

impl VoiceConnection {
    /// Sends one message to one other participant. The content is neither read nor changed.
    /// Messages from one connection to one target arrive in the order of the calls.
    ///
    /// The cost depends on this room alone: no map is touched.
    ///
    /// If the target is on another node, that node may refuse the message later. Then this
    /// connection gets the refusal under `request_id`.
    ///
    /// # Errors
    ///
    /// [`RelayError`]. A target that has stalled or is gone counts as not in the channel; the others
    /// will see it leave. A target that reads, but has no room now, stays.
    ///
    /// # Locking
    ///
    /// The user's lock, then the room's; those of a target that turns out to have stalled follow.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(unused_variables, reason = "for other nodes")
    )]
    pub(crate) fn relay(&self, request_id: &str, message: impl Relayed) -> Result<(), RelayError> {
        let mut fanout = Fanout::default();
        let undelivered = {
            let connections = self.user.state.lock();
            let Ok(seat) = self.seat_in(&connections, message.channel_id()) else {
                let channel = message.channel_id();
                return Err(RelayError::new(RelayFailure::NotInChannel, channel));
            };
            let refused = |reason| RelayError::new(reason, seat.room.id.as_str());
            let cell = seat.room.state.lock();
            let members = cell.open();
            let members = members.ok_or_else(|| refused(RelayFailure::NotInChannel))?;
            let target = decide(members, seat.session, &message).map_err(refused)?;
            #[cfg(feature = "cluster")]
            if let Some(node) = target.participant.place.node {
                let to = (&target.participant.user, target.session);
                let forwarded = self.forward(node, to, seat, request_id, message);
                return forwarded.map_err(refused);
            }
            let signal = message.into_signal(&self.user.id, seat.session);
            let user = &target.participant.user;
            match fanout.try_deliver_only(user, target.handle, signal) {
                Ok(()) => return Ok(()),
                Err(SinkError::Busy) => return Err(refused(RelayFailure::TargetBusy)),
                Err(SinkError::Full | SinkError::Closed) => {
                    refused(RelayFailure::TargetNotInChannel)
                }
            }
        };
        self.registry.evict_all(fanout);
        Err(undelivered)
    }
}
