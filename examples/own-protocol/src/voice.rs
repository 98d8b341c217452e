//! Voice channels: everything that Parley needs for them.
//!
//! Lines of code: 144 here, 32 marked `+voice` in other files, 14 with `united` in `parley.proto`.
//!
//! Three types of this file meet the library. [`Directory`] tells it which users may join which
//! channels. It puts what it has to tell a client into a [`Sink`]. A [`Connection`] is its part of
//! the loop around a socket.

#[cfg(test)]
mod tests;

use std::{num::NonZeroU32, str::FromStr, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Message;
use united_voice_core::{
    Admission, AdmitError, ChannelId, CloseReason, ConnectionMachine, Frame, IceConfig, Now,
    Profile, Signal, SignalSink, SinkError, Step, Urgency, UserId, VoiceDirectory, VoiceServer,
    proto::ws::envelope::Payload as Told,
};

use crate::{
    chat::{Channel, Chat},
    connection::End,
    outbox::{Kind, Outbox, Outgoing, Refused},
    wire::{Envelope, envelope::Payload},
};

/// The voice channels of a server.
pub(crate) type Voice = VoiceServer<Directory>;

/// What a channel with voice has beside its text.
#[derive(Debug, Clone, Default)]
pub struct VoiceSettings {
    /// How many users may be in the channel at the same time. `None` means that there is no limit.
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

/// Tells the library that a ban or a limit of a channel has changed.
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

/// Reads a number that is written as this server writes it. Otherwise "07" and "+7" would be
/// channels of their own beside "7".
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
            Urgency::Relay => Kind::Relay,
            Urgency::Droppable => Kind::Hint,
        };
        // The message is made here, before the signal is cloned, so that all recipients share it.
        signal.envelope();
        let pushed = self.0.push(Outgoing::Voice(signal.clone()), kind);
        pushed.map_err(|refused| match refused {
            Refused::Busy => SinkError::Busy,
            Refused::Full => SinkError::Full,
            Refused::Closed => SinkError::Closed,
        })
    }

    fn close(&self, reason: CloseReason) {
        self.0.close(reason.code());
    }
}

/// One client's voice connection: what the client may send, and what has to be done in time.
/// Dropping it is the disconnect.
pub(crate) type Connection = ConnectionMachine<Directory>;

pub(crate) fn open(voice: &Voice, user: u64, outbox: &Arc<Outbox>) -> Connection {
    let user = UserId::new(user.to_string()).expect("a number is short");
    let sink = Arc::new(Sink(Arc::clone(outbox)));
    Connection::open_with_sink(voice, &user, sink, now())
}

/// Does what is due next. Returns how the connection ends, or `None` if it goes on. Cancel safe.
pub(crate) async fn step(voice: &mut Connection, outbox: &Outbox) -> Option<End> {
    match voice.step(true, now, |at| sleep_until(at.into())).await {
        // If the queue has no room, the client can show that it is alive by reading what waits.
        Step::Ping => drop(outbox.push(Outgoing::Ping, Kind::Hint)),
        // The loop around it looks again whether to read.
        Step::Read => {}
        Step::Close(Some(close)) => return Some(End::Close(close.code)),
        _ => return Some(End::Gone),
    }
    None
}

/// Takes a ping or a pong. It is a sign of life, and counts in the client's rate like a message.
pub(crate) fn receive_control(voice: &mut Connection, message: Message) {
    match message {
        Message::Ping(content) => voice.receive(Frame::Ping(content), now()),
        Message::Pong(content) => voice.receive(Frame::Pong(content), now()),
        _ => {}
    }
}

/// The present time by Tokio's clock, which the tests set.
pub(crate) fn now() -> Now {
    Now {
        monotonic: Instant::now().into_std(),
        wall: SystemTime::now(),
    }
}

macro_rules! payloads_with_one_name {
    ($($name:ident)*) => {
        fn payload(told: &Told) -> Payload {
            match told {
                $(Told::$name(payload) => Payload::$name(payload.clone()),)*
            }
        }

        /// Takes a client's message of `bytes` bytes. If it is not voice, it is handed back, unless
        /// the client sends too fast.
        pub(crate) fn receive(
            voice: &mut Connection,
            request: u32,
            payload: Payload,
            bytes: usize,
        ) -> Option<Payload> {
            let id = match request {
                0 => String::new(),
                request => request.to_string(),
            };
            let payload = match payload {
                $(Payload::$name(payload) => Told::$name(payload),)*
                other => return voice.receive_other(&id, bytes, now()).then_some(other),
            };
            voice.receive_payload(id, payload, bytes, now());
            None
        }
    };
}

payloads_with_one_name! {
    VoiceJoinRequest VoiceJoinResponse VoiceLeaveRequest VoiceLeaveEvent VoiceSdpOffer VoiceSdpAnswer VoiceIceCandidate
    VoiceStateUpdate VoiceSpeakingEvent VoiceParticipantJoinedEvent VoiceError VoiceIceServersRequest
    VoiceIceServersResponse
}

/// A signal in Parley's envelope.
pub(crate) fn envelope(signal: &Signal) -> Envelope {
    Envelope {
        // An event has an empty id. A reply has the id of its request, which was made from a
        // number.
        request: signal.envelope().request_id.parse().unwrap_or(0),
        payload: Some(payload(signal.payload())),
    }
}
