//! A running example server, started as a user starts it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, ExitStatus, Output, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use futures::future::join_all;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    User, binary,
    cluster::{self, Turns},
    node::Node,
    secrecy, soon,
};

/// One of the example servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// `axum-server`
    Axum,
    /// `actix-server`
    Actix,
    /// Three nodes of one cluster, of both kinds. Connections and requests are spread over them.
    Nodes,
}

impl ServerKind {
    /// The name of its executable and of its package. Of [`Nodes`](Self::Nodes), that of the first
    /// one.
    #[must_use]
    pub const fn executable(self) -> &'static str {
        match self {
            Self::Axum | Self::Nodes => "axum-server",
            Self::Actix => "actix-server",
        }
    }

    /// `UNITED_VOICE_TEST_NODES=3` runs any test over three nodes.
    fn or_nodes(self) -> Self {
        match std::env::var("UNITED_VOICE_TEST_NODES").as_deref() {
            Err(_) | Ok("1") => self,
            Ok("3") => Self::Nodes,
            Ok(other) => panic!("UNITED_VOICE_TEST_NODES is 1 or 3, and not {other}"),
        }
    }

    const fn of_nodes(self) -> &'static [Self] {
        match self {
            Self::Axum => &[Self::Axum],
            Self::Actix => &[Self::Actix],
            Self::Nodes => &[Self::Axum, Self::Actix, Self::Axum],
        }
    }
}

/// The configuration of a server before it starts.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    kind: ServerKind,
    home: Arc<TempDir>,
    /// An address for each node, as far as it matters.
    bind: Vec<SocketAddr>,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    within: Option<String>,
}

impl ServerBuilder {
    fn new(kind: ServerKind) -> Self {
        let kind = kind.or_nodes();
        let home = Arc::new(TempDir::new().expect("a temporary directory can be made"));
        let bind = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
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
    pub fn bind(mut self, address: SocketAddr) -> Self {
        self.bind = vec![address];
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
        let mut command = tokio::process::Command::from(self.command(self.kind.of_nodes()[0]));
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
        let command = self.command(self.kind);
        self.spawn(vec![command]).await
    }

    /// Starts the server and waits until it listens.
    ///
    /// # Panics
    /// If the server ends, or does not say in time that it listens.
    pub async fn start(mut self) -> Server {
        if self.kind == ServerKind::Nodes {
            self.enter_cluster();
        }
        let kinds = self.kind.of_nodes().iter().enumerate();
        let commands: Vec<_> = kinds
            .map(|(node, kind)| {
                let mut command = self.command(*kind);
                command
                    .arg("--bind")
                    .arg(self.bind_of(node).to_string())
                    .arg("--data-dir")
                    .arg(self.home.path());
                command
            })
            .collect();
        self.spawn(commands).await
    }

    /// Adds what makes several processes a cluster of their own.
    fn enter_cluster(&mut self) {
        let file = self.home.path().join("united.toml");
        let text = fs::read_to_string(&file).unwrap_or_default();
        if text.contains("[cluster]") {
            return;
        }
        let (url, prefix) = cluster::place();
        let cluster = format!("{text}\n[cluster]\nurl = \"{url}\"\nprefix = \"{prefix}\"\n");
        fs::write(file, cluster).expect("the data directory is writable");
    }

    /// A node that was there before gets the port that it had.
    fn bind_of(&self, node: usize) -> SocketAddr {
        let first = self.bind[0];
        let free = SocketAddr::new(first.ip(), 0);
        self.bind.get(node).copied().unwrap_or(free)
    }

    async fn spawn(self, commands: Vec<Command>) -> Server {
        let mut starting = Vec::new();
        for mut command in commands {
            command.args(&self.flags);
            starting.push(Node::start(command));
        }
        let nodes = join_all(starting).await;
        Server {
            nodes,
            turns: Turns::default(),
            started_with: self,
        }
    }

    /// Ends these nodes and looks for secrets in what they have written.
    fn check(&self, mut nodes: Vec<Node>) {
        let logs: String = nodes.iter_mut().map(Node::end).collect();
        // Each node shows its log.
        if thread::panicking() {
            return;
        }
        drop(nodes);
        let mut secrets = secrecy::in_files(self.data_dir());
        secrets.extend(secrecy::in_environment(&self.environment));
        if let Some(found) = secrecy::found_in(&logs, &secrets) {
            panic!("{found}");
        }
    }

    fn command(&self, kind: ServerKind) -> Command {
        let executable = binary::executable(kind);
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

/// A running server. Dropping it kills the process, or the processes.
#[derive(Debug)]
pub struct Server {
    nodes: Vec<Node>,
    turns: Turns,
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

    /// The address that the server printed. An unspecified address is replaced by 127.0.0.1. If
    /// there are several nodes, each call returns that of the next one.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.nodes[self.turns.next(self.nodes.len())].address
    }

    /// The address for a new connection of this user. If there are several nodes, it is that of
    /// another node than the user's last connection.
    #[must_use]
    pub fn address_for(&self, user: &User) -> SocketAddr {
        self.nodes[self.turns.next_of(&user.id, self.nodes.len())].address
    }

    /// The addresses of all nodes.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.address).collect()
    }

    /// What one node does reaches the others a little later: on loopback, in a few milliseconds.
    pub(crate) fn lag(&self) -> Duration {
        match self.nodes.len() {
            1 => Duration::ZERO,
            _ => Duration::from_millis(250),
        }
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

    /// The output of the server so far, from stdout and stderr. If there are several nodes, it is
    /// that of one after the other.
    #[must_use]
    pub fn log(&self) -> String {
        self.nodes.iter().map(Node::log).collect()
    }

    /// The id of the process. If there are several nodes, it is that of the first one.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.nodes[0].process_id()
    }

    /// The number of sockets that the server has open.
    ///
    /// # Panics
    /// If the server has ended.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.nodes.iter().map(Node::open_sockets).sum()
    }

    /// Sends SIGTERM.
    ///
    /// # Panics
    /// If the server has ended.
    pub fn terminate(&self) {
        self.nodes.iter().for_each(|node| node.signal(Signal::TERM));
    }

    /// Sends SIGINT.
    ///
    /// # Panics
    /// If the server has ended.
    pub fn interrupt(&self) {
        self.nodes.iter().for_each(|node| node.signal(Signal::INT));
    }

    /// Waits for the server to end by itself. Returns a failure if any node failed.
    ///
    /// # Panics
    /// If it does not.
    pub async fn exit(&mut self) -> ExitStatus {
        let mut statuses = Vec::new();
        for node in &mut self.nodes {
            statuses.push(node.exit().await);
        }
        let failure = statuses.iter().find(|status| !status.success());
        *failure.unwrap_or(&statuses[0])
    }

    /// Ends the server with SIGTERM and starts another on the same port and data directory.
    ///
    /// # Panics
    /// If the server does not end well, or the new one does not start.
    pub async fn restart(mut self) -> Self {
        self.terminate();
        assert!(
            self.exit().await.success(),
            "the server ended with a failure"
        );
        self.kill().start().await
    }

    /// Ends the server with SIGKILL, as a crash would, if it still runs. The builder starts
    /// another on the same port and data directory.
    #[must_use]
    pub fn kill(self) -> ServerBuilder {
        ServerBuilder {
            bind: self.addresses(),
            ..self.started_with.clone()
        }
    }

    /// Ends one of several nodes with SIGKILL. It is not started again.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn kill_node(&mut self, address: SocketAddr) {
        let place = self.nodes.iter().position(|node| node.address == address);
        let node = self.nodes.remove(place.expect("a node has this address"));
        self.started_with.check(vec![node]);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.started_with.check(std::mem::take(&mut self.nodes));
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
        server.spawn(vec![program]).await
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
