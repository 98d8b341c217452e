//! The routes of channels.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use united_voice_host::DevLogin;

use crate::fixture::{Fixture, body};

#[tokio::test]
async fn participants_and_the_reasons_for_a_refusal() {
    let fixture = Fixture::new(DevLogin::Off).await;
    let long = "x".repeat(129);
    let status = async |channel: &str| {
        fixture
            .get(&format!("/api/voice/{channel}/participants"))
            .await
            .status()
            .as_u16()
    };
    assert_eq!(status("general").await, 200);
    assert_eq!(status("chat").await, 409);
    assert_eq!(status("none").await, 404);
    assert_eq!(status("%ff").await, 404);
    assert_eq!(status("").await, 404);
    assert_eq!(status(&long).await, 404);
    let empty = fixture.get("/api/voice/general/participants").await;
    assert_eq!(body(&empty), json!([]));

    fixture
        .execute("INSERT INTO bans (user_id, channel_id) VALUES ('ada', 'general')")
        .await;
    assert_eq!(status("general").await, 403);
    assert_eq!(status("lounge").await, 200);
    fixture
        .execute("INSERT INTO bans (user_id, channel_id) VALUES ('ada', NULL)")
        .await;
    assert_eq!(
        (
            status("lounge").await,
            status("chat").await,
            status("none").await
        ),
        (403, 403, 404)
    );
}

#[tokio::test]
async fn channels_are_listed_made_and_limited() {
    let fixture = Fixture::new(DevLogin::Anybody).await;
    let channels = body(&fixture.get("/api/channels").await);
    assert_eq!(
        channels[0],
        json!({ "id": "general", "name": "general", "kind": "voice", "maxParticipants": null, "participantCount": 0 })
    );

    let created = fixture.send(
        Method::POST,
        "/api/channels",
        Some(r#"{"name":" Den 2 ","kind":"voice","maxParticipants":5}"#),
    );
    let created = created.await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let expected = json!({ "id": "den-2", "name": "Den 2", "kind": "voice", "maxParticipants": 5, "participantCount": 0 });
    assert_eq!(body(&created), expected);
    assert_eq!(body(&fixture.get("/api/channels").await)[3], expected);

    let cleared = fixture
        .send(
            Method::PATCH,
            "/api/channels/den-2",
            Some(r#"{"maxParticipants":null}"#),
        )
        .await;
    assert_eq!(
        (cleared.status(), body(&cleared)["maxParticipants"].clone()),
        (StatusCode::OK, Value::Null)
    );
    let unknown = fixture
        .send(
            Method::PATCH,
            "/api/channels/none",
            Some(r#"{"maxParticipants":1}"#),
        )
        .await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn invalid_bodies_are_refused() {
    let fixture = Fixture::new(DevLogin::Anybody).await;
    let long = "x".repeat(65);
    let cases = [
        (Method::POST, "/api/channels", json!({ "name": "a" })),
        (Method::POST, "/api/channels", json!({ "kind": "voice" })),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": " ", "kind": "voice" }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": long, "kind": "voice" }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": "a", "kind": "video" }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": "a", "kind": "voice", "maxParticipants": 0 }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": "a", "kind": "voice", "maxParticipants": "5" }),
        ),
        (Method::PATCH, "/api/channels/general", json!({})),
        (
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": 0 }),
        ),
        (
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": -1 }),
        ),
        (
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": 1.5 }),
        ),
        (
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": 4_294_967_296_u64 }),
        ),
        (
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": 2_147_483_648_u64 }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": "a", "kind": "voice", "maxParticipants": 2_147_483_648_u64 }),
        ),
        (
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": true }),
        ),
        (Method::PATCH, "/api/channels/general", json!([])),
        (Method::POST, "/api/dev/login", json!({})),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": " " }),
        ),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": long }),
        ),
        (Method::POST, "/api/dev/login", json!({ "displayName": 5 })),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": "\u{202e}nimda" }),
        ),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": "a\0b" }),
        ),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": "\u{200b}" }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": "\u{200b}", "kind": "voice" }),
        ),
        (
            Method::POST,
            "/api/channels",
            json!({ "name": "a\nb", "kind": "voice" }),
        ),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": "a", "pubkey": "k".repeat(4097) }),
        ),
        (
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": "a", "pubkey": "a\0b" }),
        ),
    ];
    for (method, path, content) in cases {
        let response = fixture.send(method, path, Some(&content.to_string())).await;
        assert_eq!(
            response.status(),
            StatusCode::BAD_REQUEST,
            "{path} {content}"
        );
        assert!(
            !body(&response)["error"]["message"]
                .as_str()
                .unwrap()
                .is_empty()
        );
    }
    assert_eq!(
        fixture
            .send(Method::POST, "/api/dev/login", Some("{"))
            .await
            .status(),
        StatusCode::BAD_REQUEST
    );
    let limit = body(&fixture.get("/api/channels").await)[0]["maxParticipants"].clone();
    assert_eq!(limit, Value::Null, "none of them did anything");
}

#[tokio::test]
async fn a_node_that_is_cut_off_lists_channels_and_answers_503_to_what_needs_the_others() {
    let fixture = Fixture::cut_off().await;
    let listed = fixture.get("/api/channels").await;
    assert_eq!(listed.status(), StatusCode::OK);
    assert_eq!(body(&listed)[0]["participantCount"], 0);
    let roster = fixture.get("/api/voice/general/participants").await;
    assert_eq!(roster.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body(&roster)["error"]["code"], "unavailable");

    let limit = Some(r#"{ "maxParticipants": 3 }"#);
    let patch = Method::PATCH;
    let limited = fixture.send(patch, "/api/channels/general", limit).await;
    assert_eq!(limited.status(), StatusCode::SERVICE_UNAVAILABLE);
    // The database has the limit, which holds once the node is back.
    let listed = fixture.get("/api/channels").await;
    assert_eq!(body(&listed)[0]["maxParticipants"], 3);
}
