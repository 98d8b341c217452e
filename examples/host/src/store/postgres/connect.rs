//! The way to PostgreSQL: the first connection, which brings the tables up to date, and the pool.

use std::{error::Error, io, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{sleep, timeout};

use crate::store::{DatabaseUrl, LOCK_PATIENCE};

/// How long the database may take at the start of the server, its migrations included.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before another attempt to connect.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// The number of connections. PostgreSQL allows 100 in all by default, so there is room for twelve
/// servers.
const CONNECTIONS: u32 = 8;

/// Keeps the database from finishing a query long after its client was told that it failed, for
/// instance one that waits for a lock. The time is [`LOCK_PATIENCE`] in milliseconds.
const LIMIT_QUERIES: &str = "SET statement_timeout = 4000";

/// Why a server can't use a PostgreSQL database. No error shows the URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The database did not answer in time. The source is why the last attempt to connect failed.
    #[error("no answer within {} s", START_PATIENCE.as_secs())]
    NoAnswer(#[source] Option<Reason>),
    /// The database refuses the connection, or the connection has no good TLS.
    #[error("cannot connect")]
    Refused(#[source] Reason),
    /// Names in all languages need UTF-8.
    #[error("the database has the encoding {0}, and must have UTF8")]
    Encoding(String),
    /// A migration failed, or the tables were made by a newer version of the server.
    #[error("cannot bring the tables up to date")]
    Migration(#[source] Reason),
}

type Reason = Box<dyn Error + Send + Sync>;

/// Brings the tables up to date, and returns the pool, which connects when it is used.
pub(super) async fn pool(url: &DatabaseUrl, migrations: &Migrator) -> Result<PgPool, ConnectError> {
    let options = url.options().map_err(refused)?;
    let options = options
        // No query reads floating-point numbers, and PgBouncer refuses this parameter.
        .extra_float_digits(None)
        .disable_statement_logging();
    let mut failure = None;
    let migrated = timeout(START_PATIENCE, migrate(&options, migrations, &mut failure)).await;
    migrated.unwrap_or_else(|_| Err(ConnectError::NoAnswer(failure.map(reason))))?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(LOCK_PATIENCE)
        .test_before_acquire(true)
        .after_connect(|connection, _| {
            Box::pin(async { connection.execute(LIMIT_QUERIES).await.map(drop) })
        });
    Ok(pool.connect_lazy_with(options))
}

async fn migrate(
    options: &PgConnectOptions,
    migrations: &Migrator,
    failure: &mut Option<sqlx::Error>,
) -> Result<(), ConnectError> {
    let mut connection = first_connection(options, failure).await?;
    let encoding: String = sqlx::query_scalar("SHOW server_encoding")
        .fetch_one(&mut connection)
        .await
        .map_err(refused)?;
    if encoding != "UTF8" {
        return Err(ConnectError::Encoding(encoding));
    }
    // Otherwise the database notes at each start that a table exists already.
    let quiet = connection.execute("SET client_min_messages = warning");
    quiet.await.map_err(refused)?;
    let migrated = migrations.run(&mut connection).await;
    migrated.map_err(|error| {
        ConnectError::Migration(match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                reason(error)
            }
            error => error.into(),
        })
    })?;
    // The database ends the connection in any case.
    let _ = connection.close().await;
    Ok(())
}

/// Connects, and tries again while the database starts.
async fn first_connection(
    options: &PgConnectOptions,
    failure: &mut Option<sqlx::Error>,
) -> Result<PgConnection, ConnectError> {
    loop {
        match options.connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) if may_pass(&error) => *failure = Some(error),
            Err(error) => return Err(refused(error)),
        }
        sleep(TRY_AGAIN).await;
    }
}

/// Whether a later attempt to connect may succeed.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        // A file of the URL that is missing, such as a certificate, is an error of the same kind.
        sqlx::Error::Io(error) => error.kind() != io::ErrorKind::NotFound,
        // `too_many_connections` and `cannot_connect_now`.
        sqlx::Error::Database(error) => {
            matches!(error.code().as_deref(), Some("53300" | "57P03"))
        }
        _ => false,
    }
}

fn refused(error: sqlx::Error) -> ConnectError {
    ConnectError::Refused(reason(error))
}

/// The innermost error. The driver's own errors write it too, so it would stand there twice.
fn reason(error: sqlx::Error) -> Reason {
    match error {
        sqlx::Error::Io(error) => error.into(),
        // The driver would add a line number of PostgreSQL's own source.
        sqlx::Error::Database(error) => error.message().into(),
        sqlx::Error::Tls(error) => error,
        error => error.into(),
    }
}
