//! A file of SQLite that fails. No write that failed may be told as a success.

use std::time::Instant;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use super::*;

async fn fresh() -> (tempfile::TempDir, Store, SqlitePool) {
    let Fixture { store, place } = Fixture::sqlite().await;
    match (&store.backend, place) {
        (Backend::Sqlite(database), Place::File(dir)) => {
            let pool = database.pool.clone();
            (dir, store, pool)
        }
        _ => unreachable!("the fixture is of SQLite"),
    }
}

/// One error for each way to write.
pub(super) async fn write_errors(store: &Store) -> [Option<String>; 4] {
    let key = LoginKey::new("0123456789abcdef").unwrap();
    let said = |error: Option<sqlx::Error>| error.map(|error| error.to_string());
    [
        said(store.put_user(&user("ada"), Some("Ada")).await.err()),
        said(store.sign_in("Ada", "", Some(&key)).await.err()),
        said(
            store
                .create_channel("den", ChannelKind::Voice, None)
                .await
                .err(),
        ),
        said(
            store
                .set_max_participants("general", NonZeroU32::new(3))
                .await
                .err(),
        ),
    ]
}

/// The commit is the last step, after the rows of `RETURNING`.
#[tokio::test]
async fn a_commit_that_fails_is_an_error() {
    let (_dir, store, pool) = fresh().await;
    execute(
        &pool,
        "CREATE TABLE orphans (parent TEXT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER a AFTER INSERT ON users BEGIN INSERT INTO orphans VALUES ('none'); END;
         CREATE TRIGGER b AFTER INSERT ON channels BEGIN INSERT INTO orphans VALUES ('none'); END;
         CREATE TRIGGER c AFTER UPDATE ON channels BEGIN INSERT INTO orphans VALUES ('none'); END;",
    )
    .await;
    for error in write_errors(&store).await {
        let error = error.expect("the commit failed");
        assert!(error.contains("FOREIGN KEY constraint failed"), "{error}");
    }
    assert_eq!(store.channels().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_database_that_may_only_be_read_is_an_error() {
    let (dir, store, _) = fresh().await;
    store.close().await;
    let options = SqliteConnectOptions::new().filename(dir.path().join("united.db"));
    let pool = SqlitePoolOptions::new().connect_with(options.read_only(true));
    let pool = pool.await.unwrap();
    let store = Store::over(Backend::Sqlite(Sqlite { pool }));
    for error in write_errors(&store).await {
        let error = error.expect("nothing was written");
        assert!(error.contains("readonly database"), "{error}");
    }
    assert_eq!(store.channels().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_database_that_another_program_has_locked_is_an_error_in_time() {
    let (_dir, store, pool) = fresh().await;
    let mut other = pool.acquire().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *other)
        .await
        .unwrap();
    let begun = Instant::now();
    let error = store.put_user(&user("ada"), None).await.unwrap_err();
    assert!(error.to_string().contains("database is locked"), "{error}");
    assert!(
        begun.elapsed() > Duration::from_secs(3),
        "it waits for the other program"
    );
    assert_eq!(store.channels().await.unwrap().len(), 3, "reading goes on");
    sqlx::query("ROLLBACK").execute(&mut *other).await.unwrap();
    store.put_user(&user("ada"), None).await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_made_again() {
    let (dir, store, _) = fresh().await;
    let (path, aside) = (dir.path().join("united.db"), dir.path().join("aside"));
    store.put_user(&user("ada"), None).await.unwrap();
    std::fs::rename(&path, &aside).unwrap();
    for _ in 0..20 {
        store.has_user(&user("ada")).await.unwrap_err();
        store.channels().await.unwrap_err();
    }
    assert!(write_errors(&store).await.iter().all(Option::is_some));
    assert!(!path.exists());

    std::fs::rename(&aside, &path).unwrap();
    for _ in 0..20 {
        assert!(store.has_user(&user("ada")).await.unwrap());
        assert_eq!(store.channels().await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_is_the_one_that_counts() {
    let (dir, store, pool) = fresh().await;
    let (other_dir, other, _) = fresh().await;
    other.put_user(&user("bob"), None).await.unwrap();
    other.close().await;
    // More than one connection is open.
    let (first, second) = tokio::join!(pool.acquire(), pool.acquire());
    drop((first.unwrap(), second.unwrap()));
    // A write-ahead log belongs to its file.
    for log in ["united.db-wal", "united.db-shm"] {
        std::fs::remove_file(dir.path().join(log)).unwrap();
    }
    std::fs::rename(
        other_dir.path().join("united.db"),
        dir.path().join("united.db"),
    )
    .unwrap();
    for _ in 0..20 {
        assert!(store.has_user(&user("bob")).await.unwrap());
        store.put_user(&user("ada"), None).await.unwrap();
    }
}
