//! Voice channels: all that Parley needed to have them.
//!
//! Lines of code: 181 in this file, 30 marked `+voice` in the others, 14 with `united` in `parley.proto`.
//!
//! Three things meet the library here: [`Directory`] tells it who may join what, [`Sink`] is where it puts what a client is
//! to be told, and [`Connection`] hands it what a client says.

#[cfg(test)]
mod tests;

use std::{future::pending, num::NonZeroU32, str::FromStr, sync::Arc};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};
use united_voice_core::{
    Admission, AdmitError, ChannelId, CloseReason, ConnectError, IceConfig, Profile, RateLimiter,
    RequestError, Signal, SignalSink, SinkError, Urgency, UserId, Verdict, VoiceConnection,
    VoiceDirectory, VoiceServer,
    proto::ws::envelope::Payload as Told,
    signaling::{
        handle_voice_ice_candidate, handle_voice_ice_servers, handle_voice_join,
        handle_voice_leave, handle_voice_sdp_answer, handle_voice_sdp_offer, handle_voice_speaking,
        handle_voice_state_update, reply_error,
    },
};

use crate::{
    chat::{Channel, Chat},
    outbox::{Kind, Outbox, Outgoing, Refused},
    wire::{Envelope, envelope::Payload},
};

/// The voice channels of a server.
pub(crate) type Voice = VoiceServer<Directory>;

/// What a channel with voice has beside its text.
#[derive(Debug, Clone, Default)]
pub struct VoiceSettings {
    /// How many may talk at the same time; `None` is as many as like.
    pub max_participants: Option<NonZeroU32>,
}

impl Channel {
    /// Gives the channel voice.
    #[must_use]
    pub fn with_voice(mut self, settings: VoiceSettings) -> Self {
        self.voice = Some(settings);
        self
    }
}

pub(crate) fn server(chat: &Arc<Chat>, ice: IceConfig) -> Voice {
    VoiceServer::builder(Directory(Arc::clone(chat)))
        .ice(ice)
        .build()
        .expect("the default limits are valid")
}

/// After a ban or a new limit.
pub(crate) fn policy_changed(voice: &Voice, channel: u32) {
    let channel = ChannelId::new(channel.to_string()).expect("a number is short");
    voice.registry().policy_changed(&channel);
}

/// Answers the library from Parley's accounts and channels.
pub(crate) struct Directory(Arc<Chat>);

#[async_trait]
impl VoiceDirectory for Directory {
    async fn admit(&self, user: &UserId, channel: &ChannelId) -> Result<Admission, AdmitError> {
        let user = number(user.as_str()).ok_or(AdmitError::Forbidden)?;
        let name = self.0.name(user).ok_or(AdmitError::Forbidden)?;
        let channel = number(channel.as_str()).and_then(|channel| self.0.channel(channel));
        let channel = channel.ok_or(AdmitError::ChannelNotFound)?;
        if channel.banned.contains(&user) {
            return Err(AdmitError::Forbidden);
        }
        let settings = channel.voice.ok_or(AdmitError::NotAVoiceChannel)?;
        Ok(Admission::new(Profile::new(name)).with_max_participants(settings.max_participants))
    }
}

/// Reads a number that is written as this server writes it: "07" and "+7" would else be channels beside "7".
fn number<N: FromStr + ToString>(text: &str) -> Option<N> {
    let number: N = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// Puts signals into a connection's queue.
struct Sink(Arc<Outbox>);

impl SignalSink for Sink {
    fn deliver(&self, signal: &Signal) -> Result<(), SinkError> {
        let kind = match signal.urgency() {
            Urgency::Reply => Kind::Answer,
            Urgency::Event => Kind::Event,
            Urgency::Droppable => Kind::Hint,
        };
        let pushed = self.0.push(Outgoing::Voice(signal.clone()), kind);
        pushed.map_err(|refused| match refused {
            Refused::Full => SinkError::Full,
            Refused::Closed => SinkError::Closed,
        })
    }

    fn close(&self, reason: CloseReason) {
        self.0.close(reason.code());
    }
}

/// One client's part in voice. Dropping it is the disconnect.
#[derive(Debug)]
pub(crate) struct Connection<'a> {
    server: &'a Voice,
    connection: VoiceConnection,
    outbox: Arc<Outbox>,
    rate: RateLimiter,
    grants: u64,
    refresh_at: Option<Instant>,
}

impl<'a> Connection<'a> {
    /// Registers a connection, or says with which code to close it.
    pub(crate) fn open(server: &'a Voice, user: u64, outbox: &Arc<Outbox>) -> Result<Self, u16> {
        let user = UserId::new(user.to_string()).expect("a number is short");
        let sink = Arc::new(Sink(Arc::clone(outbox)));
        let connection = server.connect(&user, sink);
        Ok(Self {
            server,
            connection: connection.map_err(ConnectError::code)?,
            outbox: Arc::clone(outbox),
            rate: RateLimiter::new(server.limits(), Instant::now().into_std()),
            grants: 0,
            refresh_at: None,
        })
    }

    /// Handles a voice payload; gives back one that is not voice, or that only a server sends.
    pub(crate) async fn handle(&mut self, request: u32, payload: Payload) -> Option<Payload> {
        let id = match request {
            0 => String::new(),
            request => request.to_string(),
        };
        let (server, connection) = (self.server, &self.connection);
        match self.rate.check(Instant::now().into_std()) {
            Verdict::Pass => {}
            Verdict::Drop => {
                reply_error(connection, &id, &RequestError::rate_limited());
                return None;
            }
            Verdict::Close => {
                self.outbox.close(1008);
                return None;
            }
        }
        let handled = match payload {
            Payload::VoiceJoinRequest(join) => {
                handle_voice_join(server, connection, &id, join).await
            }
            Payload::VoiceLeaveRequest(leave) => handle_voice_leave(connection, &id, &leave),
            Payload::VoiceSdpOffer(offer) => handle_voice_sdp_offer(server, connection, offer),
            Payload::VoiceSdpAnswer(answer) => handle_voice_sdp_answer(server, connection, answer),
            Payload::VoiceIceCandidate(candidate) => {
                handle_voice_ice_candidate(server, connection, candidate)
            }
            Payload::VoiceStateUpdate(update) => {
                handle_voice_state_update(connection, &id, &update)
            }
            Payload::VoiceSpeakingEvent(event) => handle_voice_speaking(connection, &id, &event),
            Payload::VoiceIceServersRequest(request) => {
                handle_voice_ice_servers(server, connection, &id, &request)
            }
            other => return Some(other),
        };
        if let Err(error) = handled {
            reply_error(connection, &id, &error);
        }
        self.watch_credentials();
        None
    }

    /// Waits until the client's TURN credentials have grown old and sends it new ones. Cancel safe.
    pub(crate) async fn refresh(&mut self) {
        match self.refresh_at {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
        // Cleared first: to one who has left meanwhile nothing is sent, and nothing starts the clock again.
        self.refresh_at = None;
        self.server.push_ice_servers(&self.connection);
        self.watch_credentials();
    }

    fn watch_credentials(&mut self) {
        let grants = self.connection.ice_grants();
        if grants != self.grants {
            self.grants = grants;
            self.refresh_at = self
                .server
                .ice_refresh_after()
                .map(|after| Instant::now() + after);
        }
    }
}

macro_rules! same_names {
    ($($name:ident)*) => {
        fn payload(told: &Told) -> Payload {
            match told {
                $(Told::$name(payload) => Payload::$name(payload.clone()),)*
            }
        }
    };
}

same_names! {
    VoiceJoinRequest VoiceJoinResponse VoiceLeaveRequest VoiceLeaveEvent VoiceSdpOffer VoiceSdpAnswer VoiceIceCandidate
    VoiceStateUpdate VoiceSpeakingEvent VoiceParticipantJoinedEvent VoiceError VoiceIceServersRequest
    VoiceIceServersResponse
}

/// A signal in Parley's envelope.
pub(crate) fn envelope(signal: &Signal) -> Envelope {
    Envelope {
        // Unsolicited signals have an empty id, and all others one that was made of a number.
        request: signal.envelope().request_id.parse().unwrap_or(0),
        payload: Some(payload(signal.payload())),
    }
}
