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

/// Each has a thread and a page cache of its own; more would not make SQLite faster.
const CONNECTIONS: u32 = 4;

/// How long a request waits for a connection, and a write for another process's write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    lookups: Lookups,
}

/// What a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Voice.
    Voice,
    /// Text, which this server lists and leaves alone.
    Text,
}

/// A channel as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The id, unique and fit for a URL.
    pub id: String,
    /// The name people see; not unique.
    pub name: String,
    /// What it carries.
    pub kind: ChannelKind,
    /// The hard limit, if there is one.
    pub max_participants: Option<NonZeroU32>,
}

/// All that decides whether a user may join a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admittance {
    /// The channel's kind.
    pub kind: ChannelKind,
    /// The channel's hard limit, if there is one.
    pub max_participants: Option<NonZeroU32>,
    /// The user's name and public key; `None` for an unknown user.
    pub user: Option<(String, String)>,
    /// Whether the user is banned from the channel, or from all.
    pub banned: bool,
}

impl Store {
    /// Opens the database, creating it if it isn't there, and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When the file can't be opened, is no database, or was made by a newer version.
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
            // With a write-ahead log this can lose the last commits in a power failure, but never corrupts the file.
            .synchronous(SqliteSynchronous::Normal)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            // Connections to a file don't go stale.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        let lookups = Lookups::new(pool.clone());
        Ok(Self { pool, lookups })
    }

    /// Waits for what is under way, and closes the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Whether there is such a user. Asked together with whoever else asks, as is [`admittance`](Self::admittance).
    ///
    /// # Errors
    ///
    /// When the database fails, as all the following.
    pub async fn has_user(&self, user: &UserId) -> Result<bool, LookupError> {
        Ok(self.lookups.ask(user, None).await?.has_user)
    }

    /// Makes a user if there is none of that id. A name that is given becomes the user's name in any case; a new user
    /// without one goes by the id.
    ///
    /// # Errors
    ///
    /// When the database fails.
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

    /// The user with that public key, who takes the name; or a new user, always so for an empty key.
    ///
    /// # Errors
    ///
    /// When the database fails.
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
    /// When the database fails.
    pub async fn channels(&self) -> Result<Vec<Channel>, sqlx::Error> {
        sqlx::query("SELECT id, name, kind, CAST(max_participants AS INTEGER) AS max_participants FROM channels ORDER BY rowid")
            .try_map(|row| channel(&row))
            .fetch_all(&self.pool)
            .await
    }

    /// Makes a channel. Its id is the name in letters that suit a URL where that is free, else random.
    ///
    /// # Errors
    ///
    /// When the database fails.
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
    /// When the database fails.
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

    /// What decides whether a user may join a channel, in one look. `None` if there is no such channel.
    ///
    /// # Errors
    ///
    /// When the database fails.
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
            // The table's check lets nothing else in.
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

/// The API writes no limit below 1. One that got into the database by other hands was meant as a limit, so that it is
/// taken for the strictest there is and not for none.
fn limit(value: Option<i64>) -> Option<NonZeroU32> {
    value.map(|value| {
        let value = u32::try_from(value.max(1)).unwrap_or(u32::MAX);
        NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN)
    })
}

/// 128 random bits, as text fit for a URL.
fn random_id() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The name's ASCII letters and digits in lower case, with single hyphens for what lies between. May be empty.
fn slug(name: &str) -> String {
    name.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests;
