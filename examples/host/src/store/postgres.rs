//! The queries to PostgreSQL.

mod connect;

use sqlx::{
    FromRow, PgPool,
    migrate::Migrator,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};
use united_voice_core::UserId;

pub use self::connect::ConnectError;
use super::{
    ChannelRow, DatabaseUrl,
    answer::{Answer, AnswerRow},
    committed,
};
use crate::LoginKey;

/// The numbers are those of `migrations/sqlite`, and the same rules hold.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Returns one [`AnswerRow`] for each question, in their order. An id that is null has no match.
///
/// A limit is read with 64 bits, since the type of the driver must be that of the column.
const LOOK_UP: &str = "
    SELECT u.display_name, u.pubkey, c.kind, c.max_participants::bigint,
        EXISTS (SELECT 1 FROM bans b
                WHERE b.user_id = u.id AND (b.channel_id IS NULL OR b.channel_id = c.id))
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (user_id, channel_id, number)
    LEFT JOIN users u ON u.id = asked.user_id
    LEFT JOIN channels c ON c.id = asked.channel_id
    ORDER BY asked.number";

/// A database of PostgreSQL. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Postgres {
    pub(super) pool: PgPool,
}

impl Postgres {
    pub(super) async fn connect(url: &DatabaseUrl) -> Result<Self, ConnectError> {
        let pool = connect::pool(url, &MIGRATIONS).await?;
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
        let query = sqlx::query_as::<_, (String,)>(
            "INSERT INTO users (id, display_name) VALUES ($1, coalesce($2, $3))
             ON CONFLICT (id) DO UPDATE SET display_name = coalesce($2, users.display_name)
             RETURNING id",
        );
        let query = query.bind(user.as_str()).bind(name).bind(default);
        self.rows(query).await?;
        Ok(())
    }

    pub(super) async fn sign_in(
        &self,
        new: &str,
        name: &str,
        pubkey: &str,
        key: Option<&LoginKey>,
    ) -> Result<String, sqlx::Error> {
        let query = sqlx::query_as(
            "INSERT INTO users (id, display_name, pubkey, login_key) VALUES ($1, $2, $3, $4)
             ON CONFLICT (login_key) WHERE login_key IS NOT NULL
             DO UPDATE SET display_name = excluded.display_name, pubkey = excluded.pubkey
             RETURNING id",
        );
        let query = query.bind(new).bind(name).bind(pubkey);
        let ids = self.rows(query.bind(key.map(LoginKey::hash))).await?;
        let (id,) = committed(ids).ok_or(sqlx::Error::RowNotFound)?;
        Ok(id)
    }

    pub(super) async fn channels(&self) -> Result<Vec<ChannelRow>, sqlx::Error> {
        self.rows(sqlx::query_as(
            "SELECT id, name, kind, max_participants::bigint FROM channels ORDER BY position",
        ))
        .await
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
            "INSERT INTO channels (id, name, kind, max_participants) VALUES ($1, $2, $3, $4)
             ON CONFLICT (id) DO NOTHING
             RETURNING id, name, kind, max_participants::bigint",
        );
        let query = query.bind(id).bind(name).bind(kind).bind(max_participants);
        Ok(committed(self.rows(query).await?))
    }

    /// `None` if there is no such channel.
    pub(super) async fn limit_channel(
        &self,
        id: &str,
        max_participants: Option<i64>,
    ) -> Result<Option<ChannelRow>, sqlx::Error> {
        let query = sqlx::query_as(
            "UPDATE channels SET max_participants = $1 WHERE id = $2
             RETURNING id, name, kind, max_participants::bigint",
        );
        let query = query.bind(max_participants).bind(storable(id));
        Ok(committed(self.rows(query).await?))
    }

    /// Asks all in one query, and returns one answer for each question in the same order.
    pub(super) async fn look_up(
        &self,
        questions: &[(&str, Option<&str>)],
    ) -> Result<Vec<Answer>, sqlx::Error> {
        let (users, channels): (Vec<_>, Vec<_>) = questions
            .iter()
            .map(|(user, channel)| (storable(user), channel.and_then(storable)))
            .unzip();
        let query = sqlx::query_as(LOOK_UP).bind(users).bind(channels);
        let rows: Vec<AnswerRow> = self.rows(query).await?;
        Ok(rows.into_iter().map(Answer::from).collect())
    }

    async fn rows<R>(
        &self,
        query: QueryAs<'_, sqlx::Postgres, R, PgArguments>,
    ) -> Result<Vec<R>, sqlx::Error>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let mut lease = Lease {
            connection: self.pool.acquire().await?,
            is_waiting: true,
        };
        let rows = query.fetch_all(&mut *lease.connection).await;
        lease.is_waiting = false;
        rows
    }
}

/// A connection of the pool. It is closed instead of given back if it still waits for the answer to
/// a query, since the database may be gone without a word. The pool would wait for that answer too,
/// and the connection would be missing until TCP gives up, a quarter of an hour later.
struct Lease {
    connection: PoolConnection<sqlx::Postgres>,
    is_waiting: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.is_waiting {
            self.connection.close_on_drop();
        }
    }
}

/// `None` for an id that is in no table: PostgreSQL's texts have no U+0000.
fn storable(id: &str) -> Option<&str> {
    (!id.contains('\0')).then_some(id)
}
