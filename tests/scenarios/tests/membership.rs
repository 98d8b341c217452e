//! Joining, moving and leaving: section 2, rules 1, 2, 7 and 12.

use united_voice_scenarios::{
    Client, Codec, Server, ServerKind, expect_payload, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        join_response_lists_the_participants,
        join_response_has_the_state_of_others,
        rejoin_is_silent_and_keeps_session_and_state,
        move_is_one_step,
        refused_move_changes_nothing,
        leave_is_announced_to_all,
        leave_needs_membership;
    once:
        each_stay_has_its_own_session,
        channel_is_empty_after_the_last_leave,
        requests_without_id_get_answers_without_id,
}

async fn join_response_lists_the_participants(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut cy = Client::new(&server, "Cy", codec).await;

    let first = ann.join("general").await;
    assert_eq!(first.participants, []);
    assert!(!first.quality_warning);
    assert_eq!(first.ice_servers[0].urls, ["stun:stun.l.google.com:19302"]);

    assert_eq!(
        bob.join("general").await.participants,
        [ann.as_participant()]
    );
    assert_eq!(
        cy.join("general").await.participants,
        [ann.as_participant(), bob.as_participant()]
    );

    assert_eq!(ann.joined_event("general").await, bob.as_participant());
    assert_eq!(ann.joined_event("general").await, cy.as_participant());
    assert_eq!(bob.joined_event("general").await, cy.as_participant());
    for client in [&mut ann, &mut bob, &mut cy] {
        client.expect_idle().await;
    }
    let all = [
        ann.as_participant(),
        bob.as_participant(),
        cy.as_participant(),
    ];
    assert_eq!(server.participants(&cy.user, "general").await, all);
}

async fn join_response_has_the_state_of_others(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    ann.join("general").await;
    ann.set_state("general", true, false).await;

    let seen = bob.join("general").await.participants.remove(0);
    assert_eq!((seen.muted, seen.deafened), (true, false));
}

async fn rejoin_is_silent_and_keeps_session_and_state(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let first = ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    ann.set_state("general", true, true).await;
    expect_payload!(bob.event().await, VoiceStateUpdate);

    let again = ann.join("general").await;
    assert_eq!(again.participants, [bob.as_participant()]);
    assert_eq!(again.session_id, first.session_id);
    ann.expect_idle().await;
    bob.expect_idle().await;

    let roster = server.participants(&bob.user, "general").await;
    assert_eq!(
        roster
            .iter()
            .map(|p| (&p.user_id, p.muted, p.deafened))
            .collect::<Vec<_>>(),
        [(&ann.user.id, true, true), (&bob.user.id, false, false)]
    );
}

async fn each_stay_has_its_own_session(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let mut sessions = Vec::new();
    for channel in ["general", "general", "lounge", "general"] {
        sessions.push(ann.join(channel).await.session_id);
        ann.set_state(channel, true, true).await;
        if sessions.len() == 1 {
            assert_eq!(ann.leave(channel).await.session_id, sessions[0]);
        }
    }
    let last = server.participants(&ann.user, "general").await;
    assert_eq!(last[0].session_id, sessions[3]);
    sessions.sort();
    sessions.dedup();
    assert_eq!(
        sessions.len(),
        4,
        "each join makes a session, except a rejoin: {sessions:?}"
    );

    ann.join("lounge").await;
    let fresh = server.participants(&ann.user, "lounge").await;
    assert_eq!(
        (fresh[0].muted, fresh[0].deafened),
        (false, false),
        "a participant starts unmuted"
    );
}

async fn move_is_one_step(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut cy = Client::new(&server, "Cy", codec).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    cy.join("lounge").await;
    let old = ann.session.clone();

    let response = ann.join("lounge").await;
    assert_eq!(response.participants, [cy.as_participant()]);
    assert_ne!(response.session_id, old);
    ann.expect_idle().await;

    let left = bob.leave_event("general", VoiceLeaveReason::Moved).await;
    assert_eq!(
        (left.user_id, left.display_name, left.session_id),
        (ann.user.id.clone(), ann.user.name.clone(), old)
    );
    bob.expect_idle().await;
    assert_eq!(cy.joined_event("lounge").await, ann.as_participant());
    cy.expect_idle().await;

    assert_eq!(
        server.roster(&ann.user, "general").await,
        [bob.user.id.clone()]
    );
    assert_eq!(
        server.roster(&ann.user, "lounge").await,
        [cy.user.id.clone(), ann.user.id.clone()]
    );
    ann.refused_as(
        request::leave("general"),
        VoiceErrorCode::NotInChannel,
        "general",
    )
    .await;
}

async fn refused_move_changes_nothing(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut cy = Client::new(&server, "Cy", codec).await;
    let full = server.channel(&cy.user, "full", Some(1)).await;
    let closed = server.channel(&cy.user, "closed", None).await;
    server.ban(&ann.user, Some(&closed)).await;
    cy.join(&full).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    ann.set_state("general", true, false).await;
    expect_payload!(bob.event().await, VoiceStateUpdate);
    let before = server.participants(&bob.user, "general").await;

    ann.join_refused(&full, VoiceErrorCode::ChannelFull).await;
    ann.join_refused(&closed, VoiceErrorCode::Forbidden).await;
    ann.join_refused("chat", VoiceErrorCode::NotAVoiceChannel)
        .await;
    ann.join_refused("nowhere", VoiceErrorCode::ChannelNotFound)
        .await;
    ann.refused_as(request::join(""), VoiceErrorCode::Malformed, "")
        .await;

    assert_eq!(server.participants(&bob.user, "general").await, before);
    for client in [&mut ann, &mut bob, &mut cy] {
        client.expect_idle().await;
    }
    ann.send(request::offer("general", &bob.user.id, "still here"))
        .await;
    assert_eq!(
        expect_payload!(bob.event().await, VoiceSdpOffer).sender_session_id,
        ann.session
    );
}

async fn leave_is_announced_to_all(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let mut cy = Client::new(&server, "Cy", codec).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    cy.join("lounge").await;

    let own = ann.leave("general").await;
    assert_eq!(own.reason(), VoiceLeaveReason::Left);
    assert_eq!(
        (
            own.user_id.as_str(),
            own.display_name.as_str(),
            own.session_id.as_str()
        ),
        (ann.user.id.as_str(), "Ann", ann.session.as_str())
    );
    assert_eq!(
        bob.leave_event("general", VoiceLeaveReason::Left).await,
        own
    );
    for client in [&mut ann, &mut bob, &mut cy] {
        client.expect_idle().await;
    }
    assert_eq!(server.roster(&ann.user, "general").await, [bob.user.id]);
}

async fn leave_needs_membership(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    let mut bob = Client::new(&server, "Bob", codec).await;
    let elsewhere = ["general", "chat", "nowhere"];
    for channel in elsewhere {
        ann.refused_as(
            request::leave(channel),
            VoiceErrorCode::NotInChannel,
            channel,
        )
        .await;
        ann.refused_as(
            request::ice_servers(channel),
            VoiceErrorCode::NotInChannel,
            channel,
        )
        .await;
    }
    ann.join("lounge").await;
    bob.join("lounge").await;
    ann.joined_event("lounge").await;
    for channel in elsewhere {
        ann.refused_as(
            request::leave(channel),
            VoiceErrorCode::NotInChannel,
            channel,
        )
        .await;
        ann.refused_as(
            request::ice_servers(channel),
            VoiceErrorCode::NotInChannel,
            channel,
        )
        .await;
    }
    assert_eq!(server.roster(&ann.user, "lounge").await.len(), 2);

    let once = ann.leave("lounge").await;
    ann.refused_as(
        request::leave("lounge"),
        VoiceErrorCode::NotInChannel,
        "lounge",
    )
    .await;
    assert_eq!(
        bob.leave_event("lounge", VoiceLeaveReason::Left).await,
        once
    );
    bob.expect_idle().await;
}

async fn channel_is_empty_after_the_last_leave(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    for _ in 0..3 {
        ann.join("general").await;
        ann.leave("general").await;
        assert_eq!(server.participants(&ann.user, "general").await, []);
        assert_eq!(bob.join("general").await.participants, []);
        bob.join("lounge").await;
        assert_eq!(server.participants(&ann.user, "general").await, []);
    }
}

async fn requests_without_id_get_answers_without_id(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.send(request::join("general")).await;
    expect_payload!(ann.event().await, VoiceJoinResponse);
    ann.send(request::ice_servers("general")).await;
    expect_payload!(ann.event().await, VoiceIceServersResponse);
    ann.send(request::state("general", true, true)).await;
    expect_payload!(ann.event().await, VoiceStateUpdate);
    ann.send(request::leave("general")).await;
    expect_payload!(ann.event().await, VoiceLeaveEvent);
    ann.send(request::leave("general")).await;
    expect_payload!(ann.event().await, VoiceError);
    ann.expect_idle().await;
}
