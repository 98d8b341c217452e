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
#[cfg(feature = "json")]
use united_voice_proto::{encode_json, event_json};

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
/// Cloning copies a pointer, once what the clones share has been made with the first of them. The first recipient that asks for
/// a form pays for making it, all others share it.
pub struct Signal {
    kind: Kind,
    urgency: Urgency,
}

enum Kind {
    /// Encoded, and not yet shared: nothing more is needed by sinks that take the bytes at once.
    Encoded {
        frame: Frame,
        shared: OnceLock<Arc<Shared>>,
    },
    Shared(Arc<Shared>),
}

/// An encoded envelope.
#[derive(Clone)]
enum Frame {
    Protobuf(Bytes),
    #[cfg(feature = "json")]
    Json(ByteString),
}

/// What all clones of a signal have in common: the form in which it was made, and the others.
pub(crate) struct Shared {
    made: Made,
    others: OnceLock<Box<Others>>,
}

enum Made {
    Frame(Frame),
    Envelope(Box<Message>),
}

struct Message {
    envelope: Envelope,
    /// Zero until it is asked for: no signal is empty.
    size: AtomicUsize,
    protobuf: OnceLock<Bytes>,
}

/// The forms that few ask for, each made when somebody does.
#[derive(Default)]
struct Others {
    envelope: OnceLock<Envelope>,
    /// Of a signal that was made in JSON.
    #[cfg(feature = "json")]
    protobuf: OnceLock<Bytes>,
    /// Of a signal that was not.
    #[cfg(feature = "json")]
    json: OnceLock<ByteString>,
}

impl Signal {
    /// A signal that carries `payload` under `request_id` (empty for everything unsolicited).
    pub fn new(request_id: impl Into<String>, payload: Payload, urgency: Urgency) -> Self {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        let message = Message {
            envelope,
            size: AtomicUsize::new(0),
            protobuf: OnceLock::new(),
        };
        Self::from_shared(Shared::new(Made::Envelope(Box::new(message))), urgency)
    }

    /// A signal that is encoded already: an envelope written by [`united_voice_proto`].
    pub(crate) fn from_frame(protobuf: Bytes, urgency: Urgency) -> Self {
        Self::encoded(Frame::Protobuf(protobuf), urgency)
    }

    /// A signal that is encoded already, in JSON: what [`united_voice_proto`] wrote or would read as an envelope.
    #[cfg(feature = "json")]
    pub(crate) fn from_text(json: impl Into<ByteString>, urgency: Urgency) -> Self {
        Self::encoded(Frame::Json(json.into()), urgency)
    }

    #[inline]
    fn encoded(frame: Frame, urgency: Urgency) -> Self {
        let shared = OnceLock::new();
        Self {
            kind: Kind::Encoded { frame, shared },
            urgency,
        }
    }

    pub(crate) const fn from_shared(shared: Arc<Shared>, urgency: Urgency) -> Self {
        Self {
            kind: Kind::Shared(shared),
            urgency,
        }
    }

    /// What a queue keeps of the signal.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        match &self.kind {
            Kind::Encoded { frame, shared } => {
                shared.get_or_init(|| Shared::new(Made::Frame(frame.clone())))
            }
            Kind::Shared(shared) => shared,
        }
    }

    /// As [`shared`](Self::shared), without counting a reference.
    pub(crate) fn into_shared(self) -> Arc<Shared> {
        match self.kind {
            Kind::Encoded { frame, shared } => shared
                .into_inner()
                .unwrap_or_else(|| Shared::new(Made::Frame(frame))),
            Kind::Shared(shared) => shared,
        }
    }

    /// The same message under another urgency; shares the encodings.
    #[must_use]
    pub fn with_urgency(&self, urgency: Urgency) -> Self {
        Self::from_shared(Arc::clone(self.shared()), urgency)
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
        self.shared().envelope()
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
        match &self.kind {
            Kind::Encoded { frame, .. } => frame.len(),
            Kind::Shared(shared) => shared.size(),
        }
    }

    /// The protobuf form: one binary WebSocket message.
    #[inline]
    pub fn as_protobuf(&self) -> Bytes {
        match &self.kind {
            Kind::Encoded {
                frame: Frame::Protobuf(protobuf),
                ..
            } => protobuf.clone(),
            _ => self.shared_protobuf(),
        }
    }

    /// Out of line, which spares the sinks' loops more than a call costs.
    #[inline(never)]
    fn shared_protobuf(&self) -> Bytes {
        self.shared().as_protobuf().clone()
    }

    /// As [`as_protobuf`](Self::as_protobuf), and counts no reference where nobody else has the signal.
    #[inline]
    pub fn into_protobuf(self) -> Bytes {
        match self.kind {
            Kind::Encoded {
                frame: Frame::Protobuf(protobuf),
                ..
            } => protobuf,
            Kind::Shared(shared) => match Arc::try_unwrap(shared) {
                Ok(Shared {
                    made: Made::Frame(Frame::Protobuf(protobuf)),
                    ..
                }) => protobuf,
                Ok(shared) => shared.as_protobuf().clone(),
                Err(shared) => shared.as_protobuf().clone(),
            },
            #[cfg(feature = "json")]
            kind @ Kind::Encoded { .. } => Self { kind, ..self }.as_protobuf(),
        }
    }

    /// The proto3 JSON form: one text WebSocket message.
    #[cfg(feature = "json")]
    pub fn as_json(&self) -> ByteString {
        match &self.kind {
            Kind::Encoded {
                frame: Frame::Json(json),
                ..
            } => json.clone(),
            _ => self.shared().as_json().clone(),
        }
    }

    /// As [`as_json`](Self::as_json), and counts no reference where nobody else has the signal.
    #[cfg(feature = "json")]
    pub fn into_json(self) -> ByteString {
        match self.kind {
            Kind::Encoded {
                frame: Frame::Json(json),
                ..
            } => json,
            Kind::Shared(shared) => match Arc::try_unwrap(shared) {
                Ok(Shared {
                    made: Made::Frame(Frame::Json(json)),
                    ..
                }) => json,
                Ok(shared) => shared.as_json().clone(),
                Err(shared) => shared.as_json().clone(),
            },
            kind @ Kind::Encoded { .. } => Self { kind, ..self }.as_json(),
        }
    }
}

impl Clone for Signal {
    fn clone(&self) -> Self {
        self.with_urgency(self.urgency)
    }
}

impl Frame {
    fn len(&self) -> usize {
        match self {
            Self::Protobuf(protobuf) => protobuf.len(),
            #[cfg(feature = "json")]
            Self::Json(json) => json.len(),
        }
    }

    fn read(&self) -> Envelope {
        let envelope = match self {
            Self::Protobuf(protobuf) => decode(Codec::Protobuf, protobuf, usize::MAX),
            #[cfg(feature = "json")]
            Self::Json(json) => decode(Codec::Json, json.as_bytes(), usize::MAX),
        };
        envelope.expect("an envelope that the library wrote")
    }
}

impl Shared {
    fn new(made: Made) -> Arc<Self> {
        let others = OnceLock::new();
        Arc::new(Self { made, others })
    }

    fn others(&self) -> &Others {
        self.others.get_or_init(Box::default)
    }

    fn envelope(&self) -> &Envelope {
        match &self.made {
            Made::Envelope(message) => &message.envelope,
            Made::Frame(frame) => self.others().envelope.get_or_init(|| frame.read()),
        }
    }

    pub(crate) fn size(&self) -> usize {
        match &self.made {
            Made::Frame(frame) => frame.len(),
            Made::Envelope(message) => message.size(),
        }
    }

    fn as_protobuf(&self) -> &Bytes {
        let protobuf = match &self.made {
            Made::Frame(Frame::Protobuf(protobuf)) => return protobuf,
            #[cfg(feature = "json")]
            Made::Frame(Frame::Json(_)) => &self.others().protobuf,
            Made::Envelope(message) => &message.protobuf,
        };
        protobuf.get_or_init(|| encode_protobuf(self.envelope()))
    }

    #[cfg(feature = "json")]
    fn as_json(&self) -> &ByteString {
        if let Made::Frame(Frame::Json(json)) = &self.made {
            return json;
        }
        self.others().json.get_or_init(|| {
            let event = match &self.made {
                Made::Frame(Frame::Protobuf(protobuf)) => event_json(protobuf),
                _ => None,
            };
            event.unwrap_or_else(|| encode_json(self.envelope())).into()
        })
    }
}

impl Message {
    fn size(&self) -> usize {
        match self.size.load(Ordering::Relaxed) {
            0 => {
                let length = self.envelope.encoded_len();
                self.size.store(length, Ordering::Relaxed);
                length
            }
            length => length,
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
        {
            assert_eq!(signal.as_json(), made.as_json());
            assert_eq!(signal.as_json().as_ptr(), other.as_json().as_ptr());
        }
        assert_eq!(other.into_protobuf().as_ptr(), frame.as_ptr());
        assert_eq!(signal.into_protobuf().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn what_a_queue_keeps_is_the_same_signal() {
        let frame = signal().as_protobuf();
        let signal = Signal::from_frame(frame.clone(), Urgency::Event);
        let clone = signal.clone();
        assert!(Arc::ptr_eq(clone.shared(), signal.shared()));
        assert!(Arc::ptr_eq(clone.shared(), &signal.into_shared()));
        let alone = Signal::from_frame(frame.clone(), Urgency::Event).into_shared();
        let kept = Signal::from_shared(alone, Urgency::Event);
        assert_eq!(kept.as_protobuf().as_ptr(), frame.as_ptr());
        assert_eq!(kept.size(), frame.len());
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
