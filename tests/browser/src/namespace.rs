//! A machine of a network: a network namespace.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsFd, unix::fs::PermissionsExt},
    panic::resume_unwind,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};
use tempfile::TempDir;
use tokio::net::TcpSocket;

use crate::{
    Browser, BrowserBuilder, Microphones,
    requirements::{Failure, run, run_with_input},
};

/// The folder in which `ip netns` keeps the names.
const NAMES: &str = "/run/netns";
/// The prefix of all names; the id of the process follows.
const PREFIX: &str = "voice-test-";
/// The address of a secluded machine beside 127.0.0.1.
const SECLUDED: &str = "10.201.90.1";
/// Counts the secluded machines of this process.
static MADE: AtomicUsize = AtomicUsize::new(0);

/// A network namespace. Dropping it kills the processes in it, and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    // Has the program that starts a browser here.
    home: TempDir,
}

impl Namespace {
    /// A machine that reaches no other machine. Programs that talk with each other run on it, and
    /// nothing that they do can leave it.
    ///
    /// Its loopback interface has a second address and the default route. Firefox needs both for a
    /// call: it uses the address that the default route begins at, unless that is 127.0.0.1.
    ///
    /// # Panics
    /// If the system lacks a program or a permission. The message says what to do.
    #[must_use]
    pub fn secluded() -> Self {
        Self::remove_stale();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        Self::try_secluded(number).unwrap_or_else(|failure| panic!("{failure}"))
    }

    fn try_secluded(number: usize) -> Result<Self, Failure> {
        let namespace = Self::create(number, "secluded")?;
        namespace.ip(&format!("address add {SECLUDED}/32 dev lo"))?;
        namespace.ip("route add default dev lo")?;
        Ok(namespace)
    }

    /// A new namespace in which only loopback is up. `number` and `role` make its name unique in
    /// this process.
    ///
    /// # Errors
    /// If the system lacks a program or a permission.
    pub fn create(number: usize, role: &str) -> Result<Self, Failure> {
        let name = format!("{PREFIX}{}-{number}-{role}", process::id());
        let home = TempDir::new().expect("a temporary directory can be made");
        run(&format!("ip netns add {name}"))?;
        let namespace = Self { name, home };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Removes the namespaces of tests that were killed.
    pub fn remove_stale() {
        let names = fs::read_dir(NAMES).into_iter().flatten().flatten();
        for name in names.filter_map(|entry| entry.file_name().into_string().ok()) {
            let owner = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next());
            let is_alive = |pid: &str| Path::new("/proc").join(pid).exists();
            if owner.is_some_and(|pid| !is_alive(pid)) {
                remove(&name);
            }
        }
    }

    /// The name for `ip netns exec`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `inside` on a thread in the namespace. Sockets and processes that it makes stay in the
    /// namespace.
    ///
    /// # Panics
    /// If `inside` panics.
    pub fn enter<T: Send>(&self, inside: impl FnOnce() -> T + Send) -> T {
        let path = self.path();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into(&path).expect("a process may enter a namespace that it made");
                inside()
            });
            thread.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Runs async code in the namespace, with a runtime of its own. The calling thread waits for
    /// the end.
    ///
    /// # Panics
    /// If `inside` panics.
    pub fn block_on<T: Send>(&self, inside: impl AsyncFnOnce() -> T + Send) -> T {
        self.enter(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(inside())
        })
    }

    /// A socket of the namespace. It can be used on any thread.
    ///
    /// # Panics
    /// If the process has too many open files.
    #[must_use]
    pub fn socket(&self) -> TcpSocket {
        self.enter(TcpSocket::new_v4).expect("a socket can be made")
    }

    /// A browser in this namespace for pages of `origin`, such as `http://10.201.0.1:8080`. The
    /// browser takes the origin for secure, so pages get the microphone without TLS.
    ///
    /// # Panics
    /// If the program that starts it can't be written.
    #[must_use]
    pub fn browser(&self, origin: &str) -> BrowserBuilder {
        let start = self.home.path().join("chromium");
        let script = format!(
            "#!/bin/sh\nexec ip netns exec {} chromium \"$@\"\n",
            self.name
        );
        fs::write(&start, script).expect("the directory is writable");
        fs::set_permissions(&start, fs::Permissions::from_mode(0o755))
            .expect("the owner may set permissions");
        Browser::builder(Microphones::Beep)
            .binary(start)
            // With loopback, Chromium asks the STUN server from 127.0.0.1 too, which the system
            // refuses to send. Chromium 148 does not stop gathering candidates until that request
            // times out, after 40 s.
            .without_loopback()
            // The driver stays outside the namespace, and can reach no port of the browser.
            .flag("--remote-debugging-pipe")
            .flag(format!(
                "--unsafely-treat-insecure-origin-as-secure={origin}"
            ))
    }

    /// Runs `ip` with these arguments on the interfaces and routes of the namespace.
    ///
    /// # Errors
    /// If `ip` fails.
    pub fn ip(&self, arguments: &str) -> Result<(), Failure> {
        run(&format!("ip -n {} {arguments}", self.name)).map(drop)
    }

    /// Runs a command in the namespace. Returns its output.
    ///
    /// # Errors
    /// If the command fails.
    pub fn exec(&self, command: &str) -> Result<String, Failure> {
        run(&format!("ip netns exec {} {command}", self.name))
    }

    /// Adds rules to nftables.
    ///
    /// # Errors
    /// If nftables refuses them.
    pub fn nft(&self, rules: &str) -> Result<(), Failure> {
        run_with_input(&format!("ip netns exec {} nft -f -", self.name), rules).map(drop)
    }

    /// Turns the machine into a router: it passes on packets for other machines.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn forward(&self) {
        self.enter(|| fs::write("/proc/sys/net/ipv4/ip_forward", "1"))
            .expect("a process may change the settings of a namespace that it made");
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMES).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

fn move_into(path: &Path) -> io::Result<()> {
    let namespace = File::open(path)?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

/// Kills the processes of a namespace and removes it. Without the first, the processes would keep
/// it alive.
fn remove(name: &str) {
    let pids = run(&format!("ip netns pids {name}")).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        // An error means that the process has ended meanwhile.
        let _ = Pid::from_raw(pid).map(|pid| kill_process(pid, Signal::KILL));
    }
    // An error means that another test, which has just begun, removed it.
    let _ = run(&format!("ip netns del {name}"));
}
