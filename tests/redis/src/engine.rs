//! Starts a redis-server, and ends it with this process.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use redis::Connection;

/// How long the server may take to start, or to write, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How often another program may take the port that was free.
const ATTEMPTS: usize = 5;

/// Starts the server, does what it reads from its input, and answers each line with the server's
/// pid when it is done. At the end of its input it kills the server and removes the folder. Once the
/// server has been waited for, its pid may be another process's, so that is never signalled.
const KEEPER: &str = r#"
dir=$1; shift
start() { redis-server "$@" >>"$dir/log" 2>&1 & server=$!; runs=1; }
signal() { if [ -n "$runs" ]; then kill "$1" "$server"; fi; }
kill_it() { if signal -KILL; then wait "$server"; runs=; fi; }
start "$@"
echo "$server"
while read -r order; do
    case $order in
        pause) signal -STOP ;;
        resume) signal -CONT ;;
        kill) kill_it ;;
        empty) rm -rf "$dir/appendonlydir" ;;
        start) start "$@" ;;
    esac
    echo "$server"
done
kill_it
rm -rf "$dir"
"#;

/// Without backups, with each change written to the operating system at once, as `docs/cluster.md`
/// asks for.
const SETTINGS: [&str; 10] = [
    "--save",
    "",
    "--appendonly",
    "yes",
    "--appendfsync",
    "everysec",
    "--maxmemory-policy",
    "noeviction",
    "--loglevel",
    "warning",
];

/// Whether a restarted engine has what it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// All that was [written](Engine::wait_until_written).
    Kept,
    /// Nothing.
    Lost,
}

/// A redis-server on a free port of 127.0.0.1. Dropping it kills the server and removes its folder.
#[derive(Debug)]
pub struct Engine {
    port: u16,
    folder: PathBuf,
    pid: u32,
    keeper: Child,
    /// The keeper ends the server when this closes, even if this process is killed.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Engine {
    /// Starts an empty engine.
    ///
    /// # Panics
    /// If redis-server is not installed or can't be started.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|_| Vec::new())
    }

    /// Starts an engine with more arguments, which may name files in the folder that `more` is
    /// given. A password for the default user is none of them: the engine must answer without one.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_with(more: impl Fn(&Path) -> Vec<String>) -> Self {
        let version = Command::new("redis-server").arg("--version").output();
        version.expect("redis-server is missing; ./scripts/test installs it");
        (0..ATTEMPTS)
            .find_map(|_| Self::try_start(&more))
            .expect("redis-server starts on a free port")
    }

    /// The engine that the tests of this process may share, if each has a prefix of its own
    /// ([`fresh_prefix`]) and none breaks it. A thread in another network namespace gets another
    /// one, because it could not reach the first.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: Mutex<BTreeMap<PathBuf, &'static Engine>> = Mutex::new(BTreeMap::new());
        let namespace = std::fs::read_link("/proc/thread-self/ns/net");
        let namespace = namespace.expect("Linux says which namespace this is");
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        // A namespace may have the number of one that is gone, with all its programs.
        let found = shared
            .get(&namespace)
            .filter(|engine| engine.dial().is_ok());
        if let Some(engine) = found {
            return engine;
        }
        // Its keeper ends it with this process.
        let engine = Box::leak(Box::new(Self::start()));
        shared.insert(namespace, engine);
        engine
    }

    /// `None` if another program has taken the port.
    fn try_start(more: &dyn Fn(&Path) -> Vec<String>) -> Option<Self> {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix("united-redis-").tempdir();
        let folder = folder.expect("a temporary folder can be made").keep();
        let folder = folder.canonicalize().expect("the folder is there");
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "engine"])
            .arg(&folder)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(SETTINGS)
            .arg("--dir")
            .arg(&folder)
            .args(more(&folder))
            // A Ctrl-C is for the tests. The keeper ends a moment later.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let orders = keeper.stdin.take();
        let answers = keeper.stdout.take().expect("its output is a pipe");
        let mut engine = Self {
            port,
            folder,
            pid: 0,
            keeper,
            orders,
            answers: BufReader::new(answers),
        };
        engine.pid = engine.answer();
        engine.is_up().then_some(engine)
    }

    /// Waits until the server answers. False if another program has taken the port.
    fn is_up(&self) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            // Another server on the port has another folder.
            let found = self.dial().and_then(|mut connection| {
                // It tells its folder even while it loads its data.
                redis::cmd("PING").exec(&mut connection)?;
                let mut question = redis::cmd("CONFIG");
                question.arg("GET").arg("dir").query(&mut connection)
            });
            match found {
                Ok::<(String, String), _>((_, folder)) => return self.folder == Path::new(&folder),
                Err(_) if self.log().contains("Address already in use") => return false,
                Err(_) => sleep(LOOK_AGAIN),
            }
        }
        panic!("redis-server does not start: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until the server has handed all its changes to the operating system, so that they
    /// outlive a kill.
    ///
    /// # Panics
    /// If the server does not answer, or does not get there.
    pub fn wait_until_written(&self) {
        let mut connection = self.connection();
        let begun = Instant::now();
        loop {
            let question = redis::cmd("INFO").arg("persistence").to_owned();
            let info: redis::InfoDict = question.query(&mut connection).expect("an answer");
            if info.get("aof_buffer_length") == Some(0) {
                break;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "redis-server has not written everything"
            );
            sleep(LOOK_AGAIN);
        }
    }

    /// Freezes the server: it reads and writes nothing, and its connections stay open.
    ///
    /// # Panics
    /// If its keeper was killed.
    pub fn pause(&mut self) {
        self.order("pause");
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Panics
    /// If its keeper was killed.
    pub fn resume(&mut self) {
        self.order("resume");
    }

    /// Kills the server without warning. It has ended when this returns, and its connections are
    /// closed.
    ///
    /// # Panics
    /// If its keeper was killed.
    pub fn kill(&mut self) {
        self.order("kill");
    }

    /// Starts a [killed](Self::kill) server again, on the same port.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn start_again(&mut self, data: Data) {
        if data == Data::Lost {
            self.order("empty");
        }
        self.pid = self.order("start");
        assert!(self.is_up(), "its port is taken: {}", self.log());
    }

    /// Kills the server and starts it again.
    ///
    /// # Panics
    /// If it can't be started.
    pub fn restart(&mut self, data: Data) {
        self.kill();
        self.start_again(data);
    }

    fn order(&mut self, order: &str) -> u32 {
        let orders = self.orders.as_mut().expect("only dropping closes it");
        writeln!(orders, "{order}").expect("the keeper listens");
        self.answer()
    }

    fn answer(&mut self) -> u32 {
        let mut pid = String::new();
        let read = self.answers.read_line(&mut pid);
        read.expect("the keeper answers");
        pid.trim().parse().expect("the keeper answers with a pid")
    }

    /// The process of the server, for what it uses of the machine.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A fresh prefix whose first node need not wait: to it, the cluster was there before, and has
    /// left no seat behind. With any other prefix, the first node waits for a lease.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn prefix_without_recovery(&self) -> String {
        let prefix = fresh_prefix();
        let mut command = redis::cmd("MSET");
        // Without `recover`; see the keys in the documentation of `united-voice-redis`.
        for (key, value) in [("boot", "0123456789abcdef"), ("ver", "1"), ("policy", "1")] {
            command.arg(format!("{{{prefix}}}:{key}")).arg(value);
        }
        command.exec(&mut self.connection()).expect("set");
        prefix
    }

    /// Where the server listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The URL of its first database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address())
    }

    /// A new connection, for a test that looks or meddles.
    ///
    /// # Panics
    /// If the server does not answer.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.dial().expect("the engine listens")
    }

    fn dial(&self) -> redis::RedisResult<Connection> {
        redis::Client::open(self.url())?.get_connection()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.keeper.wait();
    }
}

/// A port of 127.0.0.1 that was free a moment ago.
///
/// # Panics
/// If none is free.
#[must_use]
pub fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    socket.local_addr().expect("the socket is bound").port()
}

/// A prefix that no other cluster of this process has.
#[must_use]
pub fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Relaxed))
}

#[cfg(test)]
mod tests {
    use redis::Commands as _;

    use super::*;

    fn value(engine: &Engine) -> Option<u32> {
        engine.connection().get("key").expect("an answer")
    }

    fn engine_with_a_value() -> Engine {
        let engine = Engine::start();
        let () = engine.connection().set("key", 1).expect("set");
        engine.wait_until_written();
        engine
    }

    #[test]
    fn an_engine_restarts_with_or_without_its_data() {
        let mut engine = engine_with_a_value();
        let (address, pid) = (engine.address(), engine.pid());
        engine.restart(Data::Kept);
        assert_eq!(value(&engine), Some(1));
        assert_eq!(engine.address(), address);
        assert_ne!(engine.pid(), pid);
        engine.kill();
        assert!(engine.dial().is_err());
        engine.start_again(Data::Lost);
        assert_eq!(value(&engine), None);
    }

    #[test]
    fn a_paused_engine_says_nothing_until_it_is_resumed() {
        let mut engine = engine_with_a_value();
        let mut connection = engine.connection();
        let wait = Some(Duration::from_millis(100));
        connection.set_read_timeout(wait).expect("set");
        engine.pause();
        assert!(connection.get::<_, u32>("key").is_err());
        engine.resume();
        assert_eq!(value(&engine), Some(1));
        // A frozen server can be killed as well.
        engine.pause();
        engine.restart(Data::Kept);
        assert_eq!(value(&engine), Some(1));
    }

    #[test]
    fn an_engine_ends_with_its_process_and_leaves_nothing() {
        let mut engine = Engine::start();
        engine.pause();
        let (folder, port) = (engine.folder.clone(), engine.port);
        drop(engine);
        assert!(!folder.exists());
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free again");
    }
}
