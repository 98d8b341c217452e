//! Offers, answers and candidates reach their target and nobody else.
//!
//! The invariants: relay depends only on the sender's session and its room, and the content is
//! opaque. The server sets the sender, and a refusal does not show which users exist.

use super::client::{Client, registry, roster};
use crate::{
    RelayError, RelayFailure, VoiceRoomRegistry,
    proto::{
        voice::{VoiceIceCandidate, VoiceSdpAnswer, VoiceSdpOffer},
        ws::envelope::Payload,
    },
};

const NOTHING: [&str; 0] = [];

fn offer(channel: &str, to: &str, sdp: &str) -> VoiceSdpOffer {
    VoiceSdpOffer {
        channel_id: channel.into(),
        target_user_id: to.into(),
        sdp: sdp.into(),
        ..VoiceSdpOffer::default()
    }
}

fn failure(result: Result<(), RelayError>) -> RelayFailure {
    result.expect_err("refused").reason
}

/// alice and bob are in `a`, carol is in `b`, and dave is connected but in no channel.
fn scene(registry: &VoiceRoomRegistry) -> [Client; 4] {
    let scene = [
        Client::joined(registry, "alice", "a"),
        Client::joined(registry, "bob", "a"),
        Client::joined(registry, "carol", "b"),
        Client::new(registry, "dave"),
    ];
    for client in &scene {
        client.take();
    }
    scene
}

#[test]
fn each_kind_reaches_its_target_and_nobody_else() {
    let registry = registry();
    let scene = scene(&registry);
    let witness = Client::joined(&registry, "witness", "a");
    scene[0].take();
    scene[1].take();
    let alice = &scene[0].connection;
    alice.relay("", offer("a", "bob", "O")).expect("relayed");
    let answer = VoiceSdpAnswer {
        channel_id: "a".into(),
        target_user_id: "bob".into(),
        sdp: "A".into(),
        ..VoiceSdpAnswer::default()
    };
    alice.relay("", answer).expect("relayed");
    scene[0].send("a", "bob", "C").expect("relayed");
    assert_eq!(
        scene[1].lines(),
        ["offer alice O", "answer alice A", "candidate alice C"]
    );
    for other in [&scene[0], &scene[2], &scene[3], &witness] {
        assert_eq!(other.lines(), NOTHING, "{}", other.name);
    }
}

#[test]
fn only_members_reach_only_other_members() {
    let registry = registry();
    let scene = scene(&registry);
    let targets = ["alice", "bob", "carol", "dave", "nobody"];
    for sender in &scene {
        for to in targets {
            for channel in ["a", "b", "nowhere"] {
                let sent = sender.connection.relay("", offer(channel, to, "x"));
                let inside = |who: &str| roster(&registry, channel).iter().any(|name| name == who);
                let expected = match (inside(&sender.name), inside(to) && to != sender.name) {
                    (true, true) => Ok(()),
                    (true, false) => Err(RelayFailure::TargetNotInChannel),
                    (false, _) => Err(RelayFailure::NotInChannel),
                };
                let case = format!("{} to {to} in {channel}", sender.name);
                assert_eq!(sent.map_err(|error| error.reason), expected, "{case}");
                let delivered: usize = scene.iter().map(|client| client.take().len()).sum();
                assert_eq!(delivered, usize::from(expected.is_ok()), "{case}");
            }
        }
    }
}

#[test]
fn every_unreachable_target_gets_the_same_error() {
    let registry = registry();
    let scene = scene(&registry);
    let refusal = |to: &str| {
        let error = scene[0]
            .connection
            .relay("", offer("a", to, "x"))
            .expect_err("refused");
        (
            error.to_string(),
            error.channel.to_string(),
            format!("{error:?}"),
        )
    };
    let unknown = refusal("nobody");
    assert_eq!(refusal("carol"), unknown, "in another channel");
    assert_eq!(refusal("dave"), unknown, "in no channel");
    assert_eq!(refusal("alice"), unknown, "the sender");
    assert_eq!(refusal(&"x".repeat(10_000)), unknown, "not a valid id");
    // A session id in the request changes nothing.
    let mut named = offer("a", "carol", "x");
    named.target_session_id = "0000000000000000".into();
    let error = scene[0].connection.relay("", named).expect_err("refused");
    assert_eq!(error.to_string(), unknown.0);
}

#[test]
fn a_user_cannot_relay_to_its_own_other_connection() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let other = Client::new(&registry, "alice");
    assert_eq!(
        failure(alice.send("a", "alice", "x")),
        RelayFailure::TargetNotInChannel
    );
    assert_eq!(
        failure(other.send("a", "alice", "x")),
        RelayFailure::NotInChannel
    );
    assert_eq!(alice.lines(), NOTHING);
    assert_eq!(other.lines(), NOTHING);
}

#[test]
fn a_message_to_an_earlier_session_is_stale() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::new(&registry, "bob");
    let first = bob.join("a").expect("joined");
    let replaced = Client::new(&registry, "bob");
    let second = replaced.join("a").expect("taken over");
    replaced.take();
    bob.take();
    let to = |session: &str| {
        let mut message = offer("a", "bob", "x");
        message.target_session_id = session.into();
        alice
            .connection
            .relay("", message)
            .map_err(|error| error.reason)
    };
    assert_eq!(to(&first.to_string()), Err(RelayFailure::StaleSession));
    assert_eq!(to("not a session"), Err(RelayFailure::StaleSession));
    assert_eq!(
        to(&alice.connection.seat().expect("seated").1.to_string()),
        Err(RelayFailure::StaleSession)
    );
    assert_eq!(replaced.lines(), NOTHING);
    assert_eq!(to(&second.to_string()), Ok(()));
    assert_eq!(to(""), Ok(()));
    assert_eq!(replaced.lines(), ["offer alice x", "offer alice x"]);
    assert_eq!(bob.lines(), NOTHING);
}

#[test]
fn the_sender_is_overwritten_and_the_rest_is_not() {
    let registry = registry();
    let [alice, bob, ..] = scene(&registry);
    let message = VoiceIceCandidate {
        target_user_id: "bob".into(),
        candidate_json: "{}".into(),
        channel_id: "a".into(),
        sender_user_id: "mallory".into(),
        sender_session_id: "0000000000000001".into(),
        target_session_id: bob.connection.seat().expect("seated").1.to_string(),
    };
    alice
        .connection
        .relay("", message.clone())
        .expect("relayed");
    let arrived = bob.take();
    assert_eq!(arrived[0].request_id, "");
    let expected = VoiceIceCandidate {
        sender_user_id: "alice".into(),
        sender_session_id: alice.connection.seat().expect("seated").1.to_string(),
        ..message
    };
    assert_eq!(
        arrived[0].payload,
        Some(Payload::VoiceIceCandidate(expected))
    );
}

#[test]
fn content_arrives_byte_for_byte() {
    let registry = registry();
    let [alice, bob, ..] = scene(&registry);
    let contents = [
        "v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\na=ice-ufrag:x\r\n\r\n",
        "",
        "null",
        "\"\"",
        "{\"candidate\":\"\",\"sdpMid\":null,\"sdpMLineIndex\":0}",
        "not JSON {{{ \u{0} \u{feff} \u{202e} \u{1f3a7} \t trailing  ",
        "é e\u{301}",
    ];
    for content in contents {
        alice
            .connection
            .relay("", offer("a", "bob", content))
            .expect("relayed");
        alice.send("a", "bob", content).expect("relayed");
        let signals = bob.sink.take_signals();
        let payloads: Vec<&Payload> = signals.iter().map(|signal| signal.payload()).collect();
        match payloads[..] {
            [
                Payload::VoiceSdpOffer(offer),
                Payload::VoiceIceCandidate(candidate),
            ] => {
                assert_eq!(offer.sdp, content);
                assert_eq!(candidate.candidate_json, content);
            }
            _ => panic!("other messages: {payloads:?}"),
        }
    }
}

#[test]
fn messages_arrive_in_order_and_once() {
    let registry = registry();
    let [alice, bob, ..] = scene(&registry);
    for number in 0..10_000 {
        alice
            .send("a", "bob", &number.to_string())
            .expect("relayed");
    }
    let numbers = bob.lines();
    assert_eq!(numbers.len(), 10_000);
    for (number, line) in numbers.iter().enumerate() {
        assert_eq!(line, &format!("candidate alice {number}"));
    }
}

#[test]
fn a_target_with_a_closed_connection_is_not_in_the_channel() {
    let registry = registry();
    let [alice, bob, ..] = scene(&registry);
    crate::SignalSink::close(&*bob.sink, crate::CloseReason::GoingAway);
    let refused = failure(alice.send("a", "bob", "x"));
    assert_eq!(refused, RelayFailure::TargetNotInChannel);
}

#[test]
fn the_joined_event_comes_before_messages_of_the_joiner() {
    let registry = registry();
    let alice = Client::joined(&registry, "alice", "a");
    let bob = Client::new(&registry, "bob");
    bob.join("a").expect("joined");
    bob.connection
        .relay("", offer("a", "alice", "hello"))
        .expect("relayed");
    drop(bob);
    let expected = ["joined a bob", "offer bob hello", "left a bob DISCONNECTED"];
    assert_eq!(alice.lines(), expected);
}
