//! What the application asks for.

use tokio::time::Instant;
use united_voice_proto::{
    voice::{VoiceIceServersRequest, VoiceLeaveRequest, VoiceSpeakingEvent, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};

use super::machine::{Call, answer};
use crate::{
    command::{Command, Content, Reply, State},
    error::{JoinError, RequestError, SendError},
    event::{ExitReason, Peer, RelayId, Snapshot},
    pending::Waiter,
    wire::IceServer,
};

impl Call {
    /// Takes a command of the application.
    pub(crate) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Join { channel, reply } => self.join(channel, reply, now),
            Command::Leave { reply } => self.leave(reply, now),
            Command::State { state, reply } => self.set_state(state, reply, now),
            Command::IceServers { reply } => self.ice_servers(reply, now),
            Command::Relay { to, content, reply } => self.relay(to, content, reply),
            Command::Speaking { speaking, reply } => self.speaking(speaking, reply),
            // The driver handles these two before they come here.
            Command::RetryNow | Command::Close { .. } => {}
        }
    }

    fn join(&mut self, channel: String, reply: Reply<Snapshot, JoinError>, now: Instant) {
        self.supersede();
        self.rejoin_at = None;
        self.intent = Some(channel.clone());
        if self.online {
            self.request_join(channel, Some(reply), now);
        } else {
            self.waiter = Some(reply);
        }
    }

    fn leave(&mut self, reply: Reply<(), RequestError>, now: Instant) {
        self.supersede();
        self.rejoin_at = None;
        let Some(channel_id) = self.intent.take().or_else(|| self.channel.clone()) else {
            return answer(reply, Err(RequestError::NotInChannel));
        };
        if self.seat.is_some() || self.pending.joins(&channel_id) {
            self.outgoing.keep_only(None);
            let channel = channel_id.clone();
            let waiter = Waiter::Leave { channel, reply };
            self.request(leave_request(channel_id), waiter, now);
        } else {
            self.exit(ExitReason::Left);
            answer(reply, Ok(()));
        }
    }

    fn set_state(&mut self, state: State, reply: Reply<(), RequestError>, now: Instant) {
        self.state = state;
        if self.seat.is_some() {
            self.tell_state(Some(reply), now);
        } else {
            answer(reply, Ok(()));
        }
    }

    /// Tells the server the state, if the client is in a channel.
    pub(super) fn tell_state(&mut self, reply: Option<Reply<(), RequestError>>, now: Instant) {
        if let Some(update) = self.state_update() {
            self.request(update, Waiter::State { reply }, now);
        }
    }

    /// What tells the server the state, if the client is in a channel.
    pub(super) fn state_update(&self) -> Option<Payload> {
        let seat = self.seat.as_ref()?;
        Some(Payload::VoiceStateUpdate(VoiceStateUpdate {
            channel_id: seat.channel.clone(),
            user_id: String::new(),
            muted: self.state.muted,
            deafened: self.state.deafened,
        }))
    }

    fn ice_servers(&mut self, reply: Reply<Vec<IceServer>, RequestError>, now: Instant) {
        let Some(request) = self.ice_request() else {
            let error = if self.online {
                RequestError::NotInChannel
            } else {
                RequestError::Offline
            };
            return answer(reply, Err(error));
        };
        self.request(request, Waiter::IceServers { reply }, now);
    }

    /// What asks for fresh ICE servers, if the client is in a channel.
    pub(super) fn ice_request(&self) -> Option<Payload> {
        let channel_id = self.seat.as_ref()?.channel.clone();
        let request = VoiceIceServersRequest { channel_id };
        Some(Payload::VoiceIceServersRequest(request))
    }

    fn relay(&mut self, to: Peer, content: Content, reply: Reply<RelayId, SendError>) {
        let sent = self.seated().map(|channel| {
            let id = self.send(content.payload(channel, to));
            RelayId(id)
        });
        answer(reply, sent);
    }

    fn speaking(&mut self, speaking: bool, reply: Reply<(), SendError>) {
        let sent = self.seated().map(|channel_id| {
            let event = VoiceSpeakingEvent {
                channel_id,
                user_id: String::new(),
                speaking,
            };
            // If it had an id, the server would send a copy back.
            let envelope = Envelope {
                request_id: String::new(),
                payload: Some(Payload::VoiceSpeakingEvent(event)),
            };
            self.outgoing.push(0, envelope);
        });
        answer(reply, sent);
    }

    /// The channel that the client is in.
    fn seated(&self) -> Result<String, SendError> {
        match &self.seat {
            Some(seat) => Ok(seat.channel.clone()),
            None if self.online => Err(SendError::NotInChannel),
            None => Err(SendError::Offline),
        }
    }
}

pub(super) const fn leave_request(channel_id: String) -> Payload {
    Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id })
}
