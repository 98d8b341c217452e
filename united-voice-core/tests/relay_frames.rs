//! A relayed message may come in as an envelope, or borrowed from its frame. Both ways give the
//! same answer, the same message at the target, and the same bytes.

mod support;

use futures::FutureExt;
use support::{
    asker::Asker,
    lines::line,
    payloads::{offer, relayed},
    server::{Server, server_with},
};
use united_voice_core::{
    Codec,
    proto::{
        Incoming, encode_protobuf,
        voice::{VoiceIceCandidate, VoiceSdpOffer},
        ws::{Envelope, envelope::Payload},
    },
    signaling::dispatch,
};

const MAX_FRAME: usize = 1 << 20;

/// The answers to the sender as lines, and the target's messages as lines, as bytes and as JSON.
type Outcome = (Vec<String>, Vec<(String, Vec<u8>, String)>);

struct Scene {
    server: Server,
    alice: Asker,
    bob: Asker,
}

impl Scene {
    fn new() -> Self {
        let server = server_with(|limits| {
            limits.max_sdp_bytes = 100;
            limits.max_candidate_bytes = 50;
        });
        let alice = Asker::joined(&server, "alice", "a");
        let bob = Asker::joined(&server, "bob", "a");
        alice.lines();
        Self { server, alice, bob }
    }

    fn send<'a>(&self, message: impl Into<Incoming<'a>>) -> Outcome {
        let dispatched = dispatch(
            &self.server,
            &self.alice.connection,
            message,
            std::time::UNIX_EPOCH,
        );
        dispatched.now_or_never().expect("at once");
        let signals = self.bob.sink.take_signals();
        let forms = |signal: &united_voice_core::Signal| {
            let bytes = signal.as_protobuf();
            assert_eq!(signal.size(), bytes.len());
            assert_eq!(signal.request_id(), "");
            let json = signal.as_json().to_string();
            (line(signal.envelope()), bytes.to_vec(), json)
        };
        (self.alice.lines(), signals.iter().map(forms).collect())
    }

    /// Sends a message both ways and compares the outcomes. One scene serves for both, so the
    /// session ids are equal.
    fn check(&self, request_id: &str, payload: Payload) -> Outcome {
        let envelope = Envelope {
            request_id: request_id.into(),
            payload: Some(payload),
        };
        let frame = encode_protobuf(&envelope);
        let incoming = Incoming::decode(Codec::Protobuf, &frame, MAX_FRAME).expect("decodes");
        assert!(matches!(incoming, Incoming::Relay(_)), "{envelope:?}");
        let errors = self.server.stats().errors;
        let borrowed = self.send(incoming);
        let counted = self.server.stats().errors - errors;
        assert_eq!(self.send(envelope.clone()), borrowed, "{envelope:?}");
        let errors = self.server.stats().errors - errors;
        assert_eq!(errors, 2 * counted, "both ways must count the same errors");
        borrowed
    }
}

#[test]
fn both_ways_deliver_the_same() {
    let scene = Scene::new();
    for (payload, told) in
        relayed("a", "bob", "é")
            .into_iter()
            .zip(["offer", "answer", "candidate"])
    {
        let (answers, delivered) = scene.check("7", payload);
        assert_eq!(answers, [""; 0]);
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].0, format!("{told} alice é"));
    }
}

#[test]
fn the_server_sets_the_sender() {
    let scene = Scene::new();
    let session = scene.alice.connection.seat().expect("seated").1;
    let forged = VoiceIceCandidate {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        target_session_id: scene.bob.connection.seat().expect("seated").1.to_string(),
        candidate_json: "{}".into(),
        sender_user_id: "mallory".into(),
        sender_session_id: "0000000000000001".into(),
    };
    let (_, delivered) = scene.check("7", Payload::VoiceIceCandidate(forged.clone()));
    let expected = VoiceIceCandidate {
        sender_user_id: "alice".into(),
        sender_session_id: session.to_string(),
        ..forged
    };
    let expected = encode_protobuf(&Envelope {
        request_id: String::new(),
        payload: Some(Payload::VoiceIceCandidate(expected)),
    });
    assert_eq!(delivered[0].1, expected);
}

#[test]
fn both_ways_refuse_in_the_same_order() {
    let scene = Scene::new();
    let long = "x".repeat(129);
    let stale = VoiceSdpOffer {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        target_session_id: "0000000000000001".into(),
        ..VoiceSdpOffer::default()
    };
    let candidate = VoiceIceCandidate {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        candidate_json: "x".repeat(51),
        ..VoiceIceCandidate::default()
    };
    let long_session = VoiceSdpOffer {
        target_session_id: long.clone(),
        ..stale.clone()
    };
    let table = [
        (
            "7",
            offer("a", "nobody", "x"),
            "#7 error TARGET_NOT_IN_CHANNEL a",
        ),
        (
            "7",
            offer("a", "alice", "x"),
            "#7 error TARGET_NOT_IN_CHANNEL a",
        ),
        ("", offer("b", "bob", "x"), "error NOT_IN_CHANNEL b"),
        ("7", offer("", "bob", "x"), "#7 error MALFORMED "),
        ("7", offer(&long, "bob", "x"), "#7 error MALFORMED "),
        ("7", offer("a", "", "x"), "#7 error MALFORMED a"),
        ("7", offer("a", &long, "x"), "#7 error MALFORMED a"),
        (
            "7",
            offer("a", "bob", &"x".repeat(101)),
            "#7 error TOO_LARGE a",
        ),
        (
            "7",
            Payload::VoiceIceCandidate(candidate),
            "#7 error TOO_LARGE a",
        ),
        (
            "7",
            Payload::VoiceSdpOffer(stale),
            "#7 error STALE_SESSION a",
        ),
        (
            "7",
            Payload::VoiceSdpOffer(long_session),
            "#7 error MALFORMED a",
        ),
        // A request id that is too long to be echoed, with a channel id that is valid and one that
        // is too long.
        (&*long, offer("a", "bob", "x"), "error MALFORMED a"),
        (&*long, offer(&long, "bob", "x"), "error MALFORMED "),
        // Too large and in another channel. The size is checked first.
        (
            "7",
            offer("b", "bob", &"x".repeat(101)),
            "#7 error TOO_LARGE b",
        ),
        // Too large and without a target. The target is checked first.
        (
            "7",
            offer("a", "", &"x".repeat(101)),
            "#7 error MALFORMED a",
        ),
    ];
    for (request_id, payload, expected) in table {
        let (answers, delivered) = scene.check(request_id, payload);
        assert_eq!(answers, [expected]);
        assert_eq!(delivered, []);
    }
    // Content of exactly the limit passes.
    let (answers, delivered) = scene.check("7", offer("a", "bob", &"x".repeat(100)));
    assert_eq!((answers.len(), delivered.len()), (0, 1));
}
