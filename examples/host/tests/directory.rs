//! The directory's answers about a join, for every combination of reasons to refuse it.

use united_voice_core::{AdmitError, ChannelId, UserId, VoiceDirectory as _};
use united_voice_host::{ChannelKind, Store};

struct Fixture {
    _dir: tempfile::TempDir,
    store: Store,
}

/// Ada may do anything, Bob is banned everywhere, and Eve is no user.
async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.db");
    let store = Store::open(&path).await.unwrap();
    for id in ["ada", "bob"] {
        store
            .put_user(&UserId::new(id).unwrap(), None)
            .await
            .unwrap();
    }
    let pool = sqlx::SqlitePool::connect(path.to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("INSERT INTO bans (user_id, channel_id) VALUES ('bob', NULL)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    Fixture { _dir: dir, store }
}

async fn admit(store: &Store, user: &str, channel: &str) -> &'static str {
    let (user, channel) = (UserId::new(user).unwrap(), ChannelId::new(channel).unwrap());
    match store.admit(&user, &channel).await {
        Ok(_) => "admitted",
        Err(AdmitError::ChannelNotFound) => "no channel",
        Err(AdmitError::NotAVoiceChannel) => "no voice",
        Err(AdmitError::Forbidden) => "forbidden",
        Err(AdmitError::Unavailable(_)) => "unavailable",
        Err(_) => "another error",
    }
}

#[tokio::test]
async fn who_may_join_what() {
    let Fixture { store, _dir } = fixture().await;
    for (user, channel, expected) in [
        ("ada", "general", "admitted"),
        ("ada", "chat", "no voice"),
        ("ada", "none", "no channel"),
        ("bob", "general", "forbidden"),
        ("bob", "chat", "no voice"),
        ("bob", "none", "no channel"),
        ("eve", "general", "forbidden"),
        ("eve", "none", "no channel"),
    ] {
        assert_eq!(
            admit(&store, user, channel).await,
            expected,
            "{user} into {channel}"
        );
    }
}

#[tokio::test]
async fn an_admission_has_profile_and_limit() {
    let Fixture { store, _dir } = fixture().await;
    let user = UserId::new(store.sign_in("Cleo", "a key", None).await.unwrap()).unwrap();
    let limit = std::num::NonZeroU32::new(2);
    let channel = store
        .create_channel("den", ChannelKind::Voice, limit)
        .await
        .unwrap();
    let admission = store
        .admit(&user, &ChannelId::new(channel.id).unwrap())
        .await
        .unwrap();
    assert_eq!(admission.profile.display_name(), "Cleo");
    assert_eq!(admission.profile.pubkey(), "a key");
    assert_eq!(admission.max_participants, limit);
}

#[tokio::test]
async fn a_database_that_fails_is_unavailable() {
    let Fixture { store, _dir } = fixture().await;
    store.close().await;
    assert_eq!(admit(&store, "ada", "general").await, "unavailable");
}
