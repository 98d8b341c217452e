//! Offers, answers and candidates: section 2, rule 5.

use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, expect_payload, pair, request,
    voice::{VoiceErrorCode, VoiceLeaveReason, VoiceSdpOffer},
};

scenarios! {
    each codec:
        relayed_message_reaches_only_its_target,
        server_sets_the_sender,
        texts_arrive_unchanged,
        relay_without_membership_is_refused,
        relay_without_target_is_refused,
        stale_session_is_refused,
        candidates_arrive_in_order;
    once:
        unreachable_targets_get_the_same_error,
        relay_follows_the_target_to_its_new_connection,
        clients_of_both_codecs_relay_to_each_other,
}

/// Texts that a parser, a trimmer or a normaliser would change.
const ODD_TEXTS: [&str; 9] = [
    "v=0\r\no=- 46117317 2 IN IP4 127.0.0.1\r\ns=-\r\na=ice-ufrag:ab+/\r\n",
    "no line end",
    "\n\r\r\n\t leading and trailing \u{a0}\r\n\r\n",
    "",
    "null",
    r#"{"candidate":"","sdpMid":null,"usernameFragment":null}"#,
    "🎙️ e\u{301} \u{e9} \u{feff}\u{200f}\u{202e} \u{10ffff}",
    "\\ \" \u{7f} \u{1}\u{1f} \u{2028}\u{2029} </script> %00 &amp;",
    r#"{"candidate":"candidate:1 1 UDP 2122 5f3a.local 5000 typ host","sdpMLineIndex":0}"#,
];

async fn relayed_message_reaches_only_its_target(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let mut cy = Client::new(&server, "Cy", codec).await;
    let mut eve = Client::new(&server, "Eve", codec).await;
    cy.join("general").await;
    ann.joined_event("general").await;
    bob.joined_event("general").await;
    eve.join("lounge").await;
    let mut second = Client::connect(&server, &bob.user, codec).await;

    for payload in request::relayed("general", &bob.user.id, "text") {
        ann.send_request(payload).await;
    }
    // `event` checks that no request id came along.
    let offer = expect_payload!(bob.event().await, VoiceSdpOffer);
    let answer = expect_payload!(bob.event().await, VoiceSdpAnswer);
    let candidate = expect_payload!(bob.event().await, VoiceIceCandidate);
    let expected = (
        bob.user.id.as_str(),
        "general",
        ann.user.id.as_str(),
        ann.session.as_str(),
    );
    let seen =
        |target, channel, sender, session| assert_eq!((target, channel, sender, session), expected);
    seen(
        &offer.target_user_id,
        &offer.channel_id,
        &offer.sender_user_id,
        &offer.sender_session_id,
    );
    seen(
        &answer.target_user_id,
        &answer.channel_id,
        &answer.sender_user_id,
        &answer.sender_session_id,
    );
    let c = &candidate;
    seen(
        &c.target_user_id,
        &c.channel_id,
        &c.sender_user_id,
        &c.sender_session_id,
    );
    for client in [&mut ann, &mut bob, &mut cy, &mut eve, &mut second] {
        client.expect_idle().await;
    }
}

async fn server_sets_the_sender(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    for payload in request::relayed("general", &bob.user.id, "text") {
        ann.send(with_false_sender(payload, &bob)).await;
        let (user, session) = sender_of(bob.event().await);
        assert_eq!((user, session), (ann.user.id.clone(), ann.session.clone()));
    }
}

fn with_false_sender(mut payload: Payload, liar: &Client) -> Payload {
    let (user, session) = match &mut payload {
        Payload::VoiceSdpOffer(m) => (&mut m.sender_user_id, &mut m.sender_session_id),
        Payload::VoiceSdpAnswer(m) => (&mut m.sender_user_id, &mut m.sender_session_id),
        Payload::VoiceIceCandidate(m) => (&mut m.sender_user_id, &mut m.sender_session_id),
        other => panic!("not a relayed payload: {other:?}"),
    };
    user.clone_from(&liar.user.id);
    session.clone_from(&liar.session);
    payload
}

fn with_target_session(mut payload: Payload, session: &str) -> Payload {
    let target = match &mut payload {
        Payload::VoiceSdpOffer(m) => &mut m.target_session_id,
        Payload::VoiceSdpAnswer(m) => &mut m.target_session_id,
        Payload::VoiceIceCandidate(m) => &mut m.target_session_id,
        other => panic!("not a relayed payload: {other:?}"),
    };
    session.clone_into(target);
    payload
}

fn sender_of(payload: Payload) -> (String, String) {
    match payload {
        Payload::VoiceSdpOffer(m) => (m.sender_user_id, m.sender_session_id),
        Payload::VoiceSdpAnswer(m) => (m.sender_user_id, m.sender_session_id),
        Payload::VoiceIceCandidate(m) => (m.sender_user_id, m.sender_session_id),
        other => panic!("not a relayed payload: {other:?}"),
    }
}

fn text_of(payload: Payload) -> String {
    match payload {
        Payload::VoiceSdpOffer(m) => m.sdp,
        Payload::VoiceSdpAnswer(m) => m.sdp,
        Payload::VoiceIceCandidate(m) => m.candidate_json,
        other => panic!("not a relayed payload: {other:?}"),
    }
}

async fn texts_arrive_unchanged(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    for text in ODD_TEXTS {
        for payload in request::relayed("general", &bob.user.id, text) {
            ann.send(payload).await;
            assert_eq!(text_of(bob.event().await).as_bytes(), text.as_bytes());
        }
    }
    ann.expect_idle().await;
}

async fn relay_without_membership_is_refused(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let mut out = Client::new(&server, "Out", codec).await;
    let mut other = Client::new(&server, "Other", codec).await;
    other.join("lounge").await;
    let not_in = VoiceErrorCode::NotInChannel;
    let targets = [&bob, &out, &other].map(|client| client.user.id.clone());
    for target in targets.iter().map(String::as_str).chain(["nobody"]) {
        for payload in request::relayed("general", target, "text") {
            out.refused_as(payload.clone(), not_in, "general").await;
            other.refused_as(payload, not_in, "general").await;
        }
    }
    for channel in ["lounge", "chat", "nowhere"] {
        for payload in request::relayed(channel, &other.user.id, "text") {
            ann.refused_as(payload, not_in, channel).await;
        }
        for payload in request::relayed(channel, &bob.user.id, "text") {
            ann.refused_as(payload, not_in, channel).await;
        }
    }
    for client in [&mut ann, &mut bob, &mut out, &mut other] {
        client.expect_idle().await;
    }
}

async fn relay_without_target_is_refused(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let mut out = Client::new(&server, "Out", codec).await;
    let mut other = Client::new(&server, "Other", codec).await;
    other.join("lounge").await;
    for target in [&ann.user.id.clone(), &out.user.id, &other.user.id, "nobody"] {
        for payload in request::relayed("general", target, "text") {
            ann.refused_as(payload, VoiceErrorCode::TargetNotInChannel, "general")
                .await;
        }
    }
    bob.leave("general").await;
    ann.leave_event("general", VoiceLeaveReason::Left).await;
    for payload in request::relayed("general", &bob.user.id, "text") {
        ann.refused_as(payload, VoiceErrorCode::TargetNotInChannel, "general")
            .await;
    }
    for client in [&mut ann, &mut bob, &mut out, &mut other] {
        client.expect_idle().await;
    }
}

async fn unreachable_targets_get_the_same_error(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (mut ann, _bob) = pair(&server, Codec::Protobuf).await;
    let out = Client::new(&server, "Out", Codec::Protobuf).await;
    let mut other = Client::new(&server, "Other", Codec::Protobuf).await;
    other.join("lounge").await;
    let unknown = ann
        .refused(request::offer("general", "nobody", "text"))
        .await;
    for target in [&ann.user.id.clone(), &out.user.id, &other.user.id] {
        for payload in request::relayed("general", target, "text") {
            assert_eq!(ann.refused(payload).await, unknown);
        }
    }
    // The same holds for channels: the answer does not show whether a channel exists.
    let mut nowhere = ann.refused(request::leave("nowhere")).await;
    nowhere.channel_id = "lounge".to_owned();
    assert_eq!(ann.refused(request::leave("lounge")).await, nowhere);
}

async fn stale_session_is_refused(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let first = bob.session.clone();
    for payload in request::relayed("general", &bob.user.id, "text") {
        ann.send(with_target_session(payload.clone(), &first)).await;
        assert_eq!(text_of(bob.event().await), "text");
        for wrong in ["no such session", &ann.session.clone()] {
            let payload = with_target_session(payload.clone(), wrong);
            ann.refused_as(payload, VoiceErrorCode::StaleSession, "general")
                .await;
        }
    }
    bob.leave("general").await;
    bob.join("general").await;
    ann.leave_event("general", VoiceLeaveReason::Left).await;
    ann.joined_event("general").await;
    for payload in request::relayed("general", &bob.user.id, "text") {
        let stale = with_target_session(payload.clone(), &first);
        ann.refused_as(stale, VoiceErrorCode::StaleSession, "general")
            .await;
        ann.send(with_target_session(payload, &bob.session)).await;
        assert_eq!(text_of(bob.event().await), "text");
    }
    bob.expect_idle().await;
}

async fn relay_follows_the_target_to_its_new_connection(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (mut ann, mut old) = pair(&server, Codec::Protobuf).await;
    let mut new = Client::connect(&server, &old.user, Codec::Protobuf).await;
    new.join("general").await;
    old.replaced("general").await;
    ann.leave_event("general", VoiceLeaveReason::Replaced).await;
    ann.joined_event("general").await;
    for payload in request::relayed("general", &new.user.id, "text") {
        let stale = with_target_session(payload.clone(), &old.session);
        ann.refused_as(stale, VoiceErrorCode::StaleSession, "general")
            .await;
        ann.send(with_target_session(payload.clone(), &new.session))
            .await;
        ann.send(payload).await;
        assert_eq!(text_of(new.event().await), "text");
        assert_eq!(text_of(new.event().await), "text");
    }
    old.expect_idle().await;
}

async fn candidates_arrive_in_order(kind: ServerKind, codec: Codec) {
    const NUMBER: usize = 1000;
    let limits = "[limits]\nmessages_per_second = 100000\nburst = 100000\noutbound_queue = 2000\n";
    let server = Server::with_config(kind, limits).await;
    let (mut ann, mut bob) = pair(&server, codec).await;
    let target = bob.user.id.clone();
    let sending = async {
        for number in 0..NUMBER {
            ann.send(request::candidate("general", &target, &number.to_string()))
                .await;
        }
        ann.expect_idle().await;
    };
    let receiving = async {
        for number in 0..NUMBER {
            let candidate = expect_payload!(bob.event().await, VoiceIceCandidate);
            assert_eq!(candidate.candidate_json, number.to_string());
        }
        bob.expect_idle().await;
    };
    tokio::join!(sending, receiving);
}

async fn clients_of_both_codecs_relay_to_each_other(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    ann.join("general").await;
    assert_eq!(
        bob.join("general").await.participants,
        [ann.as_participant()]
    );
    assert_eq!(ann.joined_event("general").await, bob.as_participant());
    for text in ODD_TEXTS {
        let target_session_id = bob.session.clone();
        let offer = expect_payload!(request::offer("general", &bob.user.id, text), VoiceSdpOffer);
        ann.send(Payload::VoiceSdpOffer(VoiceSdpOffer {
            target_session_id,
            ..offer
        }))
        .await;
        assert_eq!(text_of(bob.event().await).as_bytes(), text.as_bytes());
        bob.send(request::candidate("general", &ann.user.id, text))
            .await;
        assert_eq!(text_of(ann.event().await).as_bytes(), text.as_bytes());
    }
    let own = ann.set_state("general", true, true).await;
    assert_eq!(expect_payload!(bob.event().await, VoiceStateUpdate), own);
}
