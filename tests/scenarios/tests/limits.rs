//! Limits on the number of participants, and bans: section 2, rule 4.

use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use united_voice_scenarios::{
    Client, Codec, Payload, Server, ServerKind, expect_payload, request,
    voice::{VoiceErrorCode, VoiceLeaveReason},
};

scenarios! {
    each codec:
        ninth_participant_is_warned,
        refusals_name_their_cause;
    once:
        hard_limit_is_enforced,
        hard_limit_above_eight_keeps_the_warning,
        member_may_rejoin_a_full_channel,
        lowered_limit_removes_no_participant,
        cleared_limit_allows_joins_again,
        concurrent_joins_never_exceed_the_limit,
        limit_below_one_is_refused,
        ban_from_a_channel,
        ban_from_everywhere,
        banned_participant_stays_until_leaving,
}

async fn clients(server: &Server, number: usize, codec: Codec) -> Vec<Client> {
    let mut clients = Vec::new();
    for index in 0..number {
        clients.push(Client::new(server, &format!("User {index}"), codec).await);
    }
    clients
}

async fn ninth_participant_is_warned(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut clients = clients(&server, 10, codec).await;
    let mut warnings = Vec::new();
    for (index, client) in clients.iter_mut().enumerate() {
        let response = client.join("general").await;
        assert_eq!(response.participants.len(), index);
        warnings.push(response.quality_warning);
    }
    assert_eq!(
        warnings.iter().position(|warned| *warned),
        Some(8),
        "{warnings:?}"
    );
    assert!(warnings[9], "the tenth is warned as well");
}

async fn hard_limit_is_enforced(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut clients = clients(&server, 4, Codec::Protobuf).await;
    let room = server.channel(&clients[0].user, "three", Some(3)).await;
    for client in &mut clients[..3] {
        assert!(!client.join(&room).await.quality_warning);
    }
    clients[3]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
    assert_eq!(server.roster(&clients[0].user, &room).await.len(), 3);

    clients[1].joined_event(&room).await;
    clients[1].leave(&room).await;
    assert_eq!(clients[3].join(&room).await.participants.len(), 2);
    clients[1]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
}

async fn hard_limit_above_eight_keeps_the_warning(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut clients = clients(&server, 11, Codec::Protobuf).await;
    let room = server.channel(&clients[0].user, "ten", Some(10)).await;
    for (index, client) in clients[..10].iter_mut().enumerate() {
        assert_eq!(
            client.join(&room).await.quality_warning,
            index >= 8,
            "participant {}",
            index + 1
        );
    }
    clients[10]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
}

async fn member_may_rejoin_a_full_channel(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut clients = clients(&server, 2, Codec::Json).await;
    let room = server.channel(&clients[0].user, "pair", Some(2)).await;
    for client in &mut clients {
        client.join(&room).await;
    }
    clients[0].joined_event(&room).await;
    let session = clients[0].session.clone();
    assert_eq!(clients[0].join(&room).await.session_id, session);
    clients[1].expect_idle().await;
}

async fn lowered_limit_removes_no_participant(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut clients = clients(&server, 4, Codec::Protobuf).await;
    let admin = clients[0].user.clone();
    let room = server.channel(&admin, "shrinking", Some(4)).await;
    for client in &mut clients[..3] {
        client.join(&room).await;
    }
    server.set_limit(&admin, &room, Some(1)).await;
    assert_eq!(server.roster(&admin, &room).await.len(), 3);
    clients[3]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
    clients[2].join(&room).await;
    clients[2].leave(&room).await;
    clients[2]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
    assert_eq!(server.roster(&admin, &room).await.len(), 2);
}

async fn cleared_limit_allows_joins_again(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut clients = clients(&server, 3, Codec::Protobuf).await;
    let admin = clients[0].user.clone();
    let room = server.channel(&admin, "growing", Some(1)).await;
    clients[0].join(&room).await;
    clients[1]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
    server.set_limit(&admin, &room, Some(2)).await;
    clients[1].join(&room).await;
    clients[2]
        .join_refused(&room, VoiceErrorCode::ChannelFull)
        .await;
    server.set_limit(&admin, &room, None).await;
    clients[2].join(&room).await;
    assert_eq!(server.roster(&admin, &room).await.len(), 3);
}

async fn concurrent_joins_never_exceed_the_limit(kind: ServerKind) {
    const CONTENDERS: usize = 24;
    const SEATS: u32 = 5;
    let server = Server::start(kind).await;
    let mut clients = clients(&server, CONTENDERS, Codec::Protobuf).await;
    let admin = clients[0].user.clone();
    let room = server.channel(&admin, "contended", Some(SEATS)).await;
    for _ in 0..5 {
        let answers = join_all(clients.iter_mut().map(|client| join_or_not(client, &room))).await;
        assert_eq!(
            answers.iter().filter(|joined| **joined).count(),
            SEATS as usize
        );
        assert_eq!(server.roster(&admin, &room).await.len(), SEATS as usize);
        for (client, _) in clients
            .iter_mut()
            .zip(&answers)
            .filter(|(_, joined)| **joined)
        {
            client.send_as("bye", request::leave(&room)).await;
            while client.next().await.request_id != "bye" {}
        }
    }
}

/// Joins and returns whether the server accepted. Events of the channel may already follow the
/// response, so this does not check that nothing else waits.
async fn join_or_not(client: &mut Client, room: &str) -> bool {
    let id = client.send_request(request::join(room)).await;
    loop {
        let answer = client.next().await;
        match answer.payload {
            Some(Payload::VoiceJoinResponse(_)) if answer.request_id == id => return true,
            Some(Payload::VoiceError(error)) if answer.request_id == id => {
                assert_eq!(error.code(), VoiceErrorCode::ChannelFull);
                return false;
            }
            // An event from the round before.
            _ => {}
        }
    }
}

async fn limit_below_one_is_refused(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let room = server.channel(&user, "three", Some(3)).await;
    for limit in [json!(0), json!(-1), json!("4"), json!(2.5)] {
        let body = Some(json!({ "maxParticipants": limit }));
        let (status, _) = server
            .http(
                Method::PATCH,
                &format!("/api/channels/{room}"),
                Some(&user),
                body,
            )
            .await;
        assert_eq!(status, 400, "PATCH {limit}");
        let body = Some(json!({ "name": "odd", "kind": "voice", "maxParticipants": limit }));
        let (status, _) = server
            .http(Method::POST, "/api/channels", Some(&user), body)
            .await;
        assert_eq!(status, 400, "POST {limit}");
    }
    let (_, channels) = server.get("/api/channels", Some(&user)).await;
    let channels = channels.as_array().expect("the channels are an array");
    let kept = channels
        .iter()
        .find(|channel| channel["id"] == *room)
        .expect("the channel is listed");
    assert_eq!(kept["maxParticipants"], 3);
}

async fn refusals_name_their_cause(kind: ServerKind, codec: Codec) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", codec).await;
    ann.join_refused("chat", VoiceErrorCode::NotAVoiceChannel)
        .await;
    ann.join_refused("nowhere", VoiceErrorCode::ChannelNotFound)
        .await;
    server.ban(&ann.user, Some("lounge")).await;
    ann.join_refused("lounge", VoiceErrorCode::Forbidden).await;
    let error = ann.refused(request::join("nowhere")).await;
    assert!(!error.message.is_empty(), "an error has a message");
    ann.join("general").await;
}

async fn ban_from_a_channel(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    server.ban(&ann.user, Some("lounge")).await;
    ann.join_refused("lounge", VoiceErrorCode::Forbidden).await;
    let path = "/api/voice/lounge/participants";
    assert_eq!(server.get(path, Some(&ann.user)).await.0, 403);
    assert_eq!(server.get(path, Some(&bob.user)).await.0, 200);
    bob.join("lounge").await;
    ann.join("general").await;
    server.unban(&ann.user).await;
    assert_eq!(server.get(path, Some(&ann.user)).await.0, 200);
    ann.join("lounge").await;
}

async fn ban_from_everywhere(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    server.ban(&user, None).await;
    let mut ann = Client::connect(&server, &user, Codec::Protobuf).await;
    for channel in ["general", "lounge"] {
        ann.join_refused(channel, VoiceErrorCode::Forbidden).await;
        let path = format!("/api/voice/{channel}/participants");
        assert_eq!(server.get(&path, Some(&user)).await.0, 403);
    }
}

async fn banned_participant_stays_until_leaving(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let mut bob = Client::new(&server, "Bob", Codec::Protobuf).await;
    ann.join("general").await;
    bob.join("general").await;
    ann.joined_event("general").await;
    server.ban(&ann.user, Some("general")).await;
    ann.send(request::offer("general", &bob.user.id, "sdp"))
        .await;
    expect_payload!(bob.event().await, VoiceSdpOffer);
    assert_eq!(server.roster(&bob.user, "general").await.len(), 2);
    ann.leave("general").await;
    bob.leave_event("general", VoiceLeaveReason::Left).await;
    ann.join_refused("general", VoiceErrorCode::Forbidden).await;
}
