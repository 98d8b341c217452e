//! Voice channels in Parley's protocol.

mod client;

use client::{Client, default_server, join_request, server};
use united_voice_core::{
    IceConfig, TurnConfig,
    proto::voice::{
        VoiceErrorCode as Code, VoiceIceCandidate, VoiceIceServersRequest, VoiceLeaveReason,
        VoiceLeaveRequest, VoiceSdpAnswer, VoiceSdpOffer, VoiceSpeakingEvent, VoiceStateUpdate,
    },
};
use united_voice_own_protocol::{Limits, wire::envelope::Payload};

fn offer(target: &str) -> Payload {
    Payload::VoiceSdpOffer(VoiceSdpOffer {
        channel_id: "2".into(),
        target_user_id: target.into(),
        sdp: "v=0\r\n".into(),
        ..VoiceSdpOffer::default()
    })
}

fn leave_reason(told: Payload, user: &str) -> VoiceLeaveReason {
    match told {
        Payload::VoiceLeaveEvent(event) if event.user_id == user => event.reason(),
        other => panic!("{other:?}"),
    }
}

async fn alice_and_bob() -> (Client, Client) {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    let mut bob = Client::signed_in(&server, 2).await;
    let first = alice.join("2").await;
    assert!(first.participants.is_empty() && !first.ice_servers.is_empty());
    let snapshot = bob.join("2").await;
    let joined = alice.told_joined().await.participant.unwrap();
    assert_eq!(
        (joined.user_id.as_str(), &*joined.display_name),
        ("2", "Bob")
    );
    assert_eq!(joined.session_id, snapshot.session_id);
    assert_eq!(snapshot.participants[0].user_id, "1");
    assert_eq!(snapshot.participants[0].session_id, first.session_id);
    (alice, bob)
}

#[tokio::test(start_paused = true)]
async fn two_join_relay_and_leave() {
    let (mut alice, mut bob) = alice_and_bob().await;
    bob.send(offer("1")).await;
    let Payload::VoiceSdpOffer(offer) = alice.told().await else {
        panic!("an offer");
    };
    assert_eq!((&*offer.sender_user_id, &*offer.sdp), ("2", "v=0\r\n"));

    let answer = VoiceSdpAnswer {
        channel_id: "2".into(),
        target_user_id: "2".into(),
        target_session_id: offer.sender_session_id.clone(),
        sdp: "v=0\r\nanswer".into(),
        ..VoiceSdpAnswer::default()
    };
    alice.send(Payload::VoiceSdpAnswer(answer)).await;
    let candidate = VoiceIceCandidate {
        channel_id: "2".into(),
        target_user_id: "2".into(),
        candidate_json: "null".into(),
        ..VoiceIceCandidate::default()
    };
    alice.send(Payload::VoiceIceCandidate(candidate)).await;
    assert!(
        matches!(bob.told().await, Payload::VoiceSdpAnswer(answer) if answer.sender_user_id == "1")
    );
    assert!(
        matches!(bob.told().await, Payload::VoiceIceCandidate(it) if it.candidate_json == "null")
    );

    let channel_id = "2".to_owned();
    let leave = Payload::VoiceLeaveRequest(VoiceLeaveRequest { channel_id });
    let answer = bob.ask(leave).await;
    assert_eq!(leave_reason(answer, "2"), VoiceLeaveReason::Left);
    assert_eq!(
        leave_reason(alice.told().await, "2"),
        VoiceLeaveReason::Left
    );
}

#[tokio::test(start_paused = true)]
async fn state_and_speaking_are_told() {
    let (mut alice, mut bob) = alice_and_bob().await;
    let update = VoiceStateUpdate {
        channel_id: "2".into(),
        user_id: "somebody else".into(),
        muted: true,
        deafened: false,
    };
    let answer = bob.ask(Payload::VoiceStateUpdate(update)).await;
    assert!(
        matches!(&answer, Payload::VoiceStateUpdate(update) if update.user_id == "2" && update.muted)
    );
    assert_eq!(alice.told().await, answer);

    let event = VoiceSpeakingEvent {
        channel_id: "2".into(),
        user_id: String::new(),
        speaking: true,
    };
    // Request 0 asks for no answer.
    bob.send_as(0, Payload::VoiceSpeakingEvent(event)).await;
    assert!(
        matches!(alice.told().await, Payload::VoiceSpeakingEvent(event) if event.user_id == "2" && event.speaking)
    );
    bob.heard_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_disconnects_is_gone() {
    let (mut alice, bob) = alice_and_bob().await;
    drop(bob.socket);
    let told = alice.told().await;
    assert_eq!(leave_reason(told, "2"), VoiceLeaveReason::Disconnected);
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_no_ping_is_gone_within_30_s() {
    let (mut alice, bob) = alice_and_bob().await;
    let begin = tokio::time::Instant::now();
    // Bob's socket stays open, but nobody reads from it.
    let told = alice.told().await;
    assert_eq!(leave_reason(told, "2"), VoiceLeaveReason::Disconnected);
    assert!(begin.elapsed().as_secs() <= 30);
    drop(bob);
}

#[tokio::test(start_paused = true)]
async fn another_connection_takes_over() {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    let mut old = Client::signed_in(&server, 2).await;
    let mut new = Client::signed_in(&server, 2).await;
    alice.join("2").await;
    old.join("2").await;
    alice.told_joined().await;
    new.join("2").await;
    assert!(
        matches!(old.told().await, Payload::VoiceError(error) if error.code() == Code::SessionReplaced)
    );
    assert_eq!(
        leave_reason(alice.told().await, "2"),
        VoiceLeaveReason::Replaced
    );
    alice.told_joined().await;
    // The old connection's end changes nothing: the next that Alice hears is the new one's.
    drop(old.socket);
    old.served.await.unwrap();
    new.send(offer("1")).await;
    assert!(matches!(alice.told().await, Payload::VoiceSdpOffer(_)));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_voice_errors_under_the_request() {
    let server = default_server();
    let mut alice = Client::signed_in(&server, 1).await;
    let mut bob = Client::signed_in(&server, 2).await;
    server.ban(1, 2);
    alice.join("3").await;
    for (payload, code) in [
        (join_request("1"), Code::NotAVoiceChannel),
        (join_request("9"), Code::ChannelNotFound),
        (join_request("03"), Code::ChannelNotFound),
        (join_request("+3"), Code::ChannelNotFound),
        (join_request(""), Code::Malformed),
        (join_request("3"), Code::ChannelFull),
        (offer("1"), Code::NotInChannel),
    ] {
        assert_eq!(bob.voice_error(payload).await.code(), code);
    }
    bob.join("2").await;
    assert_eq!(
        bob.voice_error(offer("1")).await.code(),
        Code::TargetNotInChannel
    );
    assert_eq!(
        alice.voice_error(join_request("2")).await.code(),
        Code::Forbidden
    );
    // None of this has moved anybody.
    bob.heard_nothing().await;
    alice.heard_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn turn_credentials_are_renewed_before_they_expire() {
    let turn = TurnConfig::new("turn.example", 3478, "secret", 40).unwrap();
    let ice = IceConfig::default().with_turn(turn);
    let server = server(Limits::default(), ice);
    let mut alice = Client::signed_in(&server, 1).await;
    alice.join("2").await;
    let begin = tokio::time::Instant::now();
    for round in 1..=3 {
        let Payload::VoiceIceServersResponse(fresh) = alice.told().await else {
            panic!("fresh credentials");
        };
        assert!(
            fresh
                .ice_servers
                .iter()
                .any(|server| server.username.ends_with(":1"))
        );
        assert_eq!(begin.elapsed().as_secs(), 30 * round);
    }
    // Whoever asks starts the clock anew; whoever has left is sent none.
    let request = VoiceIceServersRequest {
        channel_id: "2".into(),
    };
    alice.ask(Payload::VoiceIceServersRequest(request)).await;
    let request = VoiceLeaveRequest {
        channel_id: "2".into(),
    };
    alice.ask(Payload::VoiceLeaveRequest(request)).await;
    let silence = tokio::time::timeout(std::time::Duration::from_secs(39), alice.message()).await;
    assert!(silence.is_err(), "{silence:?}");
}

/// The clock stands still, so that nothing is refilled.
#[tokio::test(start_paused = true)]
async fn a_client_that_asks_too_fast_is_told_so() {
    let mut alice = Client::signed_in(&default_server(), 1).await;
    for _ in 0..200 {
        let error = alice.voice_error(offer("2")).await;
        assert_eq!(error.code(), Code::NotInChannel);
    }
    let error = alice.voice_error(offer("2")).await;
    assert_eq!(error.code(), Code::RateLimited);
}
