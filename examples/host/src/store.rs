//! Users, channels and bans, in SQLite.

mod lookups;

use std::{io, num::NonZeroU32, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use sqlx::{
    ConnectOptions as _, Row as _, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
    },
};
use united_voice_core::{ChannelId, UserId};

pub use self::lookups::LookupError;
use self::lookups::Lookups;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The number of connections. Each has a thread and a page cache of its own, and more would not
/// make SQLite faster.
const CONNECTIONS: u32 = 4;

/// How long a request waits for a connection, and a write for another process's write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    lookups: Lookups,
}

/// The kind of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Voice.
    Voice,
    /// Text. This server lists the channel but carries no text.
    Text,
}

/// A channel as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The id, which is unique and can stand in a URL.
    pub id: String,
    /// The name that people see. It need not be unique.
    pub name: String,
    /// The kind.
    pub kind: ChannelKind,
    /// The hard limit, if there is one.
    pub max_participants: Option<NonZeroU32>,
}

/// The facts that decide whether a user may join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admittance {
    /// The channel's kind.
    pub kind: ChannelKind,
    /// The channel's hard limit, if there is one.
    pub max_participants: Option<NonZeroU32>,
    /// The user's name and public key; `None` for an unknown user.
    pub user: Option<(String, String)>,
    /// Whether the user is banned from the channel, or from every channel.
    pub banned: bool,
}

impl Store {
    /// Opens the database and brings its tables up to date. A file that does not exist is created.
    ///
    /// # Errors
    ///
    /// If the file can't be opened, is not a database, or was made by a newer version.
    pub async fn open(path: &Path) -> Result<Self, MigrateError> {
        let store = Self::connect(path).await?;
        MIGRATIONS.run(&store.pool).await?;
        Ok(store)
    }

    async fn connect(path: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // With a write-ahead log, a power failure can cost the last commits, but can't corrupt
            // the file.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            // A connection to a file can't break, so it needs no test before use.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        let lookups = Lookups::new(pool.clone());
        Ok(Self { pool, lookups })
    }

    /// Waits for the queries that are running, and closes the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether there is such a user. One query answers all calls that wait at the same time, as
    /// with [`admittance`](Self::admittance).
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn has_user(&self, user: &UserId) -> Result<bool, LookupError> {
        Ok(self.lookups.ask(user, None).await?.has_user)
    }

    /// Makes a user if the id is new. A name that is given becomes the user's name in any case. The
    /// name of a new user without one is the id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn put_user(&self, user: &UserId, name: Option<&str>) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO users (id, display_name) VALUES (?1, coalesce(?2, ?1))
             ON CONFLICT (id) DO UPDATE SET display_name = coalesce(?2, display_name)",
        )
        .bind(user.as_str())
        .bind(name)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The user with that public key, after a change of the name. If there is none, or if the key
    /// is empty, a new user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sign_in(&self, name: &str, pubkey: &str) -> Result<String, sqlx::Error> {
        sqlx::query_scalar(
            "INSERT INTO users (id, display_name, pubkey) VALUES (?, ?, ?)
             ON CONFLICT (pubkey) WHERE pubkey <> '' DO UPDATE SET display_name = excluded.display_name
             RETURNING id",
        )
        .bind(random_id()?)
        .bind(name)
        .bind(pubkey)
        .fetch_one(&self.pool)
        .await
    }

    /// All channels, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn channels(&self) -> Result<Vec<Channel>, sqlx::Error> {
        sqlx::query("SELECT id, name, kind, CAST(max_participants AS INTEGER) AS max_participants FROM channels ORDER BY rowid")
            .try_map(|row| channel(&row))
            .fetch_all(&self.pool)
            .await
    }

    /// Makes a channel. Its id is the name, in letters that can stand in a URL. If that id is
    /// taken, it is random.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn create_channel(
        &self,
        name: &str,
        kind: ChannelKind,
        max_participants: Option<NonZeroU32>,
    ) -> Result<Channel, sqlx::Error> {
        for id in [slug(name), random_id()?] {
            let created = sqlx::query(
                "INSERT INTO channels (id, name, kind, max_participants) SELECT ?1, ?2, ?3, ?4 WHERE ?1 <> ''
                 ON CONFLICT (id) DO NOTHING
                 RETURNING id, name, kind, max_participants",
            )
            .bind(id)
            .bind(name)
            .bind(kind.as_str())
            .bind(max_participants.map(|limit| i64::from(limit.get())))
            .try_map(|row| channel(&row))
            .fetch_optional(&self.pool)
            .await?;
            if let Some(created) = created {
                return Ok(created);
            }
        }
        Err(sqlx::Error::Io(io::Error::other(
            "a random id of 128 bits was taken",
        )))
    }

    /// Sets or clears a channel's hard limit. `None` if there is no such channel.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn set_max_participants(
        &self,
        id: &str,
        max_participants: Option<NonZeroU32>,
    ) -> Result<Option<Channel>, sqlx::Error> {
        sqlx::query("UPDATE channels SET max_participants = ? WHERE id = ? RETURNING id, name, kind, max_participants")
            .bind(max_participants.map(|limit| i64::from(limit.get())))
            .bind(id)
            .try_map(|row| channel(&row))
            .fetch_optional(&self.pool)
            .await
    }

    /// The facts that decide whether a user may join a channel, in one query. `None` if there is no
    /// such channel.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn admittance(
        &self,
        user: &UserId,
        channel: &ChannelId,
    ) -> Result<Option<Admittance>, LookupError> {
        Ok(self.lookups.ask(user, Some(channel)).await?.admittance)
    }
}

impl ChannelKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Voice => "voice",
            Self::Text => "text",
        }
    }

    fn from_text(text: &str) -> Self {
        match text {
            "voice" => Self::Voice,
            // A check of the table allows no third kind.
            _ => Self::Text,
        }
    }
}

fn channel(row: &SqliteRow) -> Result<Channel, sqlx::Error> {
    Ok(Channel {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        kind: ChannelKind::from_text(row.try_get("kind")?),
        max_participants: limit(row.try_get("max_participants")?),
    })
}

/// The API writes no limit below 1. If another program has stored one, it was meant as a limit, so
/// it counts as the strictest limit and not as none.
fn limit(value: Option<i64>) -> Option<NonZeroU32> {
    value.map(|value| {
        let value = u32::try_from(value.max(1)).unwrap_or(u32::MAX);
        NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)
    })
}

/// 128 random bits, as text that can stand in a URL.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The name's ASCII letters and digits in lower case, with one hyphen for each run of other
/// characters. May be empty.
fn slug(name: &str) -> String {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests;
