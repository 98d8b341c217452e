//! Starts a redis-server, and ends it with this process.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use redis::Connection;
use united_voice_redis::Keys;

/// A redis-server on a free loopback port, with a folder of its own.
pub(crate) struct Engine {
    port: u16,
    dir: PathBuf,
    shell: Child,
    /// The shell ends the server when this closes, even if this process is killed.
    alive: Option<ChildStdin>,
}

/// The shell starts the server, and ends it by its pid when its own input ends. A line `keep`
/// restarts the server with its data, a line `empty` without.
const SERVE: &str = r#"
    dir=$1; shift
    start() { redis-server "$@" >>"$dir/log" 2>&1 & server=$!; }
    stop() { kill -9 $server; wait $server; }
    start "$@"
    while read -r data; do
        stop
        [ "$data" = keep ] || rm -rf "$dir/appendonlydir"
        start "$@"
    done
    stop
    rm -rf "$dir"
"#;

/// The engine that the tests of this binary share. Each has a prefix of its own.
pub(crate) fn shared() -> &'static Engine {
    static SHARED: OnceLock<Engine> = OnceLock::new();
    SHARED.get_or_init(Engine::start)
}

pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    free.local_addr().expect("bound").port()
}

/// A prefix that nobody else has.
pub(crate) fn fresh_keys() -> Keys {
    Keys::new(&fresh_prefix()).expect("plain")
}

pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Relaxed))
}

impl Engine {
    pub(crate) fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// With more arguments, which may name files in the server's folder.
    pub(crate) fn start_with(more: impl Fn(&Path) -> Vec<String>) -> Self {
        let version = Command::new("redis-server").arg("--version").output();
        version.expect("redis-server is missing; ./scripts/test installs it");
        // Another process may take the port between the look-up and the start.
        (0..5)
            .find_map(|_| Self::try_start(&more))
            .expect("redis-server starts on one of five free ports")
    }

    fn try_start(more: &dyn Fn(&Path) -> Vec<String>) -> Option<Self> {
        let port = free_port();
        let dir = tempfile::tempdir().expect("a folder").keep();
        let dir = dir.canonicalize().expect("it is there");
        let mut shell = Command::new("sh")
            .args(["-c", SERVE, "engine"])
            .arg(&dir)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args([
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
            ])
            .args(["--maxmemory-policy", "noeviction", "--loglevel", "warning"])
            .arg("--dir")
            .arg(&dir)
            .args(more(&dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh starts");
        let alive = shell.stdin.take();
        let engine = Self {
            port,
            dir,
            shell,
            alive,
        };
        engine.is_up().then_some(engine)
    }

    /// Waits until the server answers. False if somebody else took the port.
    fn is_up(&self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            // Whoever took the port instead has another folder.
            let found = self.dial().and_then(|mut connection| {
                let mut question = redis::cmd("CONFIG");
                question.arg("GET").arg("dir").query(&mut connection)
            });
            match found {
                Ok::<(String, String), _>((_, folder)) => return self.dir == Path::new(&folder),
                Err(_) => sleep(Duration::from_millis(20)),
            }
        }
        false
    }

    /// Waits until the server has handed all that it has to the operating system.
    pub(crate) fn wait_until_written(&self) {
        let mut connection = self.connection();
        loop {
            let question = redis::cmd("INFO").arg("persistence").to_owned();
            let info: redis::InfoDict = question.query(&mut connection).expect("an answer");
            if info.get("aof_buffer_length") == Some(0) {
                break;
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Kills the server without warning and starts it again, with or without its data.
    pub(crate) fn restart(&mut self, data: &str) {
        let shell = self.alive.as_mut().expect("it runs");
        writeln!(shell, "{data}").expect("the shell listens");
        // The old server may answer until it is killed.
        let old = self.run_id();
        while self.run_id() == old {
            sleep(Duration::from_millis(20));
        }
        assert!(self.is_up());
    }

    fn run_id(&self) -> Option<String> {
        let info: redis::InfoDict = redis::cmd("INFO")
            .arg("server")
            .query(&mut self.dial().ok()?)
            .ok()?;
        info.get("run_id")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    fn dial(&self) -> redis::RedisResult<Connection> {
        redis::Client::open(self.url())?.get_connection()
    }

    pub(crate) fn connection(&self) -> Connection {
        self.dial().expect("the engine listens")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.shell.wait();
    }
}
