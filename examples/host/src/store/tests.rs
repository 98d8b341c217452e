use sqlx::SqlitePool;
use united_voice_postgres::Database;

use super::*;

mod broken_database;
mod broken_file;
mod migrations;

/// A store with the tables of the newest version.
pub(super) struct Fixture {
    pub(super) store: Store,
    pub(super) place: Place,
}

/// Where the data is, until this is dropped.
pub(super) enum Place {
    File(tempfile::TempDir),
    Database(Database),
}

impl Fixture {
    pub(super) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("united.db")).await.unwrap();
        Self {
            store,
            place: Place::File(dir),
        }
    }

    pub(super) async fn postgres() -> Self {
        let database = Database::new();
        Self {
            store: connect(&database).await.unwrap(),
            place: Place::Database(database),
        }
    }

    pub(super) async fn execute(&self, statement: &'static str) {
        match &self.store.backend {
            Backend::Sqlite(database) => execute(&database.pool, statement).await,
            Backend::Postgres(database) => {
                let query = sqlx::raw_sql(statement);
                query.execute(&database.pool).await.unwrap();
            }
        }
    }
}

pub(super) async fn execute(pool: &SqlitePool, statement: &'static str) {
    sqlx::raw_sql(statement).execute(pool).await.unwrap();
}

pub(super) async fn connect(database: &Database) -> Result<Store, ConnectError> {
    Store::connect(&database.url().parse().unwrap()).await
}

/// Makes a test for each back end.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::tests::Fixture::sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test($crate::store::tests::Fixture::postgres().await).await;
            })*
        }
    };
}
pub(super) use on_both;

on_both! {
    a_fresh_database_has_the_first_channels,
    channels_are_listed_in_the_order_in_which_they_were_made,
    a_known_login_key_signs_in_its_user_under_the_new_name_and_public_key,
    sign_ins_with_one_key_at_the_same_time_are_one_user,
    a_user_made_by_id_keeps_the_name_until_another_is_given,
    bans_hold_for_a_channel_or_for_all,
    new_channels_get_ids_fit_for_a_url,
    limits_are_set_and_cleared,
    an_invalid_limit_counts_as_the_strictest,
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn channel_id(id: &str) -> ChannelId {
    ChannelId::new(id).unwrap()
}

async fn a_fresh_database_has_the_first_channels(Fixture { store, .. }: Fixture) {
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

/// A change moves no channel, as it moves a row of PostgreSQL.
async fn channels_are_listed_in_the_order_in_which_they_were_made(Fixture { store, .. }: Fixture) {
    for name in ["z", "a", "m"] {
        let made = store.create_channel(name, ChannelKind::Voice, None).await;
        assert_eq!(made.unwrap().id, name);
    }
    store
        .set_max_participants("general", NonZeroU32::new(2))
        .await
        .unwrap();
    let ids = store.channels().await.unwrap();
    let ids: Vec<_> = ids.into_iter().map(|channel| channel.id).collect();
    assert_eq!(ids, ["general", "lounge", "chat", "z", "a", "m"]);
}

async fn a_known_login_key_signs_in_its_user_under_the_new_name_and_public_key(fixture: Fixture) {
    let store = &fixture.store;
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

    let kept = "SELECT login_key FROM users WHERE login_key IS NOT NULL ORDER BY created_at, id";
    let mut kept: Vec<Vec<u8>> = match &store.backend {
        Backend::Sqlite(database) => {
            let query = sqlx::query_scalar(kept);
            query.fetch_all(&database.pool).await.unwrap()
        }
        Backend::Postgres(database) => {
            let query = sqlx::query_scalar(kept);
            query.fetch_all(&database.pool).await.unwrap()
        }
    };
    kept.sort();
    let mut expected = [key.hash(), other.hash()];
    expected.sort_unstable();
    assert_eq!(kept, expected);
}

async fn sign_ins_with_one_key_at_the_same_time_are_one_user(Fixture { store, .. }: Fixture) {
    let key = LoginKey::new("a key of enough bytes").unwrap();
    let sign_ins = (0..20).map(|_| store.sign_in("Ada", "", Some(&key)));
    let ids = futures::future::try_join_all(sign_ins).await.unwrap();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

async fn a_user_made_by_id_keeps_the_name_until_another_is_given(Fixture { store, .. }: Fixture) {
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

async fn bans_hold_for_a_channel_or_for_all(fixture: Fixture) {
    for id in ["here", "everywhere", "free"] {
        fixture.store.put_user(&user(id), None).await.unwrap();
    }
    fixture
        .execute(
            "INSERT INTO bans (user_id, channel_id)
             VALUES ('here', 'general'), ('everywhere', NULL)",
        )
        .await;
    for (id, channel, banned) in [
        ("here", "general", true),
        ("here", "lounge", false),
        ("everywhere", "general", true),
        ("everywhere", "lounge", true),
        ("free", "general", false),
    ] {
        let seen = fixture
            .store
            .admittance(&user(id), &channel_id(channel))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(seen.banned, banned, "{id} in {channel}");
    }
}

async fn new_channels_get_ids_fit_for_a_url(Fixture { store, .. }: Fixture) {
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

async fn limits_are_set_and_cleared(Fixture { store, .. }: Fixture) {
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
    let most = NonZeroU32::new(Store::MAX_PARTICIPANTS);
    assert_eq!(
        store
            .create_channel("m", ChannelKind::Voice, most)
            .await
            .unwrap()
            .max_participants,
        most
    );
}

/// The API writes no such limits, but another program may.
async fn an_invalid_limit_counts_as_the_strictest(fixture: Fixture) {
    let mut cases = vec![
        (
            "UPDATE channels SET max_participants = 0 WHERE id = 'general'",
            1,
        ),
        (
            "UPDATE channels SET max_participants = -5 WHERE id = 'general'",
            1,
        ),
    ];
    if matches!(fixture.place, Place::File(_)) {
        // SQLite stores anything in any column.
        cases.extend([
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
        ]);
    }
    let store = &fixture.store;
    for (statement, expected) in cases {
        fixture.execute(statement).await;
        let seen = store
            .admittance(&user("u"), &channel_id("general"))
            .await
            .unwrap()
            .unwrap();
        let expected = NonZeroU32::new(expected);
        assert_eq!(seen.max_participants, expected, "{statement}");
        let listed = store.channels().await.unwrap();
        assert_eq!(listed[0].max_participants, expected, "{statement}");
    }
}
