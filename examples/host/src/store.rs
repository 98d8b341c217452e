//! Users, channels and bans, in SQLite or PostgreSQL.

mod answer;
mod database_url;
mod lookups;
mod postgres;
mod sqlite;

use std::{future::Future, io, num::NonZeroU32, path::Path, time::Duration};

use serde::{Deserialize, Serialize};
use sqlx::migrate::MigrateError;
use tokio::time::timeout;
use united_voice_core::{ChannelId, UserId};

pub use self::{
    answer::Admittance,
    database_url::{DatabaseUrl, DatabaseUrlError},
    lookups::LookupError,
    postgres::ConnectError,
};
use self::{lookups::Lookups, postgres::Postgres, sqlite::Sqlite};
use crate::{LoginKey, names};

/// How long a query waits for a connection, and for a lock that another program holds.
const LOCK_PATIENCE: Duration = Duration::from_secs(4);

/// How long a query may take, so that each request is answered within 5 s.
const PATIENCE: Duration = Duration::from_millis(4500);

/// The database. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    backend: Backend,
    lookups: Lookups,
}

/// The program that keeps the data. Both have the same tables and answer alike.
#[derive(Clone, Debug)]
enum Backend {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// Runs the query of either back end. Both have methods of the same names.
macro_rules! on {
    ($backend:expr, $database:ident => $query:expr) => {
        match $backend {
            Backend::Sqlite($database) => soon($query).await,
            Backend::Postgres($database) => soon($query).await,
        }
    };
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

/// Id, name, kind and limit of a channel.
type ChannelRow = (String, String, String, Option<i64>);

impl Store {
    /// The largest hard limit of a channel. PostgreSQL's `INTEGER` has 32 bits and a sign.
    pub const MAX_PARTICIPANTS: u32 = i32::MAX.cast_unsigned();

    /// Opens a file of SQLite and brings its tables up to date. A file that does not exist is
    /// created.
    ///
    /// # Errors
    ///
    /// If the file can't be opened, is not a database, or was made by a newer version.
    pub async fn open(path: &Path) -> Result<Self, MigrateError> {
        Ok(Self::over(Backend::Sqlite(Sqlite::open(path).await?)))
    }

    /// Connects to PostgreSQL and brings the tables up to date. Servers that start together wait
    /// for each other.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the database refuses, does not answer within 10 s, or was made by a
    /// newer version. No error shows the URL.
    pub async fn connect(url: &DatabaseUrl) -> Result<Self, ConnectError> {
        Ok(Self::over(Backend::Postgres(Postgres::connect(url).await?)))
    }

    fn over(backend: Backend) -> Self {
        let lookups = Lookups::new(&backend);
        Self { backend, lookups }
    }

    /// Waits for the queries that are running, and closes the database.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Sqlite(database) => database.close().await,
            Backend::Postgres(database) => database.close().await,
        }
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
    /// If the database fails. PostgreSQL does so if the id contains U+0000.
    pub async fn put_user(&self, user: &UserId, name: Option<&str>) -> Result<(), sqlx::Error> {
        let default = names::of_id(user);
        on!(&self.backend, database => database.put_user(user, name, &default))
    }

    /// The id of the user with that login key, who gets this name and public key. If there is none,
    /// or no key is given, of a new user.
    ///
    /// # Errors
    ///
    /// If the database fails. PostgreSQL does so if a text contains U+0000.
    pub async fn sign_in(
        &self,
        name: &str,
        pubkey: &str,
        key: Option<&LoginKey>,
    ) -> Result<String, sqlx::Error> {
        let new = random_id()?;
        on!(&self.backend, database => database.sign_in(&new, name, pubkey, key))
    }

    /// All channels, oldest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn channels(&self) -> Result<Vec<Channel>, sqlx::Error> {
        let rows = on!(&self.backend, database => database.channels())?;
        Ok(rows.into_iter().map(Channel::from).collect())
    }

    /// Makes a channel. Its id is the name, in letters that can stand in a URL. If that id is
    /// taken, it is random.
    ///
    /// # Errors
    ///
    /// If the database fails. PostgreSQL does so if the limit is above
    /// [`MAX_PARTICIPANTS`](Self::MAX_PARTICIPANTS), or the name contains U+0000.
    pub async fn create_channel(
        &self,
        name: &str,
        kind: ChannelKind,
        max_participants: Option<NonZeroU32>,
    ) -> Result<Channel, sqlx::Error> {
        let limit = max_participants.map(|limit| i64::from(limit.get()));
        for id in [slug(name), random_id()?] {
            if id.is_empty() {
                continue;
            }
            let created = on!(&self.backend, database => {
                database.insert_channel(&id, name, kind.as_str(), limit)
            })?;
            if let Some(row) = created {
                return Ok(row.into());
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
    /// If the database fails. PostgreSQL does so if the limit is above
    /// [`MAX_PARTICIPANTS`](Self::MAX_PARTICIPANTS).
    pub async fn set_max_participants(
        &self,
        id: &str,
        max_participants: Option<NonZeroU32>,
    ) -> Result<Option<Channel>, sqlx::Error> {
        let limit = max_participants.map(|limit| i64::from(limit.get()));
        let changed = on!(&self.backend, database => database.limit_channel(id, limit))?;
        Ok(changed.map(Channel::from))
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

impl From<ChannelRow> for Channel {
    fn from((id, name, kind, max_participants): ChannelRow) -> Self {
        Self {
            id,
            name,
            kind: ChannelKind::from_text(&kind),
            max_participants: limit(max_participants),
        }
    }
}

/// Waits for a query for at most [`PATIENCE`].
async fn soon<T>(query: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    timeout(PATIENCE, query)
        .await
        .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
}

/// The row that a write has returned.
///
/// Both databases return the rows first, and commit when they are asked for one more. So whoever
/// takes the first row alone never learns that the commit failed. All rows of a write must be
/// fetched.
fn committed<T>(rows: Vec<T>) -> Option<T> {
    rows.into_iter().next()
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
