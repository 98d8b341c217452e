//! The short ways against the long way: messages that are rewritten or written without being built,
//! against decoding, changing and encoding them.

use std::{sync::Arc, time::UNIX_EPOCH};

use futures::FutureExt as _;
use united_voice_core::{
    OpenDirectory, UserId, VoiceConnection, VoiceServer, signaling::dispatch,
    test_util::RecordingSink,
};
use united_voice_proto::{
    Codec, EncodedRelay, Incoming, Relay, RelayKind, decode, encode_json, encode_protobuf,
    encode_speaking_event, encode_state_update, event_json,
    voice::{VoiceJoinRequest, VoiceSpeakingEvent, VoiceStateUpdate},
    ws::{Envelope, envelope::Payload},
};

use crate::input::Input;

/// Senders, the second with texts that JSON has to escape.
const SENDERS: [(&str, &str); 2] = [("alice", "0123456789abcdef"), ("\"a\\\u{1}\u{e9}", "\n")];

/// Reads the bytes as a frame in both encodings, and as the description of a relayed message and of
/// an event.
///
/// # Panics
///
/// If a short way gives another result than the long way.
pub fn check(bytes: &[u8]) {
    both_ways(Codec::Protobuf, bytes);
    both_ways(Codec::Json, bytes);
    any_event_frame(bytes);

    let mut input = Input::new(bytes);
    let envelope = Envelope {
        request_id: input.text(),
        payload: Some(input.relayed()),
    };
    both_ways(Codec::Protobuf, &encode_protobuf(&envelope));
    both_ways(Codec::Json, encode_json(&envelope).as_bytes());

    let mut input = Input::new(bytes);
    let texts = [input.text(), input.text(), input.text()];
    events(&texts, [input.flag(), input.flag()]);
}

fn both_ways(codec: Codec, frame: &[u8]) {
    let slow = decode(codec, frame, usize::MAX);
    let fast = Incoming::decode(codec, frame, usize::MAX);
    if let Ok(Incoming::Relay(relay)) = &fast {
        let envelope = slow.as_ref().expect("the long way takes it too");
        assert_eq!(relay.request_id(), envelope.request_id);
        for sender in SENDERS {
            rewritten(relay, envelope, sender);
        }
        Scene::new().compare(codec, frame, envelope);
    }
    let fast = fast.map(Incoming::into_envelope);
    assert_eq!(fast, slow);
    if let (Codec::Json, Ok(text)) = (codec, std::str::from_utf8(frame)) {
        let as_text = Incoming::decode_text(text, usize::MAX);
        assert_eq!(as_text.map(Incoming::into_envelope), slow);
    }
}

/// The relay has the message's texts, and its frame for the target is what the long way writes.
fn rewritten(relay: &Relay<'_>, envelope: &Envelope, sender: (&str, &str)) {
    let mut payload = envelope.payload.clone().expect("a payload");
    let read = (
        relay.kind(),
        relay.target_user_id(),
        relay.channel_id(),
        relay.target_session_id(),
        relay.content_len(),
    );
    macro_rules! send {
        ($message:ident, $kind:ident, $content:ident) => {{
            let expected = (
                RelayKind::$kind,
                $message.target_user_id.as_str(),
                $message.channel_id.as_str(),
                $message.target_session_id.as_str(),
                $message.$content.len(),
            );
            assert_eq!(read, expected);
            sender.0.clone_into(&mut $message.sender_user_id);
            sender.1.clone_into(&mut $message.sender_session_id);
        }};
    }
    match &mut payload {
        Payload::VoiceSdpOffer(offer) => send!(offer, Offer, sdp),
        Payload::VoiceSdpAnswer(answer) => send!(answer, Answer, sdp),
        Payload::VoiceIceCandidate(candidate) => send!(candidate, Candidate, candidate_json),
        other => panic!("not a relayed message: {other:?}"),
    }
    assert_eq!(relay.to_payload(sender.0, sender.1), payload);
    let envelope = Envelope {
        request_id: String::new(),
        payload: Some(payload),
    };
    match relay.encode_from(sender.0, sender.1) {
        EncodedRelay::Protobuf(frame) => assert_eq!(frame, encode_protobuf(&envelope)),
        // The content keeps the client's escapes, so the texts may differ.
        EncodedRelay::Json(text) => {
            assert_eq!(
                decode(Codec::Json, text.as_bytes(), usize::MAX),
                Ok(envelope)
            );
        }
        other => panic!("another encoding: {other:?}"),
    }
}

/// Two members of channel `a`, and what alice's message makes the server send to both.
struct Scene {
    server: VoiceServer<OpenDirectory>,
    alice: (VoiceConnection, Arc<RecordingSink>),
    bob: (VoiceConnection, Arc<RecordingSink>),
}

impl Scene {
    fn new() -> Self {
        let server = VoiceServer::builder(OpenDirectory).build();
        let server = server.expect("the default limits are valid");
        let [alice, bob] = ["alice", "bob"].map(|name| {
            let user = UserId::new(name).expect("a valid id");
            let sink = Arc::new(RecordingSink::default());
            let connection = server.connect(&user, sink.clone()).expect("connected");
            let join = VoiceJoinRequest {
                channel_id: "a".to_owned(),
            };
            let join = Envelope {
                request_id: "join".to_owned(),
                payload: Some(Payload::VoiceJoinRequest(join)),
            };
            let joined = dispatch(&server, &connection, join, UNIX_EPOCH);
            joined.now_or_never().expect("nobody has to wait");
            (connection, sink)
        });
        alice.1.take();
        bob.1.take();
        Self { server, alice, bob }
    }

    /// The server answers and delivers the same for the frame as for the envelope.
    fn compare(&self, codec: Codec, frame: &[u8], envelope: &Envelope) {
        let incoming = Incoming::decode(codec, frame, usize::MAX).expect("decoded before");
        let short = self.send(incoming);
        let long = self.send(envelope.clone().into());
        assert_eq!(short, long);
    }

    /// What both are told. Each signal has the same meaning in all of its forms.
    fn send(&self, message: Incoming<'_>) -> [Vec<Envelope>; 2] {
        let sent = dispatch(&self.server, &self.alice.0, message, UNIX_EPOCH);
        sent.now_or_never().expect("only a join waits");
        [&self.alice.1, &self.bob.1].map(|sink| {
            let signals = sink.take_signals();
            let told = signals.iter().map(|signal| {
                let envelope = signal.envelope().clone();
                let read = decode(Codec::Protobuf, signal.as_protobuf(), usize::MAX);
                assert_eq!(read.as_ref(), Ok(&envelope));
                let read = decode(Codec::Json, signal.as_json().as_bytes(), usize::MAX);
                assert_eq!(read.as_ref(), Ok(&envelope));
                envelope
            });
            told.collect()
        })
    }
}

/// Events that are written from borrowed texts.
fn events([request_id, channel_id, user_id]: &[String; 3], flags: [bool; 2]) {
    let state = VoiceStateUpdate {
        channel_id: channel_id.clone(),
        user_id: user_id.clone(),
        muted: flags[0],
        deafened: flags[1],
    };
    let speaking = VoiceSpeakingEvent {
        channel_id: channel_id.clone(),
        user_id: user_id.clone(),
        speaking: flags[0],
    };
    for (payload, frame) in [
        (
            Payload::VoiceStateUpdate(state),
            encode_state_update(request_id, channel_id, user_id, flags[0], flags[1]),
        ),
        (
            Payload::VoiceSpeakingEvent(speaking),
            encode_speaking_event(request_id, channel_id, user_id, flags[0]),
        ),
    ] {
        let envelope = Envelope {
            request_id: request_id.clone(),
            payload: Some(payload),
        };
        assert_eq!(frame, encode_protobuf(&envelope));
        assert_eq!(event_json(&frame), Some(encode_json(&envelope)));
    }
}

/// A frame that is read as an event is one that this crate would have written.
fn any_event_frame(frame: &[u8]) {
    if let Some(text) = event_json(frame) {
        let envelope = decode(Codec::Protobuf, frame, usize::MAX).expect("an envelope");
        assert_eq!(text, encode_json(&envelope));
        assert_eq!(encode_protobuf(&envelope), frame);
    }
}
