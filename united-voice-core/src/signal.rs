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
    Codec, decode, encode_protobuf,
    ws::{Envelope, envelope::Payload},
};

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
    message: Form,
    #[cfg(feature = "json")]
    json: OnceLock<ByteString>,
}

/// The form in which a signal was made, and the other one, which is made when somebody asks for it.
enum Form {
    Envelope {
        envelope: Box<Envelope>,
        /// Zero until it is asked for: no signal is empty.
        size: AtomicUsize,
        protobuf: OnceLock<Bytes>,
    },
    /// What goes through the server again and again is encoded without an envelope.
    Protobuf {
        protobuf: Bytes,
        envelope: OnceLock<Box<Envelope>>,
    },
    /// So is what comes as JSON, whose recipients mostly want it so.
    #[cfg(feature = "json")]
    Json {
        json: ByteString,
        envelope: OnceLock<Box<Envelope>>,
        protobuf: OnceLock<Bytes>,
    },
}

impl Signal {
    /// A signal that carries `payload` under `request_id` (empty for everything unsolicited).
    pub fn new(request_id: impl Into<String>, payload: Payload, urgency: Urgency) -> Self {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        let form = Form::Envelope {
            envelope: Box::new(envelope),
            size: AtomicUsize::new(0),
            protobuf: OnceLock::new(),
        };
        Self::of(form, urgency)
    }

    /// A signal that is encoded already: an envelope written by [`united_voice_proto`].
    pub(crate) fn from_frame(protobuf: Bytes, urgency: Urgency) -> Self {
        let form = Form::Protobuf {
            protobuf,
            envelope: OnceLock::new(),
        };
        Self::of(form, urgency)
    }

    /// A signal that is encoded already, in JSON: what [`united_voice_proto`] wrote or would read as an envelope.
    #[cfg(feature = "json")]
    pub(crate) fn from_text(json: impl Into<ByteString>, urgency: Urgency) -> Self {
        let form = Form::Json {
            json: json.into(),
            envelope: OnceLock::new(),
            protobuf: OnceLock::new(),
        };
        Self::of(form, urgency)
    }

    #[inline]
    fn of(message: Form, urgency: Urgency) -> Self {
        Self {
            shared: Arc::new(Shared {
                message,
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

    pub(crate) fn set_urgency(&mut self, urgency: Urgency) {
        self.urgency = urgency;
    }

    /// How to treat the signal under pressure.
    pub fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// The message itself, for transports that don't send bytes.
    pub fn envelope(&self) -> &Envelope {
        match &self.shared.message {
            Form::Envelope { envelope, .. } => envelope,
            Form::Protobuf { protobuf, envelope } => {
                envelope.get_or_init(|| read(Codec::Protobuf, protobuf))
            }
            #[cfg(feature = "json")]
            Form::Json { json, envelope, .. } => {
                envelope.get_or_init(|| read(Codec::Json, json.as_bytes()))
            }
        }
    }

    /// The id of the request that this answers; empty for everything unsolicited.
    pub fn request_id(&self) -> &str {
        &self.envelope().request_id
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

    /// What the signal counts for in a queue, in whichever form it is sent: the bytes of its protobuf form, or of its JSON form
    /// where it was made in that.
    pub fn size(&self) -> usize {
        match &self.shared.message {
            Form::Envelope { envelope, size, .. } => match size.load(Ordering::Relaxed) {
                0 => {
                    let length = envelope.encoded_len();
                    size.store(length, Ordering::Relaxed);
                    length
                }
                length => length,
            },
            Form::Protobuf { protobuf, .. } => protobuf.len(),
            #[cfg(feature = "json")]
            Form::Json { json, .. } => json.len(),
        }
    }

    /// The protobuf form: one binary WebSocket message.
    #[inline]
    pub fn as_protobuf(&self) -> Bytes {
        let protobuf = match &self.shared.message {
            Form::Protobuf { protobuf, .. } => protobuf,
            Form::Envelope {
                envelope, protobuf, ..
            } => encoded(envelope, protobuf),
            #[cfg(feature = "json")]
            Form::Json { protobuf, .. } => encoded(self.envelope(), protobuf),
        };
        protobuf.clone()
    }

    /// The proto3 JSON form: one text WebSocket message.
    #[cfg(feature = "json")]
    pub fn as_json(&self) -> ByteString {
        if let Form::Json { json, .. } = &self.shared.message {
            return json.clone();
        }
        self.shared
            .json
            .get_or_init(|| united_voice_proto::encode_json(self.envelope()).into())
            .clone()
    }
}

fn read(codec: Codec, frame: &[u8]) -> Box<Envelope> {
    let envelope = decode(codec, frame, usize::MAX);
    Box::new(envelope.expect("an envelope that the library wrote"))
}

/// Out of line, which spares the sinks' loops more than a call costs.
#[inline(never)]
fn encoded<'a>(envelope: &Envelope, protobuf: &'a OnceLock<Bytes>) -> &'a Bytes {
    protobuf.get_or_init(|| encode_protobuf(envelope))
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

    #[test]
    fn a_frame_is_handed_on_as_it_is_and_read_once() {
        let made = signal();
        let frame = made.as_protobuf();
        let signal = Signal::from_frame(frame.clone(), Urgency::Event);
        assert_eq!(signal.as_protobuf().as_ptr(), frame.as_ptr());
        assert_eq!(signal.size(), frame.len());
        assert_eq!(signal.envelope(), made.envelope());
        assert_eq!(signal.request_id(), "7");
        let other = signal.with_urgency(Urgency::Reply);
        assert!(std::ptr::eq(signal.payload(), other.payload()));
        #[cfg(feature = "json")]
        assert_eq!(signal.as_json(), made.as_json());
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
