//! The queries to SQLite.

mod file;

use std::path::Path;

use serde::Deserialize;
use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
};
use united_voice_core::UserId;

use super::{
    ChannelRow,
    answer::{Answer, AnswerRow},
    committed,
};
use crate::LoginKey;

/// Those that a database lacks are run in their order, whatever later ones it has. So numbers may
/// be left free for a later version of the server. `migrations/postgres` has the same numbers.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Returns one [`Numbered`] answer for each question. A question is a pair of user and channel. The
/// channel is null if only the user is asked for, and no channel has that id.
///
/// The answers come back as one value, because each row would be a message of its own between
/// SQLite's thread and ours.
const LOOK_UP: &str = "
    SELECT json_group_array(json_array(
        asked.key, u.display_name, u.pubkey, c.kind, CAST(c.max_participants AS INTEGER),
        EXISTS (SELECT 1 FROM bans b
                WHERE b.user_id = u.id AND (b.channel_id IS NULL OR b.channel_id = c.id))))
    FROM json_each(?) AS asked
    LEFT JOIN users u ON u.id = asked.value ->> 0
    LEFT JOIN channels c ON c.id = asked.value ->> 1";

/// A file of SQLite. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    pub(super) pool: SqlitePool,
}

/// The number of the question, and its [`AnswerRow`]. SQLite has no booleans.
#[derive(Deserialize)]
struct Numbered(
    usize,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    u8,
);

impl Sqlite {
    pub(super) async fn open(path: &Path) -> Result<Self, MigrateError> {
        let database = Self::connect(path).await?;
        MIGRATIONS.run(&database.pool).await?;
        Ok(database)
    }

    pub(super) async fn connect(path: &Path) -> Result<Self, sqlx::Error> {
        let pool = file::open(path).await?;
        Ok(Self { pool })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) async fn put_user(
        &self,
        user: &UserId,
        name: Option<&str>,
        default: &str,
    ) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO users (id, display_name) VALUES (?1, coalesce(?2, ?3))
             ON CONFLICT (id) DO UPDATE SET display_name = coalesce(?2, display_name)",
        );
        let query = query.bind(user.as_str()).bind(name).bind(default);
        query.execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn sign_in(
        &self,
        new: &str,
        name: &str,
        pubkey: &str,
        key: Option<&LoginKey>,
    ) -> Result<String, sqlx::Error> {
        let query = sqlx::query_scalar(
            "INSERT INTO users (id, display_name, pubkey, login_key) VALUES (?, ?, ?, ?)
             ON CONFLICT (login_key) WHERE login_key IS NOT NULL
             DO UPDATE SET display_name = excluded.display_name, pubkey = excluded.pubkey
             RETURNING id",
        );
        let query = query.bind(new).bind(name).bind(pubkey);
        let ids = query.bind(key.map(LoginKey::hash)).fetch_all(&self.pool);
        committed(ids.await?).ok_or(sqlx::Error::RowNotFound)
    }

    pub(super) async fn channels(&self) -> Result<Vec<ChannelRow>, sqlx::Error> {
        let query = sqlx::query_as(
            "SELECT id, name, kind, CAST(max_participants AS INTEGER) FROM channels ORDER BY rowid",
        );
        query.fetch_all(&self.pool).await
    }

    /// `None` if the id is taken.
    pub(super) async fn insert_channel(
        &self,
        id: &str,
        name: &str,
        kind: &str,
        max_participants: Option<i64>,
    ) -> Result<Option<ChannelRow>, sqlx::Error> {
        let query = sqlx::query_as(
            "INSERT INTO channels (id, name, kind, max_participants) VALUES (?, ?, ?, ?)
             ON CONFLICT (id) DO NOTHING
             RETURNING id, name, kind, max_participants",
        );
        let query = query.bind(id).bind(name).bind(kind).bind(max_participants);
        Ok(committed(query.fetch_all(&self.pool).await?))
    }

    /// `None` if there is no such channel.
    pub(super) async fn limit_channel(
        &self,
        id: &str,
        max_participants: Option<i64>,
    ) -> Result<Option<ChannelRow>, sqlx::Error> {
        let query = sqlx::query_as(
            "UPDATE channels SET max_participants = ? WHERE id = ?
             RETURNING id, name, kind, max_participants",
        );
        let query = query.bind(max_participants).bind(id);
        Ok(committed(query.fetch_all(&self.pool).await?))
    }

    /// Asks all in one query, and returns one answer for each question in the same order.
    pub(super) async fn look_up(
        &self,
        questions: &[(&str, Option<&str>)],
    ) -> Result<Vec<Answer>, sqlx::Error> {
        let questions = serde_json::to_string(questions).expect("texts have a JSON form");
        let query = sqlx::query_scalar(LOOK_UP).bind(questions);
        let rows: String = query.fetch_one(&self.pool).await?;
        let rows = serde_json::from_str(&rows);
        let mut rows: Vec<Numbered> = rows.map_err(|error| sqlx::Error::Decode(error.into()))?;
        // An aggregate promises no order.
        rows.sort_unstable_by_key(|row| row.0);
        Ok(rows.into_iter().map(Answer::from).collect())
    }
}

impl From<Numbered> for Answer {
    fn from(Numbered(_, name, pubkey, kind, max_participants, banned): Numbered) -> Self {
        let row: AnswerRow = (name, pubkey, kind, max_participants, banned != 0);
        row.into()
    }
}
