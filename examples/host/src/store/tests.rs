use std::time::{Duration, Instant};

use sqlx::{
    SqlStr,
    migrate::{Migration, MigrationType},
};

use super::*;

mod broken;

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn channel_id(id: &str) -> ChannelId {
    ChannelId::new(id).unwrap()
}

async fn fresh() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("united.db")).await.unwrap();
    (dir, store)
}

async fn execute(store: &Store, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&store.pool).await.unwrap();
}

#[tokio::test]
async fn a_fresh_database_has_the_first_channels() {
    let (_dir, store) = fresh().await;
    let channels = store.channels().await.unwrap();
    let listed: Vec<_> = channels
        .iter()
        .map(|c| (c.id.as_str(), c.name.as_str(), c.kind))
        .collect();
    assert_eq!(
        listed,
        [
            ("general", "general", ChannelKind::Voice),
            ("lounge", "lounge", ChannelKind::Voice),
            ("chat", "chat", ChannelKind::Text),
        ]
    );
    assert!(channels.iter().all(|c| c.max_participants.is_none()));
}

#[test]
fn migration_8_is_the_statement_agreed() {
    let sql = MIGRATIONS
        .iter()
        .find(|migration| migration.version == 8)
        .unwrap()
        .sql
        .as_str();
    assert_eq!(
        sql.trim().trim_end_matches(';'),
        "ALTER TABLE channels ADD COLUMN max_participants INTEGER"
    );
}

/// Numbers 9 to 11 belong to later versions.
#[tokio::test]
async fn a_migration_that_comes_later_under_a_lower_number_is_run() {
    let (dir, store) = fresh().await;
    store.put_user(&user("u"), None).await.unwrap();
    let later = Migration::new(
        10,
        "later".into(),
        MigrationType::Simple,
        SqlStr::from_static("CREATE TABLE later (x INTEGER)"),
        false,
    );
    let mut migrations: Vec<_> = MIGRATIONS.iter().cloned().collect();
    assert_eq!(migrations.last().unwrap().version, 12);
    migrations.push(later);
    let newer = Migrator::with_migrations(migrations);
    newer.run(&store.pool).await.unwrap();
    newer.run(&store.pool).await.unwrap();
    execute(&store, "INSERT INTO later VALUES (1)").await;
    assert!(store.has_user(&user("u")).await.unwrap());
    store.close().await;
    let older = Store::open(&dir.path().join("united.db")).await;
    assert!(
        matches!(older, Err(MigrateError::VersionMissing(10))),
        "an older server does not touch what a newer one made: {older:?}"
    );
}

#[tokio::test]
async fn a_database_of_migrations_1_to_7_is_upgraded_with_nothing_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.db");
    let old = Store::connect(&path).await.unwrap();
    MIGRATIONS.run_to(7, &old.pool).await.unwrap();
    execute(
        &old,
        "INSERT INTO users (id, display_name, pubkey) VALUES ('u1', 'Ada', 'key'), ('u2', 'Bob', '');
         INSERT INTO channels (id, name, kind) VALUES ('den', 'The den', 'voice');
         DELETE FROM channels WHERE id = 'lounge';
         INSERT INTO bans (user_id, channel_id) VALUES ('u1', 'den'), ('u2', NULL);",
    )
    .await;
    let columns: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pragma_table_info('channels') WHERE name = 'max_participants'",
    )
    .fetch_one(&old.pool)
    .await
    .unwrap();
    assert_eq!(columns, 0, "the old form has no limits");
    old.close().await;

    let store = Store::open(&path).await.unwrap();
    let ids: Vec<_> = store
        .channels()
        .await
        .unwrap()
        .into_iter()
        .map(|c| (c.id, c.max_participants))
        .collect();
    assert_eq!(
        ids,
        [
            ("general".to_owned(), None),
            ("chat".to_owned(), None),
            ("den".to_owned(), None)
        ]
    );
    let ada = store
        .admittance(&user("u1"), &channel_id("den"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ada.user, Some(("Ada".to_owned(), "key".to_owned())));
    assert!(ada.banned);
    assert_ne!(
        store.sign_in("Eve", "key", None).await.unwrap(),
        "u1",
        "a public key signs nobody in any more"
    );
    assert!(
        store
            .admittance(&user("u2"), &channel_id("general"))
            .await
            .unwrap()
            .unwrap()
            .banned
    );
    store.close().await;
    Store::open(&path)
        .await
        .expect("opening again changes nothing");
}

#[tokio::test]
async fn tables_that_another_program_made_from_the_same_files_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.db");
    let bare = Store::connect(&path).await.unwrap();
    execute(&bare, include_str!("../../migrations/0001_users.sql")).await;
    execute(
        &bare,
        include_str!("../../migrations/0002_channels_and_bans.sql"),
    )
    .await;
    execute(
        &bare,
        "INSERT INTO users (id, display_name) VALUES ('u', 'U')",
    )
    .await;
    bare.close().await;
    let store = Store::open(&path).await.unwrap();
    assert!(store.has_user(&user("u")).await.unwrap());
    assert_eq!(store.channels().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_known_login_key_signs_in_its_user_under_the_new_name_and_public_key() {
    let (_dir, store) = fresh().await;
    let key = LoginKey::new("a key of enough bytes").unwrap();
    let other = LoginKey::new("another, of as many bytes").unwrap();
    let first = store.sign_in("Ada", "key", Some(&key)).await.unwrap();
    assert_eq!(
        store.sign_in("Ada L.", "new", Some(&key)).await.unwrap(),
        first
    );
    let seen = async |id: &str| {
        let seen = store.admittance(&user(id), &channel_id("general")).await;
        seen.unwrap().unwrap().user.unwrap()
    };
    assert_eq!(seen(&first).await, ("Ada L.".to_owned(), "new".to_owned()));

    let mut ids = vec![first];
    for key in [Some(&other), None, None] {
        ids.push(store.sign_in("Ada L.", "new", key).await.unwrap());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "neither name nor public key signs in");

    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT login_key FROM users WHERE login_key IS NOT NULL")
            .fetch_all(&store.pool)
            .await
            .unwrap();
    assert_eq!(kept, [key.hash(), other.hash()]);
}

#[tokio::test]
async fn a_user_made_by_id_keeps_the_name_until_another_is_given() {
    let (_dir, store) = fresh().await;
    let name = async || {
        let seen = store
            .admittance(&user("bob"), &channel_id("chat"))
            .await
            .unwrap()
            .unwrap();
        seen.user.map(|(name, _)| name)
    };
    assert_eq!(name().await, None);
    store.put_user(&user("bob"), None).await.unwrap();
    assert_eq!(name().await.as_deref(), Some("bob"));
    store.put_user(&user("bob"), Some("Bob B.")).await.unwrap();
    store.put_user(&user("bob"), None).await.unwrap();
    assert_eq!(name().await.as_deref(), Some("Bob B."));
}

#[tokio::test]
async fn bans_hold_for_a_channel_or_for_all() {
    let (_dir, store) = fresh().await;
    for id in ["here", "everywhere", "free"] {
        store.put_user(&user(id), None).await.unwrap();
    }
    execute(
        &store,
        "INSERT INTO bans (user_id, channel_id) VALUES ('here', 'general'), ('everywhere', NULL)",
    )
    .await;
    for (id, channel, banned) in [
        ("here", "general", true),
        ("here", "lounge", false),
        ("everywhere", "general", true),
        ("everywhere", "lounge", true),
        ("free", "general", false),
    ] {
        let seen = store
            .admittance(&user(id), &channel_id(channel))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(seen.banned, banned, "{id} in {channel}");
    }
}

#[tokio::test]
async fn new_channels_get_ids_fit_for_a_url() {
    let (_dir, store) = fresh().await;
    let create = async |name| {
        store
            .create_channel(name, ChannelKind::Voice, None)
            .await
            .unwrap()
            .id
    };
    assert_eq!(create("  Late-night  Talk! ").await, "late-night-talk");
    for name in ["late night talk", "General", "音声", "!?"] {
        let id = create(name).await;
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{name}: {id}"
        );
    }
}

#[tokio::test]
async fn limits_are_set_and_cleared() {
    let (_dir, store) = fresh().await;
    let limit = NonZeroU32::new(3);
    assert_eq!(
        store
            .set_max_participants("general", limit)
            .await
            .unwrap()
            .unwrap()
            .max_participants,
        limit
    );
    let seen = store
        .admittance(&user("u"), &channel_id("general"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(seen.max_participants, limit);
    assert_eq!(
        store
            .set_max_participants("general", None)
            .await
            .unwrap()
            .unwrap()
            .max_participants,
        None
    );
    assert_eq!(
        store.set_max_participants("none", limit).await.unwrap(),
        None
    );
    let most = NonZeroU32::new(u32::MAX);
    assert_eq!(
        store
            .create_channel("m", ChannelKind::Voice, most)
            .await
            .unwrap()
            .max_participants,
        most
    );
}

#[tokio::test]
async fn an_invalid_limit_counts_as_the_strictest() {
    let (_dir, store) = fresh().await;
    for (statement, expected) in [
        (
            "UPDATE channels SET max_participants = 0 WHERE id = 'general'",
            1,
        ),
        (
            "UPDATE channels SET max_participants = -5 WHERE id = 'general'",
            1,
        ),
        (
            "UPDATE channels SET max_participants = 'many' WHERE id = 'general'",
            1,
        ),
        (
            "UPDATE channels SET max_participants = 2.9 WHERE id = 'general'",
            2,
        ),
        (
            "UPDATE channels SET max_participants = 99999999999 WHERE id = 'general'",
            u32::MAX,
        ),
    ] {
        execute(&store, statement).await;
        let seen = store
            .admittance(&user("u"), &channel_id("general"))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            seen.max_participants,
            NonZeroU32::new(expected),
            "{statement}"
        );
        assert_eq!(
            store.channels().await.unwrap()[0].max_participants,
            NonZeroU32::new(expected),
            "{statement}"
        );
    }
}
