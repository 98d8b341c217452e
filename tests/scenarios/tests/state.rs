//! Muted, deafened and speaking: section 2, rule 6.

use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, expect_payload, request,
    voice::{VoiceErrorCode, VoiceSpeakingEvent, VoiceStateUpdate},
};

scenarios! {
    each codec:
        state_goes_to_all_and_to_its_sender,
        speaking_goes_to_others,
        state_and_speaking_need_membership;
    once:
        state_is_in_the_snapshot_and_the_roster,
        server_sets_the_user_id,
}

async fn three(server: &Server, codec: Codec) -> [Client; 3] {
    let mut ann = Client::new(server, "Ann", codec).await;
    let mut bob = Client::new(server, "Bob", codec).await;
    let mut eve = Client::new(server, "Eve", codec).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    eve.join("lounge").await;
    [ann, bob, eve]
}

async fn state_goes_to_all_and_to_its_sender(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let [mut ann, mut bob, mut eve] = three(&server, codec).await;
    // The last update repeats a state. It goes to all, like any other.
    for (muted, deafened) in [
        (true, false),
        (true, true),
        (false, true),
        (false, false),
        (false, false),
    ] {
        let own = ann.set_state("general", muted, deafened).await;
        let expected = VoiceStateUpdate {
            channel_id: "general".into(),
            user_id: ann.user.id.clone(),
            muted,
            deafened,
        };
        assert_eq!(own, expected);
        assert_eq!(
            expect_payload!(bob.event().await, VoiceStateUpdate),
            expected
        );
    }
    ann.send(request::state("general", true, true)).await;
    let own = expect_payload!(ann.event().await, VoiceStateUpdate);
    assert_eq!((own.user_id, own.muted), (ann.user.id.clone(), true));
    eve.expect_idle().await;
}

async fn speaking_goes_to_others(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let [mut ann, mut bob, mut eve] = three(&server, codec).await;
    for speaking in [true, false] {
        let expected = VoiceSpeakingEvent {
            channel_id: "general".into(),
            user_id: ann.user.id.clone(),
            speaking,
        };
        ann.send(request::speaking("general", speaking)).await;
        assert_eq!(
            expect_payload!(bob.event().await, VoiceSpeakingEvent),
            expected
        );
        ann.expect_idle().await;

        let own = ann.ask(request::speaking("general", speaking)).await;
        assert_eq!(expect_payload!(own, VoiceSpeakingEvent), expected);
        assert_eq!(
            expect_payload!(bob.event().await, VoiceSpeakingEvent),
            expected
        );
    }
    bob.expect_idle().await;
    eve.expect_idle().await;
}

async fn state_and_speaking_need_membership(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let [mut ann, mut bob, mut eve] = three(&server, codec).await;
    let mut out = Client::new(&server, "Out", codec).await;
    for channel in ["general", "chat", "nowhere"] {
        for client in [&mut eve, &mut out] {
            let not_in = VoiceErrorCode::NotInChannel;
            client
                .refused_as(request::state(channel, true, true), not_in, channel)
                .await;
            client
                .refused_as(request::speaking(channel, true), not_in, channel)
                .await;
        }
    }
    for client in [&mut ann, &mut bob, &mut eve, &mut out] {
        client.expect_idle().await;
    }
    let roster = server.participants(&ann.user, "lounge").await;
    assert!(!roster[0].muted, "a refused update changes nothing");
}

async fn state_is_in_the_snapshot_and_the_roster(kind: ServerKind) {
    let server = Server::start(kind).await;
    let [mut ann, _bob, mut eve] = three(&server, Codec::Json).await;
    ann.set_state("general", false, true).await;
    let seen = eve.join("general").await.participants;
    let flags = |p: &united_voice_scenarios::voice::VoiceParticipant| (p.muted, p.deafened);
    assert_eq!(
        seen.iter().map(flags).collect::<Vec<_>>(),
        [(false, true), (false, false)]
    );
    assert_eq!(server.participants(&ann.user, "general").await[..2], seen);
}

async fn server_sets_the_user_id(kind: ServerKind) {
    let server = Server::start(kind).await;
    let [mut ann, mut bob, _eve] = three(&server, Codec::Protobuf).await;
    let (channel_id, user_id) = ("general".to_owned(), bob.user.id.clone());
    let state = VoiceStateUpdate {
        channel_id: channel_id.clone(),
        user_id: user_id.clone(),
        muted: true,
        deafened: false,
    };
    let own = expect_payload!(
        ann.ask(Payload::VoiceStateUpdate(state)).await,
        VoiceStateUpdate
    );
    assert_eq!(own.user_id, ann.user.id);
    assert_eq!(
        expect_payload!(bob.event().await, VoiceStateUpdate).user_id,
        ann.user.id
    );
    ann.send(Payload::VoiceSpeakingEvent(VoiceSpeakingEvent {
        channel_id,
        user_id,
        speaking: true,
    }))
    .await;
    assert_eq!(
        expect_payload!(bob.event().await, VoiceSpeakingEvent).user_id,
        ann.user.id
    );
    let muted: Vec<_> = server
        .participants(&ann.user, "general")
        .await
        .iter()
        .map(|p| p.muted)
        .collect();
    assert_eq!(muted, [true, false]);
}
