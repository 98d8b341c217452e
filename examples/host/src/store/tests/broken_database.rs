//! A PostgreSQL that fails, or refuses to begin with.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use united_voice_postgres::{ENCODED_PASSWORD, PASSWORD};

use super::{broken_file::write_errors, *};

/// What a request may take, and what a busy machine adds.
const LIMIT: Duration = Duration::from_secs(15);

async fn fresh() -> (Database, Store) {
    let Fixture { store, place } = Fixture::postgres().await;
    match place {
        Place::Database(database) => (database, store),
        Place::File(_) => unreachable!("the fixture is of PostgreSQL"),
    }
}

async fn eventually(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !probe().await {
        assert!(begun.elapsed() < 2 * LIMIT, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The whole chain of an error, as the server writes it. It must not show the password.
fn said(error: ConnectError) -> String {
    let shown = format!("{error:?}");
    let said = format!("{:#}", anyhow::Error::from(error));
    for text in [&shown, &said] {
        assert!(
            !text.contains(PASSWORD) && !text.contains(ENCODED_PASSWORD),
            "{text}"
        );
    }
    said
}

async fn refusal(url: &str) -> String {
    said(Store::connect(&url.parse().unwrap()).await.unwrap_err())
}

#[tokio::test]
async fn a_commit_that_fails_is_an_error() {
    let (database, store) = fresh().await;
    database.execute(
        "CREATE TABLE orphans (parent text REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE FUNCTION orphan() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN INSERT INTO orphans VALUES ('none'); RETURN NULL; END $$;
         CREATE TRIGGER a AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION orphan();
         CREATE TRIGGER b AFTER INSERT ON channels FOR EACH ROW EXECUTE FUNCTION orphan();
         CREATE TRIGGER c AFTER UPDATE ON channels FOR EACH ROW EXECUTE FUNCTION orphan();",
    );
    for error in write_errors(&store).await {
        let error = error.expect("the commit failed");
        assert!(error.contains("violates foreign key constraint"), "{error}");
    }
    assert_eq!(store.channels().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_limit_that_the_column_cannot_hold_is_an_error() {
    let (_database, store) = fresh().await;
    let limit = NonZeroU32::new(Store::MAX_PARTICIPANTS + 1);
    let created = store.create_channel("den", ChannelKind::Voice, limit).await;
    let changed = store.set_max_participants("general", limit).await;
    for error in [created.map(Some).unwrap_err(), changed.unwrap_err()] {
        assert!(error.to_string().contains("out of range"), "{error}");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_an_error_in_time_until_it_is_back() {
    let (database, store) = fresh().await;
    store.put_user(&user("ada"), None).await.unwrap();
    database.shut();
    let begun = Instant::now();
    let (errors, ada) = (write_errors(&store), user("ada"));
    let (errors, known) = tokio::join!(errors, store.has_user(&ada));
    assert!(errors.iter().all(Option::is_some), "{errors:?}");
    known.unwrap_err();
    // Four writes come one after the other.
    assert!(begun.elapsed() < 4 * LIMIT, "{:?}", begun.elapsed());
    database.open();
    eventually("the database is back", async || {
        store.has_user(&user("ada")).await.is_ok_and(|known| known)
    })
    .await;
    assert!(write_errors(&store).await.iter().all(Option::is_none));
}

/// Locks the users until the returned connection is dropped.
async fn lock_users(database: &Database) -> sqlx::PgConnection {
    use sqlx::{Connection as _, Executor as _};
    let mut other = sqlx::PgConnection::connect(&database.url()).await.unwrap();
    let lock = "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE";
    other.execute(sqlx::raw_sql(lock)).await.unwrap();
    other
}

#[tokio::test]
async fn a_table_that_another_program_has_locked_is_an_error_in_time() {
    let (database, store) = fresh().await;
    // To connect takes a while too.
    let ada = user("ada");
    let warm = (0..8).map(|_| store.put_user(&ada, None));
    futures::future::try_join_all(warm).await.unwrap();
    let lock = lock_users(&database).await;
    let users: Vec<_> = (0..30).map(|number| user(&format!("u{number}"))).collect();
    let begun = Instant::now();
    let put = users.iter().map(|user| store.put_user(user, None));
    let written = futures::future::join_all(put).await;
    let errors: Vec<_> = written
        .into_iter()
        .map(|written| written.unwrap_err().to_string())
        .collect();
    assert!(errors[0].contains("statement timeout"), "{}", errors[0]);
    store.has_user(&users[0]).await.unwrap_err();
    assert!(begun.elapsed() < 2 * LIMIT, "{:?}", begun.elapsed());
    drop(lock);
    eventually("the users are free", async || {
        store.put_user(&user("late"), None).await.is_ok()
    })
    .await;
    assert_eq!(
        database.execute("SELECT count(*) FROM users WHERE id = 'u0'"),
        "0",
        "what was told as failed is not done later"
    );
}

/// Passes connections on. Those that are open when `freeze` is called stay open, and nothing comes
/// through any more, as if the other machine had lost its power.
struct Network {
    port: u16,
    frozen: watch::Sender<u32>,
}

impl Network {
    async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let local = listener.local_addr().unwrap().port();
        let (frozen, freezes) = watch::channel(0);
        let freezes = Arc::new(freezes);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut freezes = (*freezes).clone();
                freezes.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                        .await
                        .unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = freezes.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            port: local,
            frozen,
        }
    }

    fn freeze(&self) {
        self.frozen.send_modify(|freezes| *freezes += 1);
    }
}

/// How many connections wait for a lock.
fn waiting(database: &Database) -> String {
    database.execute(
        "SELECT count(*) FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )
}

#[tokio::test]
async fn connections_that_died_in_the_middle_of_queries_are_replaced() {
    let database = Database::new();
    let url = database.url();
    let (before, name) = url.rsplit_once('/').unwrap();
    let (before, port) = before.rsplit_once(':').unwrap();
    let network = Network::to(port.parse().unwrap()).await;
    let url = format!("{before}:{}/{name}", network.port);
    let store = Store::connect(&url.parse().unwrap()).await.unwrap();

    let lock = lock_users(&database).await;
    let users: Vec<_> = (0..8).map(|number| user(&format!("u{number}"))).collect();
    let mut is_cut = false;
    // On a busy machine the first queries may have failed when the last connection is made.
    for _ in 0..5 {
        let put = futures::future::join_all(users.iter().map(|user| store.put_user(user, None)));
        let cut = async {
            let begun = Instant::now();
            while begun.elapsed() < LOCK_PATIENCE && !is_cut {
                if waiting(&database) == "8" {
                    network.freeze();
                    is_cut = true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let (written, ()) = tokio::join!(put, cut);
        assert!(written.iter().all(Result::is_err), "nothing came back");
        if is_cut {
            break;
        }
    }
    assert!(is_cut, "the connections never waited at the same time");
    drop(lock);
    eventually("new connections take their place", async || {
        store.put_user(&user("late"), None).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_database_that_refuses_says_why() {
    let database = Database::new();
    let url = database.url();
    let wrong = refusal(&url.replace(ENCODED_PASSWORD, "wrong")).await;
    assert_eq!(
        wrong,
        "cannot connect: password authentication failed for user \"united\""
    );
    let (server, _) = url.rsplit_once('/').unwrap();
    assert_eq!(
        refusal(&format!("{server}/none")).await,
        "cannot connect: database \"none\" does not exist"
    );

    let narrow = Database::with("TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    assert_eq!(
        refusal(&narrow.url()).await,
        "the database has the encoding LATIN1, and must have UTF8"
    );
    database.execute("CREATE TABLE users (id text)");
    assert_eq!(
        refusal(&url).await,
        "cannot bring the tables up to date: relation \"users\" already exists"
    );
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let silent_port = silent.local_addr().unwrap().port();
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let gone_port = gone.local_addr().unwrap().port();
    drop(gone);
    let url = |port| format!("postgres://u:{ENCODED_PASSWORD}@127.0.0.1:{port}/d");
    let (silent_url, gone_url) = (url(silent_port), url(gone_port));
    let begun = Instant::now();
    let (silence, absence) = tokio::join!(refusal(&silent_url), refusal(&gone_url));
    assert_eq!(silence, "no answer within 10 s");
    assert!(
        absence.starts_with("no answer within 10 s: Connection refused"),
        "{absence}"
    );
    assert!(begun.elapsed() < 2 * LIMIT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_certificate_of_the_database_is_checked_if_the_url_says_so() {
    let database = Database::new();
    let (url, authority) = (
        database.url(),
        united_voice_postgres::certificate().display(),
    );
    for trusted in [
        format!("sslmode=verify-full&sslrootcert={authority}"),
        format!("sslmode=verify-ca&sslrootcert={authority}"),
        "sslmode=require".to_owned(),
        "sslmode=disable".to_owned(),
    ] {
        let url = format!("{url}?{trusted}").parse().unwrap();
        let store = Store::connect(&url).await.expect(&trusted);
        assert_eq!(store.channels().await.unwrap().len(), 3, "{trusted}");
        store.close().await;
    }
    let refused = refusal(&format!("{url}?sslmode=verify-full")).await;
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let missing = refusal(&format!("{url}?sslmode=verify-full&sslrootcert=/none.pem")).await;
    assert!(
        missing.starts_with("cannot connect: No such file"),
        "{missing}"
    );
    let elsewhere = url.replace("127.0.0.1", "localhost");
    let elsewhere = format!("{elsewhere}?sslmode=verify-full&sslrootcert={authority}");
    let refused = refusal(&elsewhere).await;
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn no_debug_output_shows_the_password() {
    let (_database, store) = fresh().await;
    let shown = format!("{store:?}");
    assert!(shown.contains("Postgres"), "{shown}");
    assert!(
        !shown.contains(PASSWORD) && !shown.contains(ENCODED_PASSWORD),
        "{shown}"
    );
}
