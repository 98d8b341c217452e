//! What the library sends: one envelope, encoded at most once per codec and shared by all who receive it.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
#[cfg(feature = "json")]
use bytestring::ByteString;
use prost::Message as _;
use united_voice_proto::{
    Codec, RelayFrame, decode, encode_protobuf, encode_speaking_event, encode_state_update,
    voice::{VoiceSpeakingEvent, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};

use crate::{ChannelId, UserId};

/// How a signal is to be treated where its recipient reads too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// The answer to the recipient's own request. A sink takes it even when it is full; whoever reads requests for that
    /// recipient stops reading until it fits, so that at most a few stand beyond the limit.
    Reply,
    /// Something that others caused and that must not be lost. A full sink refuses it, which ends the connection.
    Event,
    /// Something that others caused and that may be lost: who is speaking. A full sink refuses it, and that is all.
    Droppable,
}

/// One message to one or many clients.
///
/// Cloning copies a pointer. The first recipient that asks for a form pays for making it, all others share it.
#[derive(Clone)]
pub struct Signal {
    shared: Arc<Shared>,
    urgency: Urgency,
}

struct Shared {
    source: Source,
    /// Zero until it is asked for: no signal is empty.
    size: AtomicUsize,
    protobuf: OnceLock<Bytes>,
    /// Of a message that came without one.
    envelope: OnceLock<Box<Envelope>>,
    #[cfg(feature = "json")]
    json: OnceLock<ByteString>,
}

/// What a signal is made of. Nobody pays for a form that no recipient asks for.
enum Source {
    Envelope(Box<Envelope>),
    /// A relayed message, rewritten on the wire.
    Frame(Bytes),
    /// What goes to whole rooms again and again is encoded without an envelope.
    Told(Box<str>, Told),
}

/// Something that a participant told about itself.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) channel: ChannelId,
    pub(crate) user: UserId,
    pub(crate) what: What,
}

#[derive(Clone, Copy)]
pub(crate) enum What {
    State { muted: bool, deafened: bool },
    Speaking(bool),
}

impl Signal {
    /// A signal that carries `payload` under `request_id` (empty for everything unsolicited).
    pub fn new(request_id: impl Into<String>, payload: Payload, urgency: Urgency) -> Self {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        Self::of(Source::Envelope(Box::new(envelope)), urgency)
    }

    /// A relayed message for its target.
    pub(crate) fn relayed(
        frame: &RelayFrame<'_>,
        sender_user_id: &str,
        sender_session_id: &str,
    ) -> Self {
        let frame = frame.encode_from(sender_user_id, sender_session_id);
        Self::of(Source::Frame(frame), Urgency::Event)
    }

    /// What a participant told about itself.
    pub(crate) fn told(told: Told) -> Self {
        let urgency = match told.what {
            What::State { .. } => Urgency::Event,
            What::Speaking(_) => Urgency::Droppable,
        };
        Self::of(Source::Told(Box::default(), told), urgency)
    }

    fn of(source: Source, urgency: Urgency) -> Self {
        Self {
            shared: Arc::new(Shared {
                source,
                size: AtomicUsize::new(0),
                protobuf: OnceLock::new(),
                envelope: OnceLock::new(),
                #[cfg(feature = "json")]
                json: OnceLock::new(),
            }),
            urgency,
        }
    }

    /// The same message under another urgency; shares the encodings.
    #[must_use]
    pub fn with_urgency(&self, urgency: Urgency) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            urgency,
        }
    }

    /// The same message as the answer to the recipient's own request.
    pub(crate) fn answering(&self, request_id: &str) -> Self {
        if request_id.is_empty() {
            return self.with_urgency(Urgency::Reply);
        }
        match &self.shared.source {
            Source::Told(_, told) => {
                let source = Source::Told(request_id.into(), told.clone());
                Self::of(source, Urgency::Reply)
            }
            _ => Self::new(request_id, self.payload().clone(), Urgency::Reply),
        }
    }

    /// How to treat the signal under pressure.
    pub fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// The message itself, for transports that don't send bytes.
    pub fn envelope(&self) -> &Envelope {
        match &self.shared.source {
            Source::Envelope(envelope) => envelope,
            other => self
                .shared
                .envelope
                .get_or_init(|| Box::new(other.envelope())),
        }
    }

    /// The id of the request that this answers; empty for everything unsolicited.
    pub fn request_id(&self) -> &str {
        match &self.shared.source {
            Source::Envelope(envelope) => &envelope.request_id,
            Source::Frame(_) => "",
            Source::Told(request_id, _) => request_id,
        }
    }

    /// The payload, for hosts that wrap it into an envelope of their own.
    ///
    /// # Panics
    ///
    /// Never: a signal is made with a payload.
    pub fn payload(&self) -> &Payload {
        let payload = self.envelope().payload.as_ref();
        payload.expect("a signal is made with a payload")
    }

    /// The size of the protobuf form in bytes: what the signal counts for in a queue, in whichever form it is sent.
    pub fn size(&self) -> usize {
        match self.shared.size.load(Ordering::Relaxed) {
            0 => {
                let size = match &self.shared.source {
                    Source::Envelope(envelope) => envelope.encoded_len(),
                    // Short, and most recipients will ask for it.
                    Source::Frame(_) | Source::Told(..) => self.protobuf().len(),
                };
                self.shared.size.store(size, Ordering::Relaxed);
                size
            }
            size => size,
        }
    }

    /// The protobuf form: one binary WebSocket message.
    pub fn as_protobuf(&self) -> Bytes {
        self.protobuf().clone()
    }

    fn protobuf(&self) -> &Bytes {
        match &self.shared.source {
            Source::Frame(frame) => frame,
            other => self.shared.protobuf.get_or_init(|| other.encode()),
        }
    }

    /// The proto3 JSON form: one text WebSocket message.
    #[cfg(feature = "json")]
    pub fn as_json(&self) -> ByteString {
        self.shared
            .json
            .get_or_init(|| united_voice_proto::encode_json(self.envelope()).into())
            .clone()
    }
}

impl Source {
    fn encode(&self) -> Bytes {
        match self {
            Self::Envelope(envelope) => encode_protobuf(envelope),
            Self::Frame(frame) => frame.clone(),
            Self::Told(request_id, told) => {
                let (channel, user) = (told.channel.as_str(), told.user.as_str());
                match told.what {
                    What::State { muted, deafened } => {
                        encode_state_update(request_id, channel, user, muted, deafened)
                    }
                    What::Speaking(speaking) => {
                        encode_speaking_event(request_id, channel, user, speaking)
                    }
                }
            }
        }
    }

    fn envelope(&self) -> Envelope {
        match self {
            Self::Envelope(envelope) => (**envelope).clone(),
            Self::Frame(frame) => decode(Codec::Protobuf, frame, usize::MAX)
                .expect("a rewritten frame holds the texts of one that was checked"),
            Self::Told(request_id, told) => Envelope {
                request_id: request_id.as_ref().into(),
                payload: Some(told.payload()),
            },
        }
    }
}

impl Told {
    fn payload(&self) -> Payload {
        let (channel_id, user_id) = (self.channel.as_str().into(), self.user.as_str().into());
        match self.what {
            What::State { muted, deafened } => Payload::VoiceStateUpdate(VoiceStateUpdate {
                channel_id,
                user_id,
                muted,
                deafened,
            }),
            What::Speaking(speaking) => Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
                channel_id,
                user_id,
                speaking,
            }),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The messages redact what is private themselves.
        f.debug_struct("Signal")
            .field("urgency", &self.urgency)
            .field("envelope", self.envelope())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use united_voice_proto::voice::VoiceLeaveRequest;

    use super::*;

    fn signal() -> Signal {
        let request = VoiceLeaveRequest {
            channel_id: "general".into(),
        };
        Signal::new("7", Payload::VoiceLeaveRequest(request), Urgency::Event)
    }

    #[test]
    fn encodes_once_for_all_clones() {
        let signal = signal();
        let other = signal.with_urgency(Urgency::Reply);
        assert_eq!(signal.as_protobuf().as_ptr(), other.as_protobuf().as_ptr());
        assert_eq!(signal.size(), signal.as_protobuf().len());
        assert_eq!(other.urgency(), Urgency::Reply);
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_is_shared_too() {
        let signal = signal();
        let first = signal.as_json();
        assert_eq!(
            first.as_ptr(),
            signal.with_urgency(Urgency::Reply).as_json().as_ptr()
        );
        assert_eq!(
            first,
            r#"{"requestId":"7","voiceLeaveRequest":{"channelId":"general"}}"#
        );
    }
}
