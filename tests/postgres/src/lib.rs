//! Databases of a real PostgreSQL for tests.
//!
//! The first [`Database`] of a process starts a server on a free port of 127.0.0.1, with a data
//! directory of its own. Each test has a database of its own in it. The server ends with the process
//! that started it, however that ends.
//!
//! PostgreSQL must be installed: a test that needs it fails without it. The functions here block for
//! a fraction of a second.

mod programs;
mod server;

use std::{
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use server::Server;

/// The password of the databases. It has characters that a URL must encode.
pub const PASSWORD: &str = "hidden:word/of@tests";

/// [`PASSWORD`] as a URL writes it.
pub const ENCODED_PASSWORD: &str = "hidden%3Aword%2Fof%40tests";

/// The user of the databases, who may do anything.
const USER: &str = "united";

/// The certificate of the server, for 127.0.0.1. It is its own authority.
///
/// # Panics
/// As [`Database::new`].
#[must_use]
pub fn certificate() -> &'static Path {
    &Server::shared().certificate
}

/// An empty database, which is dropped with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
}

impl Database {
    /// Makes a database.
    ///
    /// # Panics
    /// If PostgreSQL is not installed or can't be started.
    #[must_use]
    pub fn new() -> Self {
        Self::with("")
    }

    /// Makes a database with more clauses of `CREATE DATABASE`.
    ///
    /// # Panics
    /// As [`new`](Self::new), or if PostgreSQL refuses.
    #[must_use]
    pub fn with(clauses: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        administer(&format!("CREATE DATABASE {name} {clauses}"));
        Self { name }
    }

    /// The URL, which contains [`ENCODED_PASSWORD`].
    #[must_use]
    pub fn url(&self) -> String {
        let port = Server::shared().port();
        let name = &self.name;
        format!("postgres://{USER}:{ENCODED_PASSWORD}@127.0.0.1:{port}/{name}")
    }

    /// Runs a statement, and returns its rows as text, one to a line, with `|` between columns.
    ///
    /// # Panics
    /// If PostgreSQL refuses.
    pub fn execute(&self, statement: &str) -> String {
        Server::shared().query(&self.name, statement)
    }

    /// Ends all connections, and refuses new ones until [`open`](Self::open).
    ///
    /// # Panics
    /// If PostgreSQL refuses.
    pub fn shut(&self) {
        let name = &self.name;
        administer(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"));
        administer(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        ));
    }

    /// Takes new connections again.
    ///
    /// # Panics
    /// If PostgreSQL refuses.
    pub fn open(&self) {
        let name = &self.name;
        administer(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true"));
    }
}

impl Default for Database {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // The server ends soon. Until then the tests to come need less of the disk.
        if !std::thread::panicking() {
            administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

fn administer(statement: &str) {
    Server::shared().query("postgres", statement);
}
