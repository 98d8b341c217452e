//! `signaling::dispatch` answers each request, good or bad, exactly once and under its request id.
//! Tests that depend on the directory are in `directory.rs`.

mod support;

use support::{
    asker::Asker,
    channel,
    payloads::{ice, join, leave, relayed, requests, speaking, state},
    server::turn_server,
};
use united_voice_core::proto::{
    voice::{
        VoiceError, VoiceIceServersResponse, VoiceJoinResponse, VoiceLeaveEvent,
        VoiceParticipantJoinedEvent, VoiceSdpOffer,
    },
    ws::envelope::Payload,
};

#[test]
fn each_request_is_answered_once_under_its_id() {
    let server = turn_server();
    let alice = Asker::new(&server, "alice");
    assert_eq!(alice.ask(join("a")), ["#7 response a []"]);
    assert_eq!(alice.ask(join("a")), ["#7 response a []"]);
    assert_eq!(alice.ask(state("a")), ["#7 state a alice"]);
    assert_eq!(alice.ask(speaking("a")), ["#7 speaking a alice off"]);
    assert_eq!(alice.ask(ice("a")), ["#7 ice a 2"]);
    assert_eq!(alice.ask(leave("a")), ["#7 left a alice LEFT"]);
}

#[test]
fn a_request_without_an_id_is_answered_without_one() {
    let server = turn_server();
    let alice = Asker::new(&server, "alice");
    assert_eq!(alice.ask_as("", Some(join("a"))), ["response a []"]);
    assert_eq!(alice.ask_as("", Some(state("a"))), ["state a alice"]);
    assert_eq!(alice.ask_as("", Some(speaking("a"))), [""; 0]);
    assert_eq!(
        alice.ask_as("", Some(leave("b"))),
        ["error NOT_IN_CHANNEL b"]
    );
    assert_eq!(alice.ask_as("", Some(leave("a"))), ["left a alice LEFT"]);
}

#[test]
fn a_relayed_message_is_answered_only_when_it_fails() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let bob = Asker::joined(&server, "bob", "a");
    alice.lines();
    for payload in relayed("a", "bob", "x") {
        assert_eq!(alice.ask(payload), [""; 0]);
    }
    assert_eq!(
        bob.lines(),
        ["offer alice x", "answer alice x", "candidate alice x"]
    );
    for payload in relayed("a", "nobody", "x") {
        assert_eq!(alice.ask(payload), ["#7 error TARGET_NOT_IN_CHANNEL a"]);
    }
    for payload in relayed("b", "bob", "x") {
        assert_eq!(alice.ask(payload), ["#7 error NOT_IN_CHANNEL b"]);
    }
    let stale = VoiceSdpOffer {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        target_session_id: "0000000000000001".into(),
        ..VoiceSdpOffer::default()
    };
    assert_eq!(
        alice.ask(Payload::VoiceSdpOffer(stale)),
        ["#7 error STALE_SESSION a"]
    );
    assert_eq!(bob.lines(), [""; 0]);
}

#[test]
fn empty_and_long_ids_are_malformed_in_every_request() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    for id in ["", &"x".repeat(129)] {
        for request in requests(id) {
            let case = format!("{request:?}");
            assert_eq!(alice.ask(request), ["#7 error MALFORMED "], "{case}");
        }
        for payload in relayed("a", id, "x") {
            assert_eq!(alice.ask(payload), ["#7 error MALFORMED a"]);
        }
    }
    let long_session = VoiceSdpOffer {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        target_session_id: "x".repeat(129),
        ..VoiceSdpOffer::default()
    };
    assert_eq!(
        alice.ask(Payload::VoiceSdpOffer(long_session)),
        ["#7 error MALFORMED a"]
    );
    assert_eq!(server.registry().participant_count(&channel("a")), 1);
}

#[test]
fn ids_may_have_128_bytes() {
    let server = turn_server();
    let longest = "é".repeat(64);
    let alice = Asker::new(&server, &longest);
    assert_eq!(
        alice.ask(join(&longest)),
        [format!("#7 response {longest} []")]
    );
    let told = alice.ask_as(&longest, Some(state(&longest)));
    assert_eq!(told, [format!("#{longest} state {longest} {longest}")]);
}

#[test]
fn a_request_id_that_is_too_long_is_malformed_and_not_echoed() {
    let server = turn_server();
    let alice = Asker::new(&server, "alice");
    for request in requests("a") {
        let told = alice.ask_as(&"7".repeat(129), Some(request));
        assert_eq!(told, ["error MALFORMED a"]);
    }
    assert_eq!(server.registry().room_count(), 0, "it was not carried out");
}

#[test]
fn a_message_without_payload_is_malformed() {
    let server = turn_server();
    assert_eq!(
        Asker::new(&server, "alice").ask_as("7", None),
        ["#7 error MALFORMED "]
    );
}

#[test]
fn server_payloads_are_unsupported() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let bob = Asker::joined(&server, "bob", "a");
    alice.lines();
    let payloads = [
        Payload::VoiceJoinResponse(VoiceJoinResponse::default()),
        Payload::VoiceLeaveEvent(VoiceLeaveEvent {
            user_id: "bob".into(),
            ..VoiceLeaveEvent::default()
        }),
        Payload::VoiceParticipantJoinedEvent(VoiceParticipantJoinedEvent::default()),
        Payload::VoiceError(VoiceError::default()),
        Payload::VoiceIceServersResponse(VoiceIceServersResponse::default()),
    ];
    for payload in payloads {
        assert_eq!(alice.ask(payload), ["#7 error UNSUPPORTED "]);
    }
    let about_a_channel = Payload::VoiceError(VoiceError {
        channel_id: "a".into(),
        ..VoiceError::default()
    });
    assert_eq!(alice.ask(about_a_channel), ["#7 error UNSUPPORTED a"]);
    assert_eq!(bob.lines(), [""; 0]);
}

#[test]
fn content_limits_are_exact() {
    let server = turn_server();
    let alice = Asker::joined(&server, "alice", "a");
    let bob = Asker::joined(&server, "bob", "a");
    alice.lines();
    let limits = [64 << 10, 64 << 10, 4 << 10];
    for (kind, limit) in limits.into_iter().enumerate() {
        let at_limit = "x".repeat(limit);
        let [fits, over] = [at_limit.clone(), at_limit + "x"].map(|content| {
            relayed("a", "bob", &content)
                .into_iter()
                .nth(kind)
                .expect("three")
        });
        assert_eq!(alice.ask(fits), [""; 0]);
        assert_eq!(bob.sink.take().len(), 1);
        assert_eq!(alice.ask(over), ["#7 error TOO_LARGE a"]);
        assert_eq!(bob.sink.take().len(), 0);
    }
}

#[test]
fn requests_from_outside_a_channel_are_refused_whether_it_exists_or_not() {
    let server = turn_server();
    let _bob = Asker::joined(&server, "bob", "a");
    let alice = Asker::new(&server, "alice");
    for name in ["a", "unknown"] {
        for request in requests(name).into_iter().skip(1) {
            assert_eq!(
                alice.ask(request),
                [format!("#7 error NOT_IN_CHANNEL {name}")]
            );
        }
    }
}
