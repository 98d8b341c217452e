//! Starts the real binary, and ends it even if a test fails.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long a step may take on a busy machine. Each should take milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A command that finds no configuration and no data except those of the test.
pub(crate) fn command(data_dir: &Path) -> Command {
    prepared(Command::new(crate::PROGRAM), data_dir)
}

/// As [`command`], for a server that gets an error and not a signal if a file grows beyond the limit
/// of its size.
fn command_without_signal(data_dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", crate::PROGRAM]);
    prepared(command, data_dir)
}

fn prepared(mut command: Command, data_dir: &Path) -> Command {
    for name in [
        "BIND",
        "DATA_DIR",
        "CONFIG",
        "DEV_LOGIN",
        "NO_DEV_LOGIN",
        "EMBEDDED_TURN",
        "DATABASE_URL",
        "JWT_SECRET",
        "TURN_SHARED_SECRET",
    ] {
        command.env_remove(format!("UNITED_{name}"));
    }
    command
        .env_remove("RUST_LOG")
        .arg("--data-dir")
        .arg(data_dir);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

pub(crate) struct Server {
    child: Child,
    /// The address that the server prints after `listening on http://`.
    pub(crate) address: String,
    lines: mpsc::Receiver<String>,
    errors: Option<JoinHandle<String>>,
    dir: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(crate) fn start_with(configure: impl FnOnce(&mut Command)) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), configure)
    }

    /// Starts the server on a free port of this machine, unless `configure` sets another address.
    pub(crate) fn start_in(dir: TempDir, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = command(&data_dir(&dir));
        command.env("UNITED_BIND", "127.0.0.1:0");
        configure(&mut command);
        Self::spawn(dir, &mut command)
    }

    /// Starts the server with this configuration.
    pub(crate) fn start_configured(toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("united.toml");
        std::fs::write(&path, toml).unwrap();
        Self::start_in(dir, |command| {
            command.env("UNITED_CONFIG", path);
        })
    }

    /// Starts a server whose files may be limited, by [`limit`](Self::limit).
    pub(crate) fn start_with_limits() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = command_without_signal(&data_dir(&dir));
        command.env("UNITED_BIND", "127.0.0.1:0");
        Self::spawn(dir, &mut command)
    }

    fn spawn(dir: TempDir, command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = read_lines(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr
                .read_to_string(&mut text)
                .map(|_| text)
                .unwrap_or_default()
        });
        let mut server = Self {
            child,
            address: String::new(),
            lines,
            errors: Some(errors),
            dir,
        };
        let Some(line) = server.line() else {
            panic!("the server ended: {}", server.ended().1)
        };
        server.address = line
            .strip_prefix("listening on http://")
            .expect(&line)
            .to_owned();
        server
    }

    /// The next line on standard output; `None` if it was closed.
    pub(crate) fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("no line on standard output"),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        data_dir(&self.dir)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Changes a limit of the running process.
    pub(crate) fn limit(&self, resource: Resource, current: Option<u64>) {
        let maximum = prlimit(Some(self.pid()), resource, getrlimit(resource)).unwrap();
        let limit = Rlimit {
            current,
            maximum: maximum.maximum,
        };
        prlimit(Some(self.pid()), resource, limit).unwrap();
    }

    /// How many files and sockets the process has open.
    pub(crate) fn open_files(&self) -> u64 {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        files.count().try_into().unwrap()
    }

    /// How much memory the process has, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse::<u64>().unwrap() << 10
    }

    /// Waits for the end. Returns the status and all of standard error.
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        (status, self.errors.take().unwrap().join().unwrap())
    }

    /// Ends the server as an operator would, and returns its folder.
    pub(crate) fn stop(mut self) -> TempDir {
        self.signal(Signal::TERM);
        let (status, errors) = self.ended();
        assert!(status.success(), "{status}: {errors}");
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    /// Signs in by name and returns the token.
    pub(crate) async fn sign_in(&self, name: &str) -> String {
        let response = self.try_sign_in(name).await;
        assert_eq!(response.status(), 200);
        let body: Value = response.json().await.unwrap();
        body["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn try_sign_in(&self, name: &str) -> reqwest::Response {
        let request = reqwest::Client::new().post(self.url("/api/dev/login"));
        request
            .json(&json!({ "displayName": name }))
            .send()
            .await
            .unwrap()
    }

    /// The status of `GET /api/channels` with a token.
    pub(crate) async fn channels_status(&self, token: &str) -> u16 {
        let request = reqwest::Client::new()
            .get(self.url("/api/channels"))
            .bearer_auth(token);
        request.send().await.unwrap().status().as_u16()
    }

    pub(crate) async fn connect(&self, token: &str) -> Socket {
        let url = format!("ws://{}/ws?access_token={token}", self.address);
        connect_async(url).await.unwrap().0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that does not exist yet.
fn data_dir(dir: &TempDir) -> PathBuf {
    dir.path().join("data")
}

fn read_lines(source: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}
