//! The same user on two connections: section 2, rule 3.

use united_voice_scenarios::{
    Client, Codec, Server, ServerKind, expect_payload, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        takeover_in_the_same_channel,
        takeover_from_another_channel;
    once:
        old_connection_loses_its_membership,
        closing_the_old_connection_changes_nothing,
        old_connection_may_take_the_seat_back,
        takeover_works_in_a_full_channel,
        refused_takeover_changes_nothing,
        connecting_without_joining_takes_nothing_over,
}

async fn takeover_in_the_same_channel(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut old = Client::connect(&server, &user, codec).await;
    let mut new = Client::connect(&server, &user, codec).await;
    old.join("general").await;
    bob.join("general").await;
    old.joined_event("general").await;
    old.set_state("general", true, true).await;
    expect_payload!(bob.event().await, VoiceStateUpdate);

    let response = new.join("general").await;
    assert_eq!(
        response.participants,
        [bob.as_participant()],
        "a snapshot never lists the joining user, even from another connection"
    );
    assert_ne!(new.session, old.session);
    old.replaced("general").await;

    let left = bob.leave_event("general", VoiceLeaveReason::Replaced).await;
    assert_eq!(
        (left.user_id.as_str(), left.session_id.as_str()),
        (user.id.as_str(), old.session.as_str())
    );
    assert_eq!(
        bob.joined_event("general").await,
        new.as_participant(),
        "unmuted, with the new session"
    );
    for client in [&mut old, &mut new, &mut bob] {
        client.expect_idle().await;
    }
    let roster = server.participants(&user, "general").await;
    assert_eq!(
        roster,
        [bob.as_participant(), new.as_participant()],
        "in joining order"
    );
}

async fn takeover_from_another_channel(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut cy = Client::new(&server, "Cy", codec).await;
    let mut old = Client::connect(&server, &user, codec).await;
    let mut new = Client::connect(&server, &user, codec).await;
    old.join("general").await;
    bob.join("general").await;
    old.joined_event("general").await;
    cy.join("lounge").await;

    assert_eq!(new.join("lounge").await.participants, [cy.as_participant()]);
    old.replaced("general").await;
    let left = bob.leave_event("general", VoiceLeaveReason::Moved).await;
    assert_eq!(
        (left.user_id.as_str(), left.session_id.as_str()),
        (user.id.as_str(), old.session.as_str())
    );
    assert_eq!(cy.joined_event("lounge").await, new.as_participant());

    for channel in ["general", "lounge"] {
        old.refused_as(
            request::leave(channel),
            VoiceErrorCode::NotInChannel,
            channel,
        )
        .await;
    }
    old.close().await;
    for client in [&mut new, &mut bob, &mut cy] {
        client.expect_idle().await;
    }
    assert_eq!(
        server.participants(&user, "lounge").await,
        [cy.as_participant(), new.as_participant()]
    );
    assert_eq!(
        server.participants(&user, "general").await,
        [bob.as_participant()]
    );
}

async fn old_connection_loses_its_membership(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut bob = Client::new(&server, "Bob", Codec::Json).await;
    let mut old = Client::connect(&server, &user, Codec::Json).await;
    let mut new = Client::connect(&server, &user, Codec::Protobuf).await;
    bob.join("general").await;
    old.join("general").await;
    bob.joined_event("general").await;
    new.join("general").await;
    old.replaced("general").await;
    bob.leave_event("general", VoiceLeaveReason::Replaced).await;
    bob.joined_event("general").await;

    let [offer, answer, candidate] =
        request::relayed("general", &bob.user.id, "from the old connection");
    let tries = [
        offer,
        answer,
        candidate,
        request::state("general", true, true),
        request::speaking("general", true),
    ];
    for payload in tries
        .into_iter()
        .chain([request::leave("general"), request::ice_servers("general")])
    {
        old.refused_as(payload, VoiceErrorCode::NotInChannel, "general")
            .await;
    }
    bob.expect_idle().await;

    // Messages to the user now go to the new connection only. One that names the old session is
    // refused.
    bob.send(request::offer("general", &user.id, "to the new one"))
        .await;
    assert_eq!(
        expect_payload!(new.event().await, VoiceSdpOffer).sender_session_id,
        bob.session
    );
    let mut late = expect_payload!(
        request::answer("general", &user.id, "to the old one"),
        VoiceSdpAnswer
    );
    late.target_session_id.clone_from(&old.session);
    let late = united_voice_scenarios::Payload::VoiceSdpAnswer(late);
    bob.refused_as(late, VoiceErrorCode::StaleSession, "general")
        .await;
    old.expect_idle().await;
    new.expect_idle().await;
}

async fn closing_the_old_connection_changes_nothing(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    bob.join("general").await;
    let mut present = Client::connect(&server, &user, Codec::Protobuf).await;
    present.join("general").await;
    bob.joined_event("general").await;
    for round in 0..4 {
        let mut next = Client::connect(&server, &user, Codec::Protobuf).await;
        next.join("general").await;
        let old = std::mem::replace(&mut present, next);
        if round % 2 == 0 {
            old.close().await;
        } else {
            drop(old);
        }
        bob.leave_event("general", VoiceLeaveReason::Replaced).await;
        assert_eq!(bob.joined_event("general").await, present.as_participant());
    }
    present.expect_idle().await;
    bob.expect_idle().await;
    assert_eq!(
        server.participants(&user, "general").await,
        [bob.as_participant(), present.as_participant()]
    );
}

async fn old_connection_may_take_the_seat_back(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut one = Client::connect(&server, &user, Codec::Protobuf).await;
    let mut two = Client::connect(&server, &user, Codec::Json).await;
    one.join("general").await;
    two.join("general").await;
    one.replaced("general").await;
    let first = one.session.clone();
    assert_eq!(one.join("general").await.participants, []);
    assert_ne!(one.session, first);
    two.replaced("general").await;
    assert_eq!(
        server.participants(&user, "general").await,
        [one.as_participant()]
    );
}

async fn takeover_works_in_a_full_channel(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    let mut old = Client::connect(&server, &user, Codec::Protobuf).await;
    let mut new = Client::connect(&server, &user, Codec::Protobuf).await;
    let pair = server.channel(&user, "pair", Some(2)).await;
    old.join(&pair).await;
    bob.join(&pair).await;
    assert_eq!(new.join(&pair).await.participants, [bob.as_participant()]);
    assert_eq!(old.joined_event(&pair).await, bob.as_participant());
    old.replaced(&pair).await;
    assert_eq!(server.roster(&user, &pair).await.len(), 2);
}

async fn refused_takeover_changes_nothing(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    let mut old = Client::connect(&server, &user, Codec::Protobuf).await;
    let mut new = Client::connect(&server, &user, Codec::Protobuf).await;
    let full = server.channel(&user, "full", Some(1)).await;
    bob.join(&full).await;
    old.join("general").await;

    new.join_refused(&full, VoiceErrorCode::ChannelFull).await;
    new.join_refused("nowhere", VoiceErrorCode::ChannelNotFound)
        .await;
    new.join_refused("chat", VoiceErrorCode::NotAVoiceChannel)
        .await;
    for client in [&mut old, &mut new, &mut bob] {
        client.expect_idle().await;
    }
    assert_eq!(
        server.participants(&user, "general").await,
        [old.as_participant()]
    );
}

async fn connecting_without_joining_takes_nothing_over(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let mut seated = Client::connect(&server, &user, Codec::Protobuf).await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    seated.join("general").await;
    bob.join("general").await;
    seated.joined_event("general").await;

    let mut idle = Client::connect(&server, &user, Codec::Protobuf).await;
    idle.refused_as(
        request::leave("general"),
        VoiceErrorCode::NotInChannel,
        "general",
    )
    .await;
    let state = request::state("general", true, true);
    idle.refused_as(state, VoiceErrorCode::NotInChannel, "general")
        .await;
    idle.close().await;
    seated.expect_idle().await;
    bob.expect_idle().await;
    assert_eq!(
        server.participants(&user, "general").await,
        [seated.as_participant(), bob.as_participant()]
    );
}
