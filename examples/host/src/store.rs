//! Users, channels and bans, in SQLite.

mod database;
mod lookups;

use std::{io, num::NonZeroU32, path::Path};

use serde::{Deserialize, Serialize};
use sqlx::{
    Row as _, SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::SqliteRow,
};
use united_voice_core::{ChannelId, UserId};

pub use self::lookups::LookupError;
use self::{database::soon, lookups::Lookups};
use crate::{LoginKey, names};

/// Those that a database lacks are run in their order, whatever later ones it has. So numbers may
/// be left free for a later version of the server.
static MIGRATIONS: Migrator = sqlx::migrate!();

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
        Ok(Self::over(database::open(path).await?))
    }

    fn over(pool: SqlitePool) -> Self {
        let lookups = Lookups::new(pool.clone());
        Self { pool, lookups }
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
    /// name of a new user without one is made from the id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn put_user(&self, user: &UserId, name: Option<&str>) -> Result<(), sqlx::Error> {
        let query = sqlx::query(
            "INSERT INTO users (id, display_name) VALUES (?1, coalesce(?2, ?3))
             ON CONFLICT (id) DO UPDATE SET display_name = coalesce(?2, display_name)",
        );
        let query = query
            .bind(user.as_str())
            .bind(name)
            .bind(names::of_id(user));
        soon(query.execute(&self.pool)).await?;
        Ok(())
    }

    /// The id of the user with that login key, who gets this name and public key. If there is none,
    /// or no key is given, of a new user.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn sign_in(
        &self,
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
        let query = query
            .bind(random_id()?)
            .bind(name)
            .bind(pubkey)
            .bind(key.map(LoginKey::hash));
        let ids = soon(query.fetch_all(&self.pool)).await?;
        committed(ids).ok_or(sqlx::Error::RowNotFound)
    }

    /// All channels, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn channels(&self) -> Result<Vec<Channel>, sqlx::Error> {
        let query = sqlx::query("SELECT id, name, kind, CAST(max_participants AS INTEGER) AS max_participants FROM channels ORDER BY rowid")
            .try_map(|row| channel(&row));
        soon(query.fetch_all(&self.pool)).await
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
            let query = sqlx::query(
                "INSERT INTO channels (id, name, kind, max_participants) SELECT ?1, ?2, ?3, ?4 WHERE ?1 <> ''
                 ON CONFLICT (id) DO NOTHING
                 RETURNING id, name, kind, max_participants",
            )
            .bind(id)
            .bind(name)
            .bind(kind.as_str())
            .bind(max_participants.map(|limit| i64::from(limit.get())))
            .try_map(|row| channel(&row));
            let created = soon(query.fetch_all(&self.pool)).await?;
            if let Some(created) = committed(created) {
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
        let query = sqlx::query("UPDATE channels SET max_participants = ? WHERE id = ? RETURNING id, name, kind, max_participants")
            .bind(max_participants.map(|limit| i64::from(limit.get())))
            .bind(id)
            .try_map(|row| channel(&row));
        Ok(committed(soon(query.fetch_all(&self.pool)).await?))
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

/// The row that a write has returned.
///
/// SQLite returns the rows first, and commits when it is asked for one more. So whoever takes the
/// first row alone never learns that the disk was full. All rows of a write must be fetched.
fn committed<T>(rows: Vec<T>) -> Option<T> {
    rows.into_iter().next()
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
