//! What the library sends: one message, encoded at most once in each encoding for all its
//! recipients.

use std::{
    fmt,
    sync::{Arc, OnceLock},
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

/// How to treat a signal if more waits for its recipient than the sink may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Urgency {
    /// The answer to the recipient's own request. A sink takes it even when it is full. The reader
    /// of that recipient's requests then reads no more of them until it fits, so that at most a few
    /// replies stand beyond the limit.
    Reply,
    /// Something that others caused and that must not be lost. A sink that refuses it ends its
    /// connection. So a sink with a client that reads takes up to twice its limit of these.
    Event,
    /// An offer, an answer or a candidate. If the client reads, a full sink refuses it with
    /// [`SinkError::Busy`](crate::SinkError::Busy), and the sender is told. If the client does not
    /// read, a relay ends the connection as an event does.
    Relay,
    /// Something that others caused and that may be lost: who is speaking. A full sink refuses it,
    /// and nothing more happens.
    Droppable,
}

/// One message to one or many clients.
///
/// A signal is made in one form: as a message, or encoded in protobuf or JSON. It makes every other
/// form when somebody first asks for it, and keeps it. Recipients share these forms because the
/// library lends one signal to all of their sinks. A clone shares the forms that exist when it is
/// made: a sink that keeps signals asks for the form that it needs before it clones.
#[derive(Clone)]
pub struct Signal {
    urgency: Urgency,
    /// As the signal was made.
    form: Form,
    // The other forms. The cell of the form in which the signal was made stays empty.
    envelope: OnceLock<Arc<Envelope>>,
    protobuf: OnceLock<Bytes>,
    #[cfg(feature = "json")]
    json: OnceLock<ByteString>,
}

/// One form of a signal, and all that a queue keeps of it.
#[derive(Clone)]
pub(crate) enum Form {
    Message(Arc<Envelope>),
    Protobuf(Bytes),
    #[cfg(feature = "json")]
    Json(ByteString),
}

impl Signal {
    /// A signal that carries `payload` under `request_id`, which is empty for everything
    /// unsolicited.
    pub fn new(request_id: impl Into<String>, payload: Payload, urgency: Urgency) -> Self {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        Self::from_form(Form::Message(Arc::new(envelope)), urgency)
    }

    /// A signal that is encoded already: an envelope that [`united_voice_proto`] wrote.
    pub(crate) fn from_frame(protobuf: Bytes, urgency: Urgency) -> Self {
        Self::from_form(Form::Protobuf(protobuf), urgency)
    }

    /// A signal that is encoded already, in JSON: a text that [`united_voice_proto`] wrote or would
    /// read as an envelope.
    #[cfg(feature = "json")]
    pub(crate) fn from_text(json: impl Into<ByteString>, urgency: Urgency) -> Self {
        Self::from_form(Form::Json(json.into()), urgency)
    }

    #[inline]
    pub(crate) fn from_form(form: Form, urgency: Urgency) -> Self {
        Self {
            urgency,
            form,
            envelope: OnceLock::new(),
            protobuf: OnceLock::new(),
            #[cfg(feature = "json")]
            json: OnceLock::new(),
        }
    }

    /// The same message under another urgency. It shares the forms that exist already.
    #[must_use]
    pub fn with_urgency(&self, urgency: Urgency) -> Self {
        Self {
            urgency,
            ..self.clone()
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
        match &self.form {
            Form::Message(envelope) => envelope,
            Form::Protobuf(protobuf) => {
                (self.envelope).get_or_init(|| read(Codec::Protobuf, protobuf))
            }
            #[cfg(feature = "json")]
            Form::Json(json) => (self.envelope).get_or_init(|| read(Codec::Json, json.as_bytes())),
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

    /// The bytes of the form in which the signal was made. A message has no bytes yet: those of its
    /// protobuf form are counted again with each call.
    pub fn size(&self) -> usize {
        self.form.size()
    }

    /// The protobuf form: one binary WebSocket message.
    #[inline]
    pub fn as_protobuf(&self) -> &Bytes {
        match &self.form {
            Form::Protobuf(protobuf) => protobuf,
            _ => (self.protobuf).get_or_init(|| encode_protobuf(self.envelope())),
        }
    }

    /// Like [`as_protobuf`](Self::as_protobuf), but takes the signal. So the bytes move to the
    /// caller, and no reference is counted.
    ///
    /// # Panics
    ///
    /// Never.
    #[inline(always)]
    pub fn into_protobuf(self) -> Bytes {
        match self.form {
            Form::Protobuf(protobuf) => protobuf,
            _ => self.into_other_protobuf(),
        }
    }

    /// Out of line, so that the common case compiles to a move of the bytes.
    #[inline(never)]
    fn into_other_protobuf(self) -> Bytes {
        self.as_protobuf();
        let made = self.protobuf.into_inner();
        made.expect("it has just been asked for")
    }

    /// The proto3 JSON form: one text WebSocket message.
    #[cfg(feature = "json")]
    #[inline]
    pub fn as_json(&self) -> &ByteString {
        match &self.form {
            Form::Json(json) => json,
            form => self.json.get_or_init(|| {
                let event = match form {
                    Form::Protobuf(protobuf) => event_json(protobuf),
                    _ => None,
                };
                event.unwrap_or_else(|| encode_json(self.envelope())).into()
            }),
        }
    }

    /// Like [`as_json`](Self::as_json), but takes the signal. So the text moves to the caller, and
    /// no reference is counted.
    ///
    /// # Panics
    ///
    /// Never.
    #[cfg(feature = "json")]
    #[inline(always)]
    pub fn into_json(self) -> ByteString {
        match self.form {
            Form::Json(json) => json,
            _ => self.into_other_json(),
        }
    }

    /// Out of line as [`into_other_protobuf`](Self::into_other_protobuf) is.
    #[cfg(feature = "json")]
    #[inline(never)]
    fn into_other_json(self) -> ByteString {
        self.as_json();
        let made = self.json.into_inner();
        made.expect("it has just been asked for")
    }

    /// The signal in the encoding that it was made in, for another node.
    #[cfg(feature = "cluster")]
    pub(crate) fn into_frame(self) -> (Codec, Bytes) {
        match self.form {
            #[cfg(feature = "json")]
            Form::Json(json) => (Codec::Json, json.into_bytes()),
            _ => (Codec::Protobuf, self.into_protobuf()),
        }
    }

    /// What a client that speaks `codec` is sent.
    #[inline]
    pub(crate) fn encoded(&self, codec: Codec) -> Form {
        match codec {
            #[cfg(feature = "json")]
            Codec::Json => Form::Json(self.as_json().clone()),
            _ => Form::Protobuf(self.as_protobuf().clone()),
        }
    }

    /// What a queue keeps of a signal that nobody else gets. If it is a message that nobody has
    /// encoded, the queue keeps the message, and its reader encodes it. So a long snapshot is not
    /// encoded under the locks of the user and the room. Otherwise the queue keeps the frame in
    /// `codec`, and no reference is counted.
    #[inline]
    pub(crate) fn into_kept(self, codec: Codec) -> Form {
        let is_encoded = match codec {
            #[cfg(feature = "json")]
            Codec::Json => self.json.get().is_some(),
            _ => self.protobuf.get().is_some(),
        };
        match self.form {
            Form::Message(_) if !is_encoded => self.form,
            _ => match codec {
                #[cfg(feature = "json")]
                Codec::Json => Form::Json(self.into_json()),
                _ => Form::Protobuf(self.into_protobuf()),
            },
        }
    }
}

impl Form {
    #[inline]
    pub(crate) fn size(&self) -> usize {
        match self {
            Self::Message(envelope) => message_size(envelope),
            Self::Protobuf(protobuf) => protobuf.len(),
            #[cfg(feature = "json")]
            Self::Json(json) => json.len(),
        }
    }

    /// Whether others hold the same bytes. It is also true of a short event that nobody else holds
    /// any more: the event's bytes are in a buffer of their owner, and `Bytes` never calls such
    /// bytes unique.
    #[cfg(feature = "connection")]
    pub(crate) fn is_shared(&self) -> bool {
        match self {
            Self::Message(envelope) => Arc::strong_count(envelope) > 1,
            Self::Protobuf(protobuf) => !protobuf.is_unique(),
            #[cfg(feature = "json")]
            Self::Json(json) => !json.as_bytes().is_unique(),
        }
    }
}

/// Out of line, because it is rare: nearly everything in a queue is encoded.
#[inline(never)]
fn message_size(envelope: &Envelope) -> usize {
    envelope.encoded_len()
}

fn read(codec: Codec, bytes: &[u8]) -> Arc<Envelope> {
    let envelope = decode(codec, bytes, usize::MAX);
    Arc::new(envelope.expect("an envelope that the library wrote"))
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
        let first = signal.as_protobuf().as_ptr();
        let other = signal.with_urgency(Urgency::Reply);
        assert_eq!(signal.as_protobuf().as_ptr(), first);
        assert_eq!(other.as_protobuf().as_ptr(), first);
        assert_eq!(signal.size(), signal.as_protobuf().len());
        assert_eq!(other.urgency(), Urgency::Reply);
        assert_eq!(other.into_protobuf().as_ptr(), first);
        assert_eq!(signal.into_protobuf().as_ptr(), first);
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
        let other = signal.clone();
        assert!(std::ptr::eq(signal.payload(), other.payload()));
        assert_eq!(other.into_protobuf().as_ptr(), frame.as_ptr());
        assert_eq!(signal.into_protobuf().as_ptr(), frame.as_ptr());
    }

    #[test]
    fn a_queue_keeps_the_same_bytes() {
        let signal = signal();
        let first = signal.as_protobuf().as_ptr();
        for form in [
            signal.encoded(Codec::Protobuf),
            signal.into_kept(Codec::Protobuf),
        ] {
            let kept = Signal::from_form(form, Urgency::Event);
            assert_eq!(kept.as_protobuf().as_ptr(), first);
        }
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_is_made_once_too() {
        let signal = signal();
        let text = r#"{"requestId":"7","voiceLeaveRequest":{"channelId":"general"}}"#;
        assert_eq!(signal.as_json(), text);
        let first = signal.as_json().as_ptr();
        let other = signal.clone();
        for form in [signal.encoded(Codec::Json), signal.into_kept(Codec::Json)] {
            let kept = Signal::from_form(form, Urgency::Event);
            assert_eq!(kept.size(), text.len());
            assert_eq!(kept.as_json().as_ptr(), first);
        }
        assert_eq!(other.into_json().as_ptr(), first);
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_text_is_handed_on_as_it_is_and_read_once() {
        let made = signal();
        let text = made.as_json();
        let signal = Signal::from_text(text.clone(), Urgency::Event);
        assert_eq!(signal.size(), text.len());
        assert_eq!(signal.as_protobuf(), made.as_protobuf());
        assert!(std::ptr::eq(signal.payload(), signal.clone().payload()));
        assert_eq!(signal.into_json().as_ptr(), text.as_ptr());
    }

    #[test]
    fn bytes_that_others_hold_are_known() {
        let mine = signal().encoded(Codec::Protobuf);
        assert!(!mine.is_shared());
        let others = mine.clone();
        assert!(mine.is_shared());
        drop(others);
        assert!(!mine.is_shared());
    }
}
