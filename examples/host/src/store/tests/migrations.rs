//! Tables that an older, a newer or no version has made.

use sqlx::{
    SqlSafeStr as _, SqlStr,
    migrate::{Migration, MigrationType, Migrator},
};

use super::*;

fn statement(migrations: &Migrator, version: i64) -> String {
    let mut migrations = migrations.iter();
    let migration = migrations.find(|migration| migration.version == version);
    migration.unwrap().sql.as_str().to_owned()
}

#[test]
fn migration_8_is_the_statement_agreed() {
    for migrations in [&sqlite::MIGRATIONS, &postgres::MIGRATIONS] {
        assert_eq!(
            statement(migrations, 8).trim().trim_end_matches(';'),
            "ALTER TABLE channels ADD COLUMN max_participants INTEGER"
        );
    }
}

#[test]
fn both_back_ends_have_the_same_migrations() {
    let names = |migrations: &Migrator| {
        let names = migrations.iter();
        names
            .map(|migration| (migration.version, migration.description.to_string()))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&sqlite::MIGRATIONS), names(&postgres::MIGRATIONS));
}

/// The migrations, and one that comes later with a number below the highest.
fn with_a_later_one(migrations: &Migrator) -> Migrator {
    let later = Migration::new(
        10,
        "later".into(),
        MigrationType::Simple,
        SqlStr::from_static("CREATE TABLE later (x INTEGER)"),
        false,
    );
    let mut migrations: Vec<_> = migrations.iter().cloned().collect();
    assert_eq!(migrations.last().unwrap().version, 12);
    migrations.push(later);
    Migrator::with_migrations(migrations)
}

on_both! { a_migration_that_comes_later_under_a_lower_number_is_run }

/// Numbers 9 to 11 belong to later versions.
async fn a_migration_that_comes_later_under_a_lower_number_is_run(fixture: Fixture) {
    let store = &fixture.store;
    store.put_user(&user("u"), None).await.unwrap();
    for _ in 0..2 {
        match &store.backend {
            Backend::Sqlite(database) => {
                let newer = with_a_later_one(&sqlite::MIGRATIONS);
                newer.run(&database.pool).await.unwrap();
            }
            Backend::Postgres(database) => {
                let newer = with_a_later_one(&postgres::MIGRATIONS);
                newer.run(&database.pool).await.unwrap();
            }
        }
    }
    fixture.execute("INSERT INTO later VALUES (1)").await;
    assert!(store.has_user(&user("u")).await.unwrap());
    store.close().await;
    let older = match &fixture.place {
        Place::File(dir) => {
            let older = Store::open(&dir.path().join("united.db")).await;
            older.unwrap_err().to_string()
        }
        Place::Database(database) => match connect(database).await {
            Err(ConnectError::Migration(reason)) => reason.to_string(),
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(
        older, "migration 10 was previously applied but is missing in the resolved migrations",
        "an older server does not touch what a newer one made"
    );
}

/// The folder of the migrations was another one, and has not changed what they are.
#[tokio::test]
async fn a_file_of_the_old_layout_is_opened_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.db");
    let old = Sqlite::connect(&path).await.unwrap();
    execute(&old.pool, include_str!("old_layout.sql")).await;
    old.close().await;

    let store = Store::open(&path).await.unwrap();
    let den = channel_id("den");
    let seen = store.admittance(&user("u"), &den).await.unwrap().unwrap();
    assert_eq!(seen.user, Some(("Ulla".to_owned(), String::new())));
    assert_eq!(
        (seen.max_participants, seen.banned),
        (NonZeroU32::new(4), true)
    );
    let ids = store.channels().await.unwrap();
    let ids: Vec<_> = ids.into_iter().map(|channel| channel.id).collect();
    assert_eq!(ids, ["general", "lounge", "chat", "den"]);
}

#[tokio::test]
async fn a_file_of_migrations_1_to_7_is_upgraded_with_nothing_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.db");
    let old = Sqlite::connect(&path).await.unwrap();
    sqlite::MIGRATIONS.run_to(7, &old.pool).await.unwrap();
    execute(
        &old.pool,
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
async fn a_database_of_migrations_1_to_7_is_upgraded_with_nothing_lost() {
    let database = Database::new();
    let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
    postgres::MIGRATIONS.run_to(7, &pool).await.unwrap();
    pool.close().await;
    database.execute("INSERT INTO users (id, display_name, pubkey) VALUES ('u1', 'Ada', 'key')");
    database.execute("INSERT INTO channels (id, name, kind) VALUES ('den', 'The den', 'voice')");
    database.execute("INSERT INTO bans (user_id, channel_id) VALUES ('u1', 'den')");

    let store = connect(&database).await.unwrap();
    let den = channel_id("den");
    let ada = store.admittance(&user("u1"), &den).await.unwrap().unwrap();
    assert_eq!(ada.user, Some(("Ada".to_owned(), "key".to_owned())));
    assert!(ada.banned && ada.max_participants.is_none());
    assert_eq!(store.channels().await.unwrap()[3].id, "den");
}

#[tokio::test]
async fn servers_that_start_together_on_a_new_database_all_succeed() {
    let database = Database::new();
    let stores = futures::future::join_all((0..5).map(|_| connect(&database))).await;
    for store in stores {
        assert_eq!(store.unwrap().channels().await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn tables_that_another_program_made_from_the_same_files_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("united.db");
    let bare = Sqlite::connect(&path).await.unwrap();
    for version in [1, 2] {
        let sql = statement(&sqlite::MIGRATIONS, version);
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql).into_sql_str());
        sql.execute(&bare.pool).await.unwrap();
    }
    execute(
        &bare.pool,
        "INSERT INTO users (id, display_name) VALUES ('u', 'U')",
    )
    .await;
    bare.close().await;
    let store = Store::open(&path).await.unwrap();
    assert!(store.has_user(&user("u")).await.unwrap());
    assert_eq!(store.channels().await.unwrap().len(), 3);
}
