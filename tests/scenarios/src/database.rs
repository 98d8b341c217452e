//! Changes that an administrator makes to `united.db` while the server runs.

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{Server, User};

impl Server {
    /// Bans a user from a channel, or from everywhere.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn ban(&self, user: &User, channel: Option<&str>) {
        self.execute(
            "INSERT INTO bans (user_id, channel_id) VALUES (?, ?)",
            &[Some(&user.id), channel],
        )
        .await;
    }

    /// Lifts all bans of a user.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn unban(&self, user: &User) {
        self.execute("DELETE FROM bans WHERE user_id = ?", &[Some(&user.id)])
            .await;
    }

    /// Locks the database against writes of others, as another program may, until the returned
    /// connection is dropped.
    ///
    /// # Panics
    /// If the database refuses.
    pub async fn lock_database(&self) -> SqliteConnection {
        let mut database = self.connect().await;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut database)
            .await
            .expect("nobody else writes");
        database
    }

    async fn connect(&self) -> SqliteConnection {
        let file = SqliteConnectOptions::new().filename(self.data_dir().join("united.db"));
        SqliteConnection::connect_with(&file)
            .await
            .expect("the database is there")
    }

    async fn execute(&self, statement: &'static str, values: &[Option<&str>]) {
        let mut database = self.connect().await;
        let mut query = sqlx::query(statement);
        for value in values {
            query = query.bind(value.map(str::to_owned));
        }
        query
            .execute(&mut database)
            .await
            .expect("the statement fits the schema");
        database.close().await.expect("the database closes");
    }
}
