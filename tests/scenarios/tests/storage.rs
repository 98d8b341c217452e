//! A database that another program has locked or taken away.

use std::{
    fs,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::json;
use united_voice_scenarios::{Client, Codec, Server, ServerKind, request, voice::VoiceErrorCode};

scenarios! {
    each codec:;
    once:
        writes_to_a_locked_database_are_503_and_the_rest_goes_on,
        joins_are_unavailable_until_a_database_that_is_gone_is_back,
}

/// Longer than the server waits for the lock, and more than a busy machine adds.
const LIMIT: Duration = Duration::from_secs(20);

async fn writes_to_a_locked_database_are_503_and_the_rest_goes_on(kind: ServerKind) {
    let server = Server::start(kind).await;
    let user = server.user("Ann").await;
    let lock = server.lock_database().await;
    let begun = Instant::now();
    let write =
        async |method, path, body| server.http(method, path, Some(&user), Some(body)).await.0;
    let statuses = tokio::join!(
        write(
            Method::POST,
            "/api/channels",
            json!({ "name": "den", "kind": "voice" }),
        ),
        write(
            Method::PATCH,
            "/api/channels/general",
            json!({ "maxParticipants": 3 }),
        ),
        write(
            Method::POST,
            "/api/dev/login",
            json!({ "displayName": "Bob", "loginKey": "a key of the tests: three" }),
        ),
    );
    assert_eq!(statuses, (503, 503, 503));
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    let mut ann = Client::connect(&server, &user, Codec::Json).await;
    ann.join("general").await;
    drop(lock);

    let (_, channels) = server.get("/api/channels", Some(&user)).await;
    assert_eq!(channels.as_array().map(Vec::len), Some(3), "{channels}");
    assert!(channels[0]["maxParticipants"].is_null(), "{channels}");
    server.channel(&user, "den", None).await;
    let lines = server.log();
    let lines = lines
        .lines()
        .filter(|line| line.contains("the database failed"));
    assert_eq!(lines.count(), 1, "{}", server.log());
}

async fn joins_are_unavailable_until_a_database_that_is_gone_is_back(kind: ServerKind) {
    let server = Server::start(kind).await;
    let mut ann = Client::new(&server, "Ann", Codec::Json).await;
    let path = server.data_dir().join("united.db");
    let aside = server.data_dir().join("aside.db");
    fs::rename(&path, &aside).expect("the directory is writable");
    for _ in 0..20 {
        ann.refused_as(
            request::join("general"),
            VoiceErrorCode::Unavailable,
            "general",
        )
        .await;
    }
    assert!(!path.exists(), "no empty database takes its place");
    fs::rename(&aside, &path).expect("the directory is writable");
    ann.join("general").await;
    let log = server.log();
    let lines = log.lines().filter(|line| line.contains("WARN"));
    assert_eq!(lines.count(), 1, "{log}");
}
