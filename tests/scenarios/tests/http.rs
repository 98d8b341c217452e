//! The routes of the example servers: section 4.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use united_voice_scenarios::{Client, Codec, Server, ServerKind, User, voice::VoiceErrorCode};

scenarios! {
    each codec:;
    once:
        participants_route_has_the_right_statuses,
        channels_are_listed,
        channels_are_created,
        bad_channels_are_refused,
        limits_can_be_changed,
        page_is_served,
        health_is_reported,
        metrics_have_no_user_data,
}

async fn status(server: &Server, path: &str, user: Option<&User>) -> u16 {
    server.get(path, user).await.0
}

async fn participants_route_has_the_right_statuses(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let of = |channel: &str| format!("/api/voice/{channel}/participants");
    let nobody = User {
        token: "no.such.token".to_owned(),
        ..user.clone()
    };

    assert_eq!(
        server.get(&of("general"), Some(&user)).await,
        (200, json!([]))
    );
    for channel in ["general", "nowhere", "chat"] {
        assert_eq!(status(&server, &of(channel), None).await, 401);
        assert_eq!(status(&server, &of(channel), Some(&nobody)).await, 401);
    }
    assert_eq!(status(&server, &of("nowhere"), Some(&user)).await, 404);
    assert_eq!(status(&server, &of("chat"), Some(&user)).await, 409);
    server.ban(&user, Some("general")).await;
    assert_eq!(status(&server, &of("general"), Some(&user)).await, 403);
    assert_eq!(status(&server, &of("lounge"), Some(&user)).await, 200);
}

/// The list of channels, as the route returns it.
async fn channels(server: &Server, user: &User) -> Vec<Value> {
    let (status, channels) = server.get("/api/channels", Some(user)).await;
    assert_eq!(status, 200);
    channels
        .as_array()
        .expect("the channels are an array")
        .clone()
}

async fn channels_are_listed(kind: ServerKind) {
    let server = Server::start(kind).await;
    assert_eq!(status(&server, "/api/channels", None).await, 401);
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    ann.join("lounge").await;
    let mut listed = channels(&server, &ann.user).await;
    listed.sort_by_key(|channel| channel["id"].to_string());
    let channel = |id: &str, kind: &str, count: u32| json!({ "id": id, "name": id, "kind": kind, "maxParticipants": null, "participantCount": count });
    assert_eq!(
        listed,
        [
            channel("chat", "text", 0),
            channel("general", "voice", 0),
            channel("lounge", "voice", 1)
        ]
    );
}

async fn channels_are_created(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Protobuf).await;
    let new = json!({ "name": "Späti 🌙", "kind": "voice", "maxParticipants": 3 });
    let (status, made) = server
        .http(Method::POST, "/api/channels", Some(&ann.user), Some(new))
        .await;
    assert_eq!(status, 201);
    assert_eq!(
        (&made["name"], &made["kind"], &made["maxParticipants"]),
        (&json!("Späti 🌙"), &json!("voice"), &json!(3))
    );
    assert_eq!(made["participantCount"], 0);
    let id = made["id"].as_str().expect("an id is a string");
    ann.join(id).await;

    let text = json!({ "name": "notes", "kind": "text" });
    let (status, text) = server
        .http(Method::POST, "/api/channels", Some(&ann.user), Some(text))
        .await;
    assert_eq!(
        (status, &text["kind"], &text["maxParticipants"]),
        (201, &json!("text"), &Value::Null)
    );
    ann.join_refused(
        text["id"].as_str().expect("an id is a string"),
        VoiceErrorCode::NotAVoiceChannel,
    )
    .await;

    // A second channel may have the same name.
    let again = server.channel(&ann.user, "Späti 🌙", None).await;
    assert_ne!(again, id);
    let ids: BTreeSet<_> = channels(&server, &ann.user)
        .await
        .iter()
        .map(|c| c["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 6);
}

async fn bad_channels_are_refused(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let good = json!({ "name": "good", "kind": "voice" });
    assert_eq!(
        server
            .http(Method::POST, "/api/channels", None, Some(good))
            .await
            .0,
        401
    );
    let bad = [
        json!({}),
        json!({ "name": "nameless kind" }),
        json!({ "kind": "voice" }),
        json!({ "name": "", "kind": "voice" }),
        json!({ "name": "odd", "kind": "video" }),
        json!({ "name": 7, "kind": "voice" }),
        json!("a string"),
    ];
    for body in bad {
        let (status, _) = server
            .http(
                Method::POST,
                "/api/channels",
                Some(&user),
                Some(body.clone()),
            )
            .await;
        assert_eq!(status, 400, "{body}");
    }
    assert_eq!(channels(&server, &user).await.len(), 3);
}

async fn limits_can_be_changed(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let patch = async |user: Option<&User>, id: &str, body: Value| {
        server
            .http(
                Method::PATCH,
                &format!("/api/channels/{id}"),
                user,
                Some(body),
            )
            .await
    };
    let (status, changed) = patch(Some(&user), "general", json!({ "maxParticipants": 5 })).await;
    assert_eq!((status, &changed["maxParticipants"]), (200, &json!(5)));
    let (status, cleared) = patch(Some(&user), "general", json!({ "maxParticipants": null })).await;
    assert_eq!((status, &cleared["maxParticipants"]), (200, &Value::Null));
    assert_eq!(
        patch(None, "general", json!({ "maxParticipants": 5 }))
            .await
            .0,
        401
    );
    assert_eq!(
        patch(Some(&user), "nowhere", json!({ "maxParticipants": 5 }))
            .await
            .0,
        404
    );
    let listed = channels(&server, &user).await;
    assert!(
        listed
            .iter()
            .all(|channel| channel["maxParticipants"].is_null()),
        "{listed:?}"
    );
}

async fn page_is_served(kind: ServerKind) {
    let server = Server::start(kind).await;
    let (status, page) = server.get_text("/").await;
    assert_eq!(status, 200);
    assert!(page.to_lowercase().contains("<html"), "{page}");
    assert_eq!(server.get_text("/no/such/page").await.0, 404);
}

async fn health_is_reported(kind: ServerKind) {
    let server = Server::start(kind).await;
    assert_eq!(server.get_text("/healthz").await.0, 200);
}

async fn metrics_have_no_user_data(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut zoe = Client::new(&server, "Zoe", Codec::Protobuf).await;
    let room = server.channel(&zoe.user, "Zanzibar", None).await;
    zoe.join(&room).await;
    let (status, metrics) = server.get_text("/metrics").await;
    assert_eq!(status, 200);
    let samples: Vec<_> = metrics
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert!(!samples.is_empty());
    for sample in samples {
        let value = sample
            .rsplit(' ')
            .next()
            .expect("a sample ends with its value");
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
    for name in [
        &zoe.user.id,
        &zoe.user.name,
        &zoe.user.pubkey,
        &zoe.session,
        &room,
    ] {
        assert!(
            !metrics.to_lowercase().contains(&name.to_lowercase()),
            "{name} is in {metrics}"
        );
    }
}
