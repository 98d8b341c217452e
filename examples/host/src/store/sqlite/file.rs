//! The connections to the database file.
//!
//! The file is made when the server starts, and never again: if somebody deletes it under the
//! server, an empty one in its place would answer that nobody exists. Until there is a file again,
//! every query fails.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use sqlx::{
    ConnectOptions as _, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::store::{LOCK_PATIENCE, PATIENCE};

/// The number of connections. Each has a thread and a page cache of its own, and more would not
/// make SQLite faster.
const CONNECTIONS: u32 = 4;

/// Opens the file, which is made if there is none.
pub(super) async fn open(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // With a write-ahead log, a power failure can cost the last commits, but can't corrupt
        // the file.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .busy_timeout(LOCK_PATIENCE)
        .disable_statement_logging();
    let file = Arc::new(WatchedFile::new(path));
    let pool = SqlitePoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(LOCK_PATIENCE)
        // Otherwise the pool writes a warning for each query that waits for 2 s.
        .acquire_slow_threshold(PATIENCE)
        // A connection to a file can't break, so it needs no test before use, except whether it is
        // still the file that the path names.
        .test_before_acquire(false)
        .before_acquire(move |_, meta| {
            let opened = Instant::now().checked_sub(meta.age);
            let is_current = opened.is_some_and(|opened| file.is_current(opened));
            Box::pin(async move { Ok(is_current) })
        })
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone().create_if_missing(true))
        .await?;
    pool.set_connect_options(options.create_if_missing(false));
    Ok(pool)
}

/// The file that the path names, which may be another than the one that was opened.
#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// `None` if the path names no file.
    identity: Option<Identity>,
    since: Instant,
}

impl WatchedFile {
    /// Watches a file that is opened afterwards.
    fn new(path: &Path) -> Self {
        let since = Instant::now();
        Self {
            path: path.to_owned(),
            seen: Mutex::new(Seen {
                identity: None,
                since,
            }),
        }
    }

    /// Whether a connection that was opened at that time is one to the file that the path names
    /// now.
    fn is_current(&self, opened: Instant) -> bool {
        let identity = identity(&self.path);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.identity != identity {
            // The first look finds the file that was opened a moment ago.
            let is_first = seen.identity.is_none() && opened >= seen.since;
            seen.identity = identity;
            if !is_first {
                seen.since = Instant::now();
            }
        }
        seen.identity.is_some() && opened >= seen.since
    }
}

#[cfg(unix)]
type Identity = (u64, u64);

/// What distinguishes the file from another of the same name.
#[cfg(unix)]
fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let file = path.metadata().ok()?;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
type Identity = ();

/// Whether there is a file. On this system nobody can delete one that is open.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<Identity> {
    path.metadata().ok().map(|_| ())
}
