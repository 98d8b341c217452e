//! A running example server, started as a user starts it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{binary, eventually, log::Log, secrecy, soon};

/// One of the example servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// `axum-server`
    Axum,
    /// `actix-server`
    Actix,
}

impl ServerKind {
    /// The name of its executable and of its package.
    #[must_use]
    pub const fn executable(self) -> &'static str {
        match self {
            Self::Axum => "axum-server",
            Self::Actix => "actix-server",
        }
    }
}

/// The configuration of a server before it starts.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    kind: ServerKind,
    home: Arc<TempDir>,
    bind: SocketAddr,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    within: Option<String>,
}

impl ServerBuilder {
    fn new(kind: ServerKind) -> Self {
        let home = Arc::new(TempDir::new().expect("a temporary directory can be made"));
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            kind,
            home,
            bind,
            flags: Vec::new(),
            environment: Vec::new(),
            within: None,
        }
    }

    /// Sets the text of `united.toml`.
    ///
    /// # Panics
    /// If the file can't be written.
    #[must_use]
    pub fn config(self, toml: &str) -> Self {
        fs::write(self.home.path().join("united.toml"), toml)
            .expect("the data directory is writable");
        self
    }

    /// Adds a command-line argument.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<String>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listens on this address instead of a free port of 127.0.0.1.
    #[must_use]
    pub const fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = address;
        self
    }

    /// Runs in this network namespace, which must exist. Clients must be in a namespace that can
    /// reach it.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        self.within = Some(namespace.to_owned());
        self
    }

    /// The data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.home.path()
    }

    /// Runs the program without `--bind` and `--data-dir`, for instance with a subcommand, and
    /// waits until it ends.
    ///
    /// # Panics
    /// If the program does not end.
    pub async fn run_to_end(&self) -> Output {
        let mut command = tokio::process::Command::from(self.command());
        let ending = command
            .args(&self.flags)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        soon("the program to end", ending)
            .await
            .expect("the server can be started")
    }

    /// Starts the server without `--bind` and `--data-dir`, in an empty working directory.
    ///
    /// # Panics
    /// If the server ends, or does not say in time that it listens.
    pub async fn start_bare(self) -> Server {
        let command = self.command();
        self.spawn(command).await
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// If the server ends, or does not say in time that it listens.
    pub async fn start(self) -> Server {
        let mut command = self.command();
        command
            .arg("--bind")
            .arg(self.bind.to_string())
            .arg("--data-dir")
            .arg(self.home.path());
        self.spawn(command).await
    }

    async fn spawn(self, mut command: Command) -> Server {
        let mut child = command
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server can be started");
        let mut log = Log::default();
        log.collect(child.stderr.take().expect("stderr is a pipe"), None);
        let (ready, listening) = oneshot::channel();
        log.collect(child.stdout.take().expect("stdout is a pipe"), Some(ready));
        // From here on, dropping `server` kills the process, even if the next line panics.
        let mut server = Server {
            child,
            address: self.bind,
            log,
            started_with: self,
        };
        server.address = soon("the line with the address of the server", listening)
            .await
            .expect("the server ended before it listened");
        server
    }

    fn command(&self) -> Command {
        let executable = binary::executable(self.kind);
        let mut command = match &self.within {
            // `ip` replaces itself with the server, which keeps the process id.
            Some(namespace) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", namespace]).arg(executable);
                command
            }
            None => Command::new(executable),
        };
        command
            .current_dir(self.home.path())
            .env("RUST_LOG", "trace")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: SocketAddr,
    log: Log,
    started_with: ServerBuilder,
}

impl Server {
    /// Begins the configuration of a server.
    #[must_use]
    pub fn builder(kind: ServerKind) -> ServerBuilder {
        ServerBuilder::new(kind)
    }

    /// Starts a server with default settings in a new data directory.
    pub async fn start(kind: ServerKind) -> Self {
        Self::builder(kind).start().await
    }

    /// Starts a server with this `united.toml`.
    pub async fn with_config(kind: ServerKind, toml: &str) -> Self {
        Self::builder(kind).config(toml).start().await
    }

    /// The address that the server printed. An unspecified address is replaced by 127.0.0.1.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The directory of `united.toml`, `united.db` and `secrets.toml`.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        self.started_with.data_dir()
    }

    /// The kind of this server.
    #[must_use]
    pub const fn kind(&self) -> ServerKind {
        self.started_with.kind
    }

    /// The output of the server so far, from stdout and stderr.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The id of the process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// The number of sockets that the process has open.
    ///
    /// # Panics
    /// If the process has ended.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        let descriptors =
            fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the server runs");
        let is_socket = |path: &Path| {
            fs::read_link(path).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        descriptors
            .filter_map(Result::ok)
            .filter(|entry| is_socket(&entry.path()))
            .count()
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// If it does not.
    pub async fn exit(&mut self) -> ExitStatus {
        eventually("the server to end", async || {
            self.child.try_wait().expect("a child can be waited for")
        })
        .await
    }

    /// Ends the process with SIGTERM and starts another on the same port and data directory.
    ///
    /// # Panics
    /// If the process does not end well, or the new one does not start.
    pub async fn restart(mut self) -> Self {
        self.terminate();
        assert!(
            self.exit().await.success(),
            "the server ended with a failure"
        );
        self.kill().start().await
    }

    /// Ends the process with SIGKILL, as a crash would, if it still runs. The builder starts
    /// another on the same port and data directory.
    #[must_use]
    pub fn kill(self) -> ServerBuilder {
        ServerBuilder {
            bind: self.address,
            ..self.started_with.clone()
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server runs");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.log.finish();
        if thread::panicking() {
            self.log.show();
            return;
        }
        let secrets = secrecy::in_files(self.data_dir());
        if let Some(found) = secrecy::found_in(&self.log.text(), &secrets) {
            panic!("{found}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// A program that writes this line, then says that it listens, and waits.
    async fn writes(line: &str, to: &str) -> Server {
        let server = Server::builder(ServerKind::Axum);
        let server = server.config("[auth]\njwt_secret = \"of the file\"\n");
        let mut program = Command::new("sh");
        let script = format!(
            "printf '%s\\n' \"$0\" >&{to}; echo 'listening on http://127.0.0.1:1/'; exec sleep 60"
        );
        program.args(["-c", &script, line]);
        server.spawn(program).await
    }

    /// What the end of this server complains about.
    fn complaint(server: Server) -> Option<String> {
        let end = catch_unwind(AssertUnwindSafe(|| drop(server)));
        let complaint = end.err()?.downcast();
        Some(*complaint.expect("a panic with a text"))
    }

    #[tokio::test]
    async fn a_secret_in_the_log_fails_the_test_when_the_server_ends() {
        for secret in [
            "request uri=/ws?access_token=x",
            "user signed in token=eyJhbGciOiJIUzI1NiJ9.e30.x",
            "the secret is of the file",
            "ice credential=aGVsbG8gd29ybGQgaGVsbG8gd28=",
        ] {
            for to in ["1", "2"] {
                let found = complaint(writes(secret, to).await);
                let found = found.unwrap_or_else(|| panic!("{secret}: nothing is found"));
                assert!(found.ends_with(secret), "{found}");
            }
        }
        assert_eq!(complaint(writes("request uri=/ws", "2").await), None);
    }
}
