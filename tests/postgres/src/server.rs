//! The server that all databases of this process are in.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    PASSWORD, USER,
    programs::{self, Account},
};

/// How long the server may take to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How often another program may take the port that was free.
const ATTEMPTS: usize = 5;

/// Runs the server until the process that started this is gone, whose end of the pipe closes then.
/// It gets the folder, which it removes, and the command.
const KEEPER: &str = r#"
"$@" >"$0/log" 2>&1 &
server=$!
read -r _
kill -QUIT "$server"
wait "$server"
rm -rf "$0"
"#;

/// Nothing here needs to survive a power failure.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "ssl=on",
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=300",
];

#[derive(Debug)]
pub(crate) struct Server {
    programs: PathBuf,
    port: u16,
    /// Its certificate, which is its own authority.
    pub(crate) certificate: PathBuf,
    /// It reads its standard input, which is closed when this process ends.
    _keeper: Child,
}

impl Server {
    /// The server of this process.
    ///
    /// # Panics
    /// If it can't be started.
    pub(crate) fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let (programs, account) = (programs::folder(), Account::of_server());
        for _ in 0..ATTEMPTS {
            let folder = folder(account);
            make_data(&programs, account, &folder);
            if let Some(server) = Self::start_in(&programs, account, &folder) {
                return server;
            }
        }
        panic!("PostgreSQL found no free port");
    }

    /// `None` if another program has taken the port.
    fn start_in(programs: &Path, account: Option<Account>, folder: &Path) -> Option<Self> {
        let port = free_port();
        let mut keeper = Command::new("sh");
        programs::run_as(&mut keeper, account, folder);
        keeper.args(["-c", KEEPER]).arg(folder);
        keeper.arg(programs.join("postgres")).arg("-D");
        keeper.arg(folder.join("data"));
        keeper.args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            keeper.args(["-c", setting]);
        }
        let keeper = keeper
            // A Ctrl-C is for the tests. The keeper ends a moment later.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let server = Self {
            programs: programs.to_owned(),
            port,
            certificate: folder.join("data/server.crt"),
            _keeper: keeper,
        };
        let begun = Instant::now();
        while server.ask("postgres", "SELECT 1").is_err() {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            if log.contains("could not create any TCP/IP sockets") {
                return None;
            }
            assert!(
                begun.elapsed() < PATIENCE && !log.contains("database system is shut down"),
                "PostgreSQL does not start: {log}"
            );
            sleep(LOOK_AGAIN);
        }
        Some(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs a statement and returns its rows.
    ///
    /// # Panics
    /// If PostgreSQL refuses.
    pub(crate) fn query(&self, database: &str, statement: &str) -> String {
        let rows = self.ask(database, statement);
        rows.unwrap_or_else(|errors| panic!("{statement}: {errors}"))
    }

    fn ask(&self, database: &str, statement: &str) -> Result<String, String> {
        let output = Command::new(self.programs.join("psql"))
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1"])
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--username", USER, "--dbname", database])
            .args(["--command", statement])
            .env("PGPASSWORD", PASSWORD)
            .output()
            .expect("psql can be started");
        let text = |bytes| String::from_utf8_lossy(bytes).trim_end().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

/// A folder of the server's user, which the keeper removes.
fn folder(account: Option<Account>) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix("united-postgres-")
        .tempdir();
    let folder = folder.expect("a temporary folder can be made").keep();
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(&folder, mode).expect("the folder is ours");
    if let Some(Account { uid, gid }) = account {
        chown(&folder, Some(uid), Some(gid)).expect("root may give a folder away");
    }
    folder
}

fn make_data(programs: &Path, account: Option<Account>, folder: &Path) {
    let mut password = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    writeln!(password, "{PASSWORD}").expect("a temporary file can be written");
    if let Some(Account { uid, gid }) = account {
        chown(password.path(), Some(uid), Some(gid)).expect("root may give a file away");
    }
    let mut initdb = Command::new(programs.join("initdb"));
    programs::run_as(&mut initdb, account, folder);
    let output = initdb
        .args(["--username", USER, "--auth", "scram-sha-256", "--pwfile"])
        .arg(password.path())
        .args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"])
        .arg("--pgdata")
        .arg(folder.join("data"))
        .output()
        .expect("initdb can be started");
    assert!(
        output.status.success(),
        "initdb: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    make_certificate(account, folder);
}

/// Makes the certificate, under the names that PostgreSQL expects.
fn make_certificate(account: Option<Account>, folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]);
    let made = made.expect("an address is a good name");
    for (name, text) in [
        ("server.crt", made.cert.pem()),
        ("server.key", made.signing_key.serialize_pem()),
    ] {
        let path = folder.join("data").join(name);
        fs::write(&path, text).expect("the folder is ours or we are root");
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&path, mode).expect("the file is ours");
        if let Some(Account { uid, gid }) = account {
            chown(&path, Some(uid), Some(gid)).expect("root may give a file away");
        }
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    socket.local_addr().expect("the socket is bound").port()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keeper of a process is told the end by the pipe, as here by `drop`.
    #[test]
    fn a_server_ends_with_its_process_and_leaves_nothing() {
        let (programs, account) = (programs::folder(), Account::of_server());
        let folder = folder(account);
        make_data(&programs, account, &folder);
        let server = Server::start_in(&programs, account, &folder).expect("the port is free");
        assert_eq!(
            server.query("postgres", "SHOW password_encryption"),
            "scram-sha-256"
        );
        let port = server.port();
        drop(server);
        let begun = Instant::now();
        while folder.exists() || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server is still there");
            sleep(LOOK_AGAIN);
        }
    }
}
